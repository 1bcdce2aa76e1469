//! `cargo xtask bench`: our programs and their peers in PyTorch, here or on another machine.
//!
//! [`pairs`] says what is measured against what, [`peers`] runs both in turn, [`measurement`] reads
//! and compares what they print. [`programs`] knows where they are, and [`pack`] puts them into a
//! folder that can be carried away.

mod measurement;
mod pack;
mod pairs;
mod peers;
mod programs;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Measure.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Run ours and the PyTorch peer in turn, and print the ratios
    ///
    /// Example: cargo xtask bench peers --python venv/bin/python train-small
    Peers(peers::Peers),
    /// Put what `peers` needs into a folder, for a machine without Rust
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
