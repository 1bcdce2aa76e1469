//! Progress bars and logging; bars are hidden unless standard error is a terminal.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::metrics::{Metric, Split};
use crate::run::Event;
use anyhow::{Context, Result};
use gensen_data::{output, prepare};
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The default log filter: our messages and other crates' warnings. CubeCL's compiler for CUDA logs
/// each pass over each kernel, hundreds of megabytes; Burn's remote back end logs each message
/// dropped by a lost connection, thousands in a run.
const INFO: &str = "warn,gensen=info,burn_remote=error,burn_communication=error";

/// Writes a line to standard output; a closed pipe is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    match output::print(format_args!("{text}\n")) {
        Err(error) if !error.is_closed() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Logs to standard error and, with times, to a file. `RUST_LOG` sets the filter.
pub(crate) fn log_to(file: Option<&Path>) -> Result<()> {
    let level = || EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(INFO));
    // Messages to a closed standard error are dropped.
    let console = tracing_subscriber::fmt::layer()
        .log_internal_errors(false)
        .without_time()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let file = match file {
        None => None,
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.with_context(|| path.display().to_string())?;
            let layer = tracing_subscriber::fmt::layer().with_ansi(false);
            Some(layer.with_writer(Mutex::new(file)))
        }
    };
    tracing_subscriber::registry()
        .with(level())
        .with(console)
        .with(file)
        .try_init()
        .context("logging")
}

/// Shows the progress of data preparation.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    pub(crate) fn show(&self, progress: &prepare::PrepareProgress<'_>) {
        use prepare::PrepareProgress::{Counting, Hashing, Reading, Ready, Writing};
        let message = match progress {
            Hashing { input } => format!("hashing {input}"),
            Reading {
                task,
                split,
                input,
                line,
            } => {
                format!("reading {input} ({task}, {split}), line {line}")
            }
            Counting { task } => format!("counting the words of {task}"),
            Writing { task } => format!("writing the shards of {task}"),
            Ready { reused: true } => "data found in the cache".into(),
            _ => "data ready".into(),
        };
        self.0.set_message(message);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// The progress bar of a run's steps, with metrics as lines above it.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Exponential moving average of the loss, for display.
    loss: Option<f64>,
}

impl Progress {
    pub(crate) fn new(steps: u64) -> Self {
        let bar = ProgressBar::new(steps);
        let style = "{wide_bar} {pos}/{len} steps, {per_sec}, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, loss: None }
    }

    pub(crate) fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Resumed { from, step } => {
                tracing::info!("resuming from {} ({step} steps done)", from.display());
                self.bar.set_position(*step);
                self.bar.reset_eta();
            }
            Event::Step {
                step, task, loss, ..
            } => {
                let mean = self.loss.map_or(*loss, |mean| 0.98 * mean + 0.02 * loss);
                self.loss = Some(mean);
                self.bar.set_position(*step);
                self.bar.set_message(format!("{task} loss {mean:.3}"));
            }
            Event::Metrics(metrics) => {
                self.bar.suspend(|| metrics.iter().for_each(log));
            }
            Event::Checkpoint { path } => {
                self.bar
                    .suspend(|| tracing::debug!("checkpoint {}", path.display()));
            }
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn log(metric: &Metric) {
    let split = match metric.split {
        Split::Train => "training",
        Split::Validation => "validation",
        Split::Test => "test",
    };
    let mut parts = Vec::new();
    let values = [
        ("loss", metric.loss),
        ("perplexity", metric.perplexity),
        ("accuracy", metric.accuracy),
        ("Pearson", metric.pearson),
        ("Spearman", metric.spearman),
        ("gradient norm", metric.gradient_norm),
        ("effective rank", metric.effective_rank),
    ];
    for (name, value) in values {
        parts.extend(value.map(|value| format!("{name} {value:.4}")));
    }
    let rate = metric
        .count_per_second
        .filter(|_| metric.split == Split::Train);
    parts.extend(rate.map(|rate| format!("{rate:.0}/s")));
    tracing::info!(
        "step {} {split} {}: {}",
        metric.step,
        metric.task,
        parts.join(", ")
    );
}
