//! Repository chores: `cargo xtask fetch-data`, `cargo xtask validate` and `cargo xtask bench`.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

mod bench;
mod fetch;
mod repository;
mod validate;

use anyhow::Result;
use clap::{Parser, Subcommand};
use gensen_data::output::{OutputError, tell};
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
    /// Run all checks, cheapest first
    Validate,
    /// Benchmark our programs against PyTorch's
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        // Wrong usage, or help.
        Err(usage) => {
            let printed = usage.print();
            if !usage.use_stderr() {
                printed.map_err(OutputError::from)?;
            }
            return Ok(ExitCode::from(usage.exit_code() as u8));
        }
    };
    match command {
        Command::FetchData(arguments) => fetch::run(&arguments),
        Command::Validate => validate::run(),
        Command::Bench(arguments) => bench::run(&arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    let error: Option<&OutputError> = error.downcast_ref();
    error.is_some_and(OutputError::is_closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_commands_exist() {
        let root = repository::root();
        let docs = gensen_data::files::below(&root.join("docs"), |name| name.ends_with(".md"));
        let mut pages: Vec<_> = docs.unwrap().into_iter().map(|(_, path)| path).collect();
        pages.push(root.join("README.md"));
        let mut found = 0;
        for page in pages {
            let text = gensen_data::text::read(&page).unwrap();
            for line in text.replace("\\\n", " ").lines().map(str::trim) {
                if !line.starts_with("cargo xtask ") {
                    continue;
                }
                let command = line.split('#').next().unwrap();
                let words = command.split_whitespace().skip(1);
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{}: {line}\n{error}", page.display());
                }
                found += 1;
            }
        }
        assert!(found > 5, "{found} commands found");
    }
}
