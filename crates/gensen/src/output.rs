//! Standard output, which may be full or closed.

use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::Result;
pub(crate) use gensen_data::output::OutputError;
use serde::Serialize;

/// [`gensen_data::output::print`] with a program's error.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<()> {
    Ok(gensen_data::output::print(text)?)
}

/// Prints a value as one line of JSON.
pub(crate) fn say_json(value: &impl Serialize) -> Result<()> {
    print(format_args!("{}\n", serde_json::to_string(value)?))
}

/// Prints column headings, if standard output is a terminal.
pub(crate) fn heading(columns: &str) -> Result<()> {
    match io::stdout().is_terminal() {
        true => print(format_args!("{columns}\n")),
        false => Ok(()),
    }
}

/// As `println!`, with an error where that panics.
macro_rules! say {
    ($format:literal $($rest:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}
pub(crate) use say;
