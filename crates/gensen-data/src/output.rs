//! Printing to standard output and standard error, which may be closed or full.

use std::fmt;
use std::io::{self, Write};

pub use crate::{say, tell};

/// An error of writing to standard output.
#[derive(Debug, thiserror::Error)]
#[error("standard output")]
pub struct OutputError(#[source] io::Error);

impl OutputError {
    /// Whether the reader closed the pipe, as `head` does: not a failure of the program.
    pub fn is_closed(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// Writes to standard output and flushes it.
///
/// # Errors
///
/// If it is closed or full.
pub fn print(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    output.write_fmt(text)?;
    Ok(output.flush()?)
}

/// Writes to standard error. Errors are ignored, since there is no stream left to report them on.
pub fn print_error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Prints a line like `println!`, but returns an [`OutputError`](crate::output::OutputError) where
/// that panics.
#[macro_export]
macro_rules! say {
    ($format:literal $($rest:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}

/// Prints a line like `eprintln!`, but ignores errors where that panics.
#[macro_export]
macro_rules! tell {
    ($format:literal $($rest:tt)*) => {
        $crate::output::print_error(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}
