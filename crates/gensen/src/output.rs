//! What the program says on standard output, which may be full or closed.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use serde::Serialize;

/// Standard output cannot be written.
#[derive(Debug)]
pub(crate) struct OutputError(io::Error);

impl OutputError {
    /// Whether its reader has had enough, as `head` has: that is no fault.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output")
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Writes to standard output, and through to its reader.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<()> {
    let mut output = io::stdout().lock();
    let written = output.write_fmt(text).and_then(|()| output.flush());
    Ok(written.map_err(OutputError)?)
}

/// A JSON object on a line of standard output.
pub(crate) fn say_json(value: &impl Serialize) -> Result<()> {
    print(format_args!("{}\n", serde_json::to_string(value)?))
}

/// Says what the columns are that follow, if a person reads them: on a terminal.
pub(crate) fn heading(columns: &str) -> Result<()> {
    match io::stdout().is_terminal() {
        true => print(format_args!("{columns}\n")),
        false => Ok(()),
    }
}

/// A line on standard output, as `println!`, but an error where that panics.
macro_rules! say {
    ($format:literal $($rest:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}
pub(crate) use say;
