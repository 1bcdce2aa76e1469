//! `cargo xtask bench`: our programs compared with peers in PyTorch, here or on another machine.
//!
//! [`pairs`] defines the comparisons, [`peers`] runs both sides alternately, [`measurement`] parses and compares their
//! output. [`programs`] builds or finds the programs, and [`pack`] copies them into a folder for another machine.

mod bounds;
mod measurement;
mod pack;
mod pairs;
mod peers;
mod programs;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Benchmark.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Run our program and its PyTorch peer alternately, and print ratios
    ///
    /// Example: cargo xtask bench peers --python venv/bin/python train-small
    Peers(peers::Peers),
    /// Pack what `peers` needs into a folder, for a machine without Rust
    ///
    /// Example: cargo xtask bench pack --features gensen/cuda gensen-bench
    Pack(pack::Pack),
}

/// Runs a benchmark.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Benchmark::Peers(peers) => peers::run(peers),
        Benchmark::Pack(pack) => pack::run(pack),
    }
}
