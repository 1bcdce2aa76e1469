//! The `gensen-train` program.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

use std::process::ExitCode;

use clap::Parser;
use gensen_data::output::tell;
use gensen_model::device;
use gensen_train::cli;

/// Train a general-purpose sentence encoder on many tasks at once.
///
/// Without options it trains on the built-in sample corpus: under two minutes on two cores, no download.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  gensen-train --config configs/real-small.toml --set training.steps=500"
)]
struct Program {
    #[command(flatten)]
    arguments: cli::Arguments,
}

fn main() -> ExitCode {
    let outcome = if device::list_is_asked_for(std::env::args_os()) {
        cli::list_devices().map(|()| ExitCode::SUCCESS)
    } else {
        cli::run(Program::parse().arguments)
    };
    outcome.unwrap_or_else(|error| {
        tell!("error: {error:#}");
        ExitCode::from(cli::exit_code(&error))
    })
}
