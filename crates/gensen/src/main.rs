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
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
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
    Embed(Box<commands::embed::Arguments>),
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

/// Exit status after a signal: 128 + SIGINT's number.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let outcome = if device::list_is_asked_for(std::env::args_os()) {
        output::print(format_args!("{}", device::listing())).map(|()| ExitCode::SUCCESS)
    } else {
        run(parse().command)
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed too, only the exit code remains.
            tell!("error: {error:#}");
            let usage = error.is::<commands::UsageError>() || device::is_device_error(&error);
            #[cfg(feature = "burn")]
            let usage = usage || gensen_train::cli::exit_code(&error) == 2;
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// The command line, with the trainer's examples as `gensen train`.
fn program() -> clap::Command {
    let program = Arguments::command();
    #[cfg(feature = "burn")]
    let program = program.mut_subcommand("train", |train| {
        train.mut_subcommands(|command| match command.get_after_help() {
            Some(help) => {
                let help = help.to_string().replace("gensen-train ", "gensen train ");
                command.after_help(help)
            }
            None => command,
        })
    });
    program
}

/// Parses the arguments; prints help or an error, and exits, if that fails.
fn parse() -> Arguments {
    let mut program = program();
    let matches = program.get_matches_mut();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut program).exit())
}

fn run(command: Command) -> Result<ExitCode> {
    // The trainer has its own logging and signal handling.
    #[cfg(feature = "burn")]
    if let Command::Train(arguments) = command {
        return gensen_train::cli::run(*arguments);
    }
    // The server logs timestamps and has its own signal handling.
    #[cfg(feature = "serve")]
    if let Command::Serve(arguments) = command {
        terminal::log(true)?;
        commands::serve::run(&arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal::log(false)?;
    // Every window of sentences needs arrays of the same sizes.
    gensen_encode::kernels::memory::keep_freed();
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
        Command::Completions(arguments) => commands::completions::run(&arguments, program()),
        Command::Man(arguments) => commands::man::run(&arguments, program()),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<OutputError>();
    error.is_some_and(OutputError::is_closed)
}
