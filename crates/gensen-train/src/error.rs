use std::path::{Path, PathBuf};

use gensen_data::error::DataError;
use gensen_expand::{ExpandError, VectorsError};
use gensen_model::ModelError;
use gensen_model::model_folder::ModelFolderError;
use gensen_model::weights::WeightsError;
use thiserror::Error;

/// Why training cannot begin or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration cannot be read or contradicts itself.
    #[error("{origin}: {problem}")]
    Config {
        /// The file, or the command-line option.
        origin: String,
        /// The key and what was expected.
        problem: String,
    },
    /// An input is not there.
    #[error("{key}: {path} does not exist{hint}")]
    Missing {
        /// What names it.
        key: String,
        /// The file or folder.
        path: PathBuf,
        /// What brings it, if that is known.
        hint: String,
    },
    /// A corpus is not what it should be.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The word vectors cannot be read.
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    /// A task that compares each example with its whole batch, on several devices.
    #[error(
        "task `{task}` compares each example with its whole batch, which no device of {devices} \
         has: train it on one"
    )]
    WholeBatch {
        /// The task.
        task: String,
        /// How many devices there are.
        devices: usize,
    },
    /// The model cannot be made or its weights do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A checkpoint's weights cannot be cut to an encoder.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The model folder cannot be written.
    #[error(transparent)]
    ModelFolder(#[from] ModelFolderError),
    /// The model's vocabulary cannot be extended by the word vectors.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// A file cannot be read or written.
    #[error("{path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A checkpoint is not what was written.
    #[error("checkpoint {path}: {problem}")]
    Checkpoint {
        /// The checkpoint's folder or file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A run cannot be resumed under this configuration.
    #[error("cannot resume {folder}: {problem}")]
    Resume {
        /// The run's folder.
        folder: PathBuf,
        /// What differs.
        problem: String,
    },
    /// A device failed.
    #[error("device {device}: {problem}")]
    Device {
        /// Which of the run's.
        device: String,
        /// What it said.
        problem: String,
    },
    /// A strategy of burn-train's by which this model is not trained.
    #[error("{strategy}: {problem}")]
    Strategy {
        /// Its name.
        strategy: &'static str,
        /// Why it is not, and what to use instead.
        problem: &'static str,
    },
    /// The loss or the gradient left the finite numbers.
    #[error(
        "the {what} of task `{task}` is {value} at step {step}; the last good checkpoint is kept. \
         Try a lower training.learning_rate or training.clip_norm"
    )]
    NotFinite {
        /// "loss" or "gradient norm".
        what: &'static str,
        /// The task trained at that step.
        task: String,
        /// The step, counted from 1.
        step: u64,
        /// The value.
        value: f64,
    },
    /// Gradients are beyond the range of f16, and were not multiplied by anything.
    #[error(
        "the gradients of task `{task}` overflow f16 at step {step} whatever the loss scale; the \
         last good checkpoint is kept. Set training.precision to \"bf16\" or \"f32\""
    )]
    Overflow {
        /// The task trained at that step.
        task: String,
        /// The step, counted from 1.
        step: u64,
    },
    /// The thread that prepares batches ended early.
    #[error(
        "there is no batch for step {step}: the thread that prepares them has failed; the last \
         checkpoint is kept"
    )]
    NoBatch {
        /// The step, counted from 1.
        step: u64,
    },
    /// A picture cannot be drawn.
    #[error("{path}: {problem}")]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
}

impl TrainError {
    /// For `map_err`: names the file.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
