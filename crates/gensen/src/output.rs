//! What the program says on standard output, which may be full or closed.

use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::Result;
pub(crate) use gensen_data::output::OutputError;
use serde::Serialize;

/// [`gensen_data::output::print`] with a program's error.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<()> {
    Ok(gensen_data::output::print(text)?)
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
