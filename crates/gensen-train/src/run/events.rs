//! Events and outcome of a run.

use std::path::Path;

use gensen_model::MultitaskModel;

use crate::checkpoint::Best;
use crate::metrics::Metric;

/// An event of a run.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run resumes from a checkpoint.
    Resumed {
        /// The checkpoint's folder.
        from: &'a Path,
        /// Steps done.
        step: u64,
    },
    /// A step is done.
    Step {
        /// Steps done.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// The task trained.
        task: &'a str,
        /// The sum of its losses.
        loss: f64,
    },
    /// Metrics were written.
    Metrics(&'a [Metric]),
    /// A checkpoint was written.
    Checkpoint {
        /// Its folder.
        path: &'a Path,
    },
}

/// The reason why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// Validation did not improve for `management.early_stopping_patience` steps.
    StoppedEarly,
    /// It was interrupted; a checkpoint was written.
    Interrupted,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The reason why the run ended.
    pub ending: Ending,
    /// Steps done.
    pub step: u64,
    /// The best validation.
    pub best: Option<Best>,
    /// All metrics of the run.
    pub metrics: Vec<Metric>,
    /// The step of `model`.
    pub model_step: u64,
    /// The model to export, not tracked by automatic differentiation: that of the best validation,
    /// or the last one if the run was interrupted or has no validation.
    pub model: MultitaskModel,
}
