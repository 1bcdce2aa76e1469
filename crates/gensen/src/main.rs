//! The `gensen` program.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

mod commands;
mod device;
mod english;
mod hub;
mod lines;
mod npy;
mod output;
mod part;
mod terminal;
mod vector_output;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use gensen_data::output::tell;
use gensen_data::scratch;

use output::OutputError;

/// General-purpose sentence representations: sentences in, vectors out.
#[derive(Parser)]
#[command(
    name = "gensen",
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
    Similar(Box<commands::similar::Arguments>),
    Pairs(Box<commands::pairs::Arguments>),
    Cluster(Box<commands::cluster::Arguments>),
    Classify(commands::classify::Arguments),
    Eval(Box<commands::eval::Arguments>),
    Inspect(commands::inspect::Arguments),
    #[cfg(feature = "serve")]
    Serve(Box<commands::serve::Arguments>),
    ExportOnnx(commands::export_onnx::Arguments),
    ExportSentenceTransformers(commands::export_sentence_transformers::Arguments),
    #[cfg(feature = "hub")]
    Push(commands::push::Arguments),
    #[cfg(feature = "burn")]
    #[command(
        after_help = "Examples:\n  gensen train\n  gensen train --config configs/real-small.toml --set training.steps=500\n  \
                      gensen train export --run runs/sample --output models/sample"
    )]
    Train(Box<gensen_train::cli::Arguments>),
    #[cfg(feature = "burn")]
    Config(commands::config::Arguments),
    Completions(commands::completions::Arguments),
    Man(commands::man::Arguments),
}

/// The exit status of a program that a signal ended (128 and SIGINT's number).
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let outcome = if device::list_is_asked_for(std::env::args_os()) {
        output::print(format_args!("{}", device::listing())).map(|()| ExitCode::SUCCESS)
    } else {
        run(Arguments::parse().command)
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads errors either, the exit code is left.
            tell!("error: {error:#}");
            let usage = error.is::<commands::Usage>() || device::is_device_error(&error);
            #[cfg(feature = "burn")]
            let usage = usage || gensen_train::cli::exit_code(&error) == 2;
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    // It logs and ends in its own way.
    #[cfg(feature = "burn")]
    if let Command::Train(arguments) = command {
        return gensen_train::cli::run(*arguments);
    }
    // It goes on for long, and handles signals in its own way.
    #[cfg(feature = "serve")]
    if let Command::Serve(arguments) = command {
        terminal::log(true)?;
        commands::serve::run(&arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal::log(false)?;
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
        Command::Pairs(arguments) => commands::pairs::run(&arguments),
        Command::Cluster(arguments) => commands::cluster::run(&arguments),
        Command::Classify(arguments) => commands::classify::run(&arguments),
        Command::Eval(arguments) => commands::eval::run(&arguments),
        Command::Inspect(arguments) => commands::inspect::run(&arguments),
        #[cfg(feature = "serve")]
        Command::Serve(_) => unreachable!("has returned above"),
        Command::ExportOnnx(arguments) => commands::export_onnx::run(&arguments),
        Command::ExportSentenceTransformers(arguments) => {
            commands::export_sentence_transformers::run(&arguments)
        }
        #[cfg(feature = "hub")]
        Command::Push(arguments) => commands::push::run(&arguments),
        #[cfg(feature = "burn")]
        Command::Train(_) => unreachable!("has returned above"),
        #[cfg(feature = "burn")]
        Command::Config(arguments) => commands::config::run(&arguments),
        Command::Completions(arguments) => {
            commands::completions::run(&arguments, Arguments::command())
        }
        Command::Man(arguments) => commands::man::run(&arguments, Arguments::command()),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<OutputError>();
    error.is_some_and(OutputError::is_closed)
}
