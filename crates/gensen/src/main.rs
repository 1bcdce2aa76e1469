//! The `gensen` program.

mod commands;
mod device;
mod english;
mod hub;
mod lines;
mod npy;
mod output;
mod part;
mod terminal;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use gensen_data::scratch;

use output::OutputError;

/// General-purpose sentence representations: sentences in, vectors out.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  gensen embed \"A sentence.\" \"Another.\"\n  gensen embed --model models/nli_large --input sentences.txt --output vectors.npy"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Embed(commands::embed::Arguments),
    Calibrate(commands::calibrate::Arguments),
    Convert(commands::convert::Arguments),
    Expand(commands::expand::Arguments),
    Similar(commands::similar::Arguments),
    Eval(Box<commands::eval::Arguments>),
    Inspect(commands::inspect::Arguments),
}

/// The exit status of a program that a signal ended (128 and SIGINT's number).
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let outcome = if device::list_is_asked_for(std::env::args_os()) {
        output::print(format_args!("{}", device::listing()))
    } else {
        run(Arguments::parse().command)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads errors either, the exit code is left.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            let usage = error.is::<commands::Usage>() || device::is_device_error(&error);
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<()> {
    terminal::log()?;
    ctrlc::set_handler(|| {
        scratch::remove_all();
        std::process::exit(INTERRUPTED);
    })
    .context("signals cannot be handled")?;
    match command {
        Command::Embed(arguments) => commands::embed::run(&arguments),
        Command::Calibrate(arguments) => commands::calibrate::run(&arguments),
        Command::Convert(arguments) => commands::convert::run(&arguments),
        Command::Expand(arguments) => commands::expand::run(&arguments),
        Command::Similar(arguments) => commands::similar::run(&arguments),
        Command::Eval(arguments) => commands::eval::run(&arguments),
        Command::Inspect(arguments) => commands::inspect::run(&arguments),
    }
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<OutputError>();
    error.is_some_and(OutputError::is_closed)
}
