//! Logging and progress bars; bars only if standard error is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

/// Logs to standard error, with timestamps for a long-running program. `RUST_LOG` sets the level.
pub(crate) fn log(has_time: bool) -> Result<()> {
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("warn,gensen::commands=info,gensen::device=info,gensen_serve=info")
    });
    // Log lines are dropped once standard error is closed.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(level)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match has_time {
        true => log.try_init(),
        false => log.without_time().try_init(),
    }
    .map_err(anyhow::Error::from_boxed)
    .context("logging")
}

/// Progress bar over an input.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `bytes` of input, if known.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        let bar = match bytes {
            Some(bytes) => ProgressBar::new(bytes),
            None => ProgressBar::new_spinner(),
        };
        let template = match bytes {
            Some(_) => "{wide_bar} {percent}% {msg}, {eta} left",
            None => "{spinner} {msg}, {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows the bytes of input and the sentences done.
    pub(crate) fn show(&self, bytes: u64, sentences: u64) {
        self.0.set_position(bytes);
        let seconds = self.0.elapsed().as_secs_f64().max(1e-3);
        let speed = sentences as f64 / seconds;
        self.0
            .set_message(format!("{sentences} sentences, {speed:.0}/s"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A spinner during a long step.
pub(crate) struct Busy(ProgressBar);

impl Busy {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.into());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
