//! The `gensen-train` program.

mod cli;
#[cfg(feature = "tui")]
mod dashboard;
#[cfg(feature = "remote")]
mod serve;
mod terminal;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            // Whoever reads it may have gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(cli::exit_code(&error))
        }
    }
}
