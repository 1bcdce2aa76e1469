//! The `gensen-train` program.

mod cli;
#[cfg(feature = "tui")]
mod dashboard;
#[cfg(feature = "remote")]
mod serve;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(cli::exit_code(&error))
        }
    }
}
