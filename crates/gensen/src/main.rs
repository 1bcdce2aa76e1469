//! The `gensen` program.

mod commands;
mod lines;
mod npy;
mod part;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gensen_model::device::{self, DeviceError};

/// General-purpose sentence representations: sentences in, vectors out.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  gensen embed --model models/nli_large --input sentences.txt --output vectors.npy"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Embed(commands::embed::Arguments),
    Convert(commands::convert::Arguments),
    Expand(commands::expand::Arguments),
    Similar(commands::similar::Arguments),
    Eval(Box<commands::eval::Arguments>),
    Inspect(commands::inspect::Arguments),
}

fn main() -> ExitCode {
    if device::list_is_asked_for(std::env::args_os()) {
        print!("{}", device::Listing::new());
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let outcome = terminal::log().and_then(|()| match arguments.command {
        Command::Embed(arguments) => commands::embed::run(&arguments),
        Command::Convert(arguments) => commands::convert::run(&arguments),
        Command::Expand(arguments) => commands::expand::run(&arguments),
        Command::Similar(arguments) => commands::similar::run(&arguments),
        Command::Eval(arguments) => commands::eval::run(&arguments),
        Command::Inspect(arguments) => commands::inspect::run(&arguments),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let usage = error.is::<commands::Usage>() || error.is::<DeviceError>();
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}
