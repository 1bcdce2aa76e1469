//! What a run tells of itself.

use std::path::Path;

use gensen_model::MultitaskModel;

use crate::checkpoint::Best;
use crate::metrics::Metric;

/// What happens during a run, for those who watch it.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run goes on from a checkpoint.
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

/// Why a run came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// Validation had not improved for long enough.
    StoppedEarly,
    /// Somebody asked it to stop; a checkpoint was written.
    Interrupted,
}

/// A run that came back.
#[derive(Debug)]
pub struct Outcome {
    /// Why.
    pub ending: Ending,
    /// Steps done.
    pub step: u64,
    /// The best validation.
    pub best: Option<Best>,
    /// All metrics of the run.
    pub metrics: Vec<Metric>,
    /// The step of `model`.
    pub model_step: u64,
    /// The model that is exported, outside of automatic differentiation: that of the best
    /// validation; of a run without any, or one that was interrupted, the last.
    pub model: MultitaskModel,
}
