//! Repository chores: `cargo xtask fetch-data`, `cargo xtask validate` and `cargo xtask bench`.

mod bench;
mod fetch;
mod validate;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Repository chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Download corpora, word vectors, models and test sets, and convert them to what GenSen reads
    FetchData(fetch::Arguments),
    /// Run every check, the cheapest first
    Validate,
    /// Measure our programs against other people's
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::FetchData(arguments) => fetch::run(&arguments),
        Command::Validate => validate::run(),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
