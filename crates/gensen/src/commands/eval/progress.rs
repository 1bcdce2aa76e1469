//! Scores on standard output as they are computed, as a table or JSON lines; progress bars on standard error.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use gensen_eval::{EvalEvent, TaskResult};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::output::say;

/// Steps of the bar of one task.
const STEPS: f64 = 1000.0;

/// Output of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// A table with headings.
    Table,
    /// One JSON object per score.
    Json,
}

/// A score as a JSON object.
#[derive(Serialize)]
struct ScoreRow<'a> {
    encoder: &'a str,
    /// The task's main score; null where undefined.
    main: Option<f64>,
    metric: &'static str,
    kept: bool,
    #[serde(flatten)]
    result: &'a TaskResult,
}

/// A bar over all tasks, and one over the current task.
pub(super) struct Progress<'a> {
    encoder: &'a str,
    style: Style,
    /// Whether tasks without data are listed.
    names_skipped: bool,
    bars: MultiProgress,
    tasks: ProgressBar,
    task: ProgressBar,
    /// The first failure to print a score. The evaluation continues: scores are cached and reported.
    printed: Mutex<Result<()>>,
}

impl<'a> Progress<'a> {
    /// `is_first` of several encoders prints the headings and the skipped tasks.
    pub(super) fn new(encoder: &'a str, style: Style, is_first: bool) -> Self {
        let bars = MultiProgress::new();
        let bar = |length, template| {
            let bar = bars.add(ProgressBar::new(length));
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        };
        let printed = match style {
            Style::Table if is_first => say!("task\tencoder\tscore\tmetric\ttime"),
            _ => Ok(()),
        };
        Self {
            tasks: bar(0, "{wide_bar} {pos}/{len} tasks, {elapsed}"),
            task: bar(STEPS as u64, "{wide_bar} {percent}% {msg}"),
            encoder,
            style,
            names_skipped: is_first,
            bars,
            printed: Mutex::new(printed),
        }
    }

    fn print(&self, line: &str) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.is_ok() {
            *printed = say!("{line}");
        }
    }

    fn line(&self, result: &TaskResult, kept: bool) -> String {
        let (encoder, scores) = (self.encoder, &result.scores);
        let metric = scores.metric();
        if self.style == Style::Json {
            // Serialisation cannot fail: all keys are strings.
            return serde_json::json!(ScoreRow {
                encoder,
                main: scores.main(),
                metric,
                kept,
                result,
            })
            .to_string();
        }
        let when = match kept {
            true => "kept".to_owned(),
            false => format!("{:.1} s", result.seconds),
        };
        format!("{}\t{encoder}\t{scores}\t{metric}\t{when}", result.task)
    }

    /// A failure to print a note is ignored.
    fn note(&self, line: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }

    /// Clears the bars; an error if scores could not be printed.
    pub(super) fn finish(self) -> Result<()> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut printed, Ok(()))
    }

    pub(super) fn show(&self, event: EvalEvent<'_>) {
        match event {
            EvalEvent::Started { task, index, of } => {
                self.tasks.set_length(of as u64);
                self.tasks.set_position(index as u64);
                self.task.set_message(task.to_owned());
                self.task.set_position(0);
            }
            // Vectors usually cost about as much as classifiers.
            EvalEvent::Embedding(share) => self.task.set_position((share * STEPS / 2.0) as u64),
            EvalEvent::Training(share) => {
                self.task
                    .set_position((STEPS / 2.0 + share * STEPS / 2.0) as u64);
            }
            EvalEvent::Finished { result, cached } => {
                let line = self.line(result, cached);
                self.bars.suspend(|| self.print(&line));
            }
            EvalEvent::Skipped(skipped) if self.names_skipped => {
                self.note(&format!("skipped {}: {}", skipped.task, skipped.reason));
            }
            EvalEvent::Failed(failed) => {
                self.note(&format!("failed {}: {}", failed.task, failed.reason));
            }
            _ => {}
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.task.finish_and_clear();
        self.tasks.finish_and_clear();
    }
}
