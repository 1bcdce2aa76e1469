//! A run's metrics: mean training losses, validation results, and the file `metrics.jsonl`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use gensen_data::scratch;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::loss::Losses;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Optimiser steps done.
    pub step: u64,
    /// The data it was measured on.
    pub split: Split,
    /// The task; for a task with several outputs, `TASK/OUTPUT`, with the decoder or the part of
    /// the loss. `encoder` for properties of the sentence vectors.
    pub task: String,
    /// Mean cross-entropy in nats per target word, pair or label; for distillation a part of the
    /// loss, times its weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// `exp(loss)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<f64>,
    /// Accuracy: the share of examples with a correct label, or whose partner ranked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Pearson's correlation of cosines with human scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pearson: Option<f64>,
    /// Spearman's rank correlation of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spearman: Option<f64>,
    /// The number of target words or examples that the loss averages over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Mean global gradient norm before clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// Adam's step size in this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The effective rank of sentence vectors: `exp` of the entropy of their variance spectrum. A
    /// small number means that vectors have collapsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_rank: Option<f64>,
    /// Target words or examples per second; not reproducible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_per_second: Option<f64>,
    /// Wall time of the steps or of the validation; not reproducible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// The data that a metric was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Training batches, dropout on.
    Train,
    /// Held-out data for early stopping and for choosing the best checkpoint.
    Validation,
    /// Held-out data for the final test only.
    Test,
}

impl Metric {
    /// A metric without values.
    pub fn new(step: u64, split: Split, task: &str) -> Self {
        Self {
            step,
            split,
            task: task.into(),
            loss: None,
            perplexity: None,
            accuracy: None,
            pearson: None,
            spearman: None,
            count: None,
            gradient_norm: None,
            learning_rate: None,
            effective_rank: None,
            count_per_second: None,
            seconds: None,
        }
    }
}

/// Sums over the steps since the last report; part of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricSums {
    /// One entry per output, in the order of the tasks.
    pub tasks: Vec<TaskSums>,
}

/// Sums of one output.
///
/// Numbers are stored as bits, so that a resumed run reports exactly the numbers of an
/// uninterrupted one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSums {
    /// Steps.
    pub steps: u64,
    /// Sum of mean losses.
    #[serde(with = "bits")]
    pub loss: f64,
    /// Sum of gradient norms.
    #[serde(with = "bits")]
    pub gradient_norm: f64,
    /// Target words or examples.
    pub count: u64,
    /// Correct predictions.
    pub correct: u64,
    /// Wall time.
    #[serde(with = "bits")]
    pub seconds: f64,
}

mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        x.to_bits().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

impl MetricSums {
    /// Empty sums for `outputs` outputs.
    pub fn new(outputs: usize) -> Self {
        Self {
            tasks: vec![TaskSums::default(); outputs],
        }
    }

    /// Adds a step; `first` is the index of its task's first output.
    pub fn add(&mut self, first: usize, loss: &Losses, gradient_norm: f64, seconds: f64) {
        let outputs = self.tasks.iter_mut().skip(first);
        for (sums, (value, count)) in outputs.zip(loss.losses.iter().zip(&loss.counts)) {
            sums.steps += 1;
            sums.loss += value;
            sums.gradient_norm += gradient_norm;
            sums.count += *count as u64;
            sums.correct += loss.correct as u64;
            sums.seconds += seconds;
        }
    }

    /// Returns a metric for each output that was trained since the last report, and clears the
    /// sums.
    pub fn report(&mut self, step: u64, outputs: &[Output], learning_rate: f64) -> Vec<Metric> {
        let sums = std::mem::replace(self, Self::new(outputs.len())).tasks;
        let trained = outputs.iter().zip(sums).filter(|(_, sums)| sums.steps > 0);
        trained
            .map(|(output, sums)| {
                let loss = sums.loss / sums.steps as f64;
                Metric {
                    loss: Some(loss),
                    perplexity: output.perplexity(loss),
                    accuracy: output.accuracy(sums.correct, sums.count),
                    count: Some(sums.count),
                    gradient_norm: Some(sums.gradient_norm / sums.steps as f64),
                    learning_rate: Some(learning_rate),
                    count_per_second: Some(sums.count as f64 / sums.seconds.max(1e-9)),
                    seconds: Some(sums.seconds),
                    ..Metric::new(step, Split::Train, &output.name)
                }
            })
            .collect()
    }
}

/// A part of the model with its own loss: a decoder, a classifier, a part of a distillation loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The task's name; `TASK/OUTPUT` if the task has several outputs.
    pub name: String,
    /// The unit that its loss averages over.
    pub unit: Unit,
}

/// The unit that a loss averages over; it determines which other measures there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Target words: perplexity.
    Words,
    /// Predicted labels or partners: accuracy.
    Answers,
    /// Vectors: no other measure.
    Vectors,
}

impl Output {
    /// The perplexity for a loss, if the unit is words.
    pub(crate) fn perplexity(&self, loss: f64) -> Option<f64> {
        (self.unit == Unit::Words).then(|| loss.exp())
    }

    /// The share of correct predictions, if the unit is answers.
    pub(crate) fn accuracy(&self, correct: u64, count: u64) -> Option<f64> {
        let share = correct as f64 / count.max(1) as f64;
        (self.unit == Unit::Answers).then_some(share)
    }
}

/// Reads the metrics of a run's folder; a torn last line is ignored.
///
/// # Errors
///
/// A file that cannot be read.
pub fn read(folder: &Path) -> Result<Vec<Metric>, TrainError> {
    let path = folder.join("metrics.jsonl");
    let text = fs::read_to_string(&path).map_err(TrainError::io(&path))?;
    let metrics = text
        .lines()
        .map_while(|line| serde_json::from_str(line).ok());
    Ok(metrics.collect())
}

/// The metrics file of a run in progress.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    metrics: Vec<Metric>,
}

impl MetricsLog {
    /// Opens `metrics.jsonl` in a run's folder and removes metrics after `step`, the checkpoint
    /// that the run resumes from.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written.
    pub fn open(folder: &Path, step: Option<u64>) -> Result<Self, TrainError> {
        let path = folder.join("metrics.jsonl");
        let mut kept = Vec::new();
        let mut metrics = Vec::new();
        if let Some(step) = step
            && path.exists()
        {
            let text = fs::read(&path).map_err(TrainError::io(&path))?;
            // A line torn by a power cut is the last one, after the last checkpoint.
            for line in text.split_inclusive(|&byte| byte == b'\n') {
                let Ok(metric) = serde_json::from_slice::<Metric>(line) else {
                    break;
                };
                if metric.step > step || !line.ends_with(b"\n") {
                    break;
                }
                kept.extend_from_slice(line);
                metrics.push(metric);
            }
        }
        scratch::write_file(&path, |file| file.write_all(&kept)).map_err(TrainError::io(&path))?;
        Ok(Self { path, metrics })
    }

    /// Appends metrics and syncs the file.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn append(&mut self, metrics: Vec<Metric>) -> Result<(), TrainError> {
        let mut lines = Vec::new();
        for metric in &metrics {
            serde_json::to_writer(&mut lines, metric)
                .map_err(|e| TrainError::io(&self.path)(e.into()))?;
            lines.push(b'\n');
        }
        let append = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().append(true).open(&self.path)?;
            file.write_all(&lines)?;
            file.sync_data()
        };
        append().map_err(TrainError::io(&self.path))?;
        self.metrics.extend(metrics);
        Ok(())
    }

    /// All metrics of the run so far.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }
}
