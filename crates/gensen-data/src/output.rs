//! What programs say to a person, on streams that may be closed or full.

use std::fmt;
use std::io::{self, Write};

pub use crate::{say, tell};

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("standard output")]
pub struct OutputError(#[source] io::Error);

impl OutputError {
    /// Whether its reader has had enough, as `head` has: that is no fault.
    pub fn is_closed(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// Writes to standard output, and through to its reader.
///
/// # Errors
///
/// When it is closed or full.
pub fn print(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    output.write_fmt(text)?;
    Ok(output.flush()?)
}

/// Writes to standard error. Where nobody reads that, nobody can be told so.
pub fn print_error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// A line on standard output, as `println!`, but an error where that panics.
#[macro_export]
macro_rules! say {
    ($format:literal $($rest:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}

/// A line on standard error, as `eprintln!`, but nothing where that panics.
#[macro_export]
macro_rules! tell {
    ($format:literal $($rest:tt)*) => {
        $crate::output::print_error(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}
