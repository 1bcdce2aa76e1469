//! Progress bars, on a terminal only.

use super::list::bytes;
use gensen_data::output::tell;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Files of at least this many bytes are announced without a terminal.
const LARGE: u64 = 10_000_000;

/// A bar that disappears when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar of a file's bytes, with the rate and the time left.
    ///
    /// Without a terminal, a line announces a large file.
    pub fn bytes(name: &str, from: u64, total: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal()
            && let Some(total) = total.filter(|&total| total > LARGE)
        {
            tell!(
                "{name}: fetching {} of {}",
                bytes(total.saturating_sub(from)),
                bytes(total)
            );
        }
        Self::new(
            name,
            from,
            total,
            "{bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left",
        )
    }

    /// A bar of lines of text.
    pub fn lines(name: &str, total: Option<u64>) -> Self {
        Self::new(name, 0, total, "{human_pos} lines {per_sec}")
    }

    fn new(name: &str, from: u64, total: Option<u64>, unit: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let template = match total {
            Some(_) => format!("{{msg}} {{wide_bar}} {unit}"),
            None => format!(
                "{{msg}} {{spinner}} {}",
                unit.replace("/{total_bytes}", "").replace("{eta} left", "")
            ),
        };
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let bar = match ProgressStyle::with_template(&template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        bar.set_message(name.to_owned());
        bar.set_position(from);
        // The rate excludes the part that existed before.
        bar.reset_eta();
        Self(bar)
    }

    /// Sets the progress.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
