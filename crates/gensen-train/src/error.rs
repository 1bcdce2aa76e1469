use std::path::{Path, PathBuf};

pub use gensen_data::error::Cause;
use gensen_data::error::DataError;
use gensen_expand::{ExpandError, VectorsError};
use gensen_model::ModelError;
use gensen_model::model_folder::ModelFolderError;
use gensen_model::weights::WeightsError;
use thiserror::Error;

/// Errors of training.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration contradicts itself or the data.
    #[error("{origin}: {problem}")]
    Config {
        /// The file, the key or the command-line option.
        origin: String,
        /// The key and what was expected.
        problem: String,
    },
    /// The configuration, or a part of it, cannot be read or written, or has impossible values.
    #[error("{origin}")]
    Invalid {
        /// The file, the key or the command-line option.
        origin: String,
        /// What is wrong.
        source: Cause,
    },
    /// An input does not exist.
    #[error("{key}: {path} does not exist{hint}")]
    Missing {
        /// The key that names it.
        key: String,
        /// The file or folder.
        path: PathBuf,
        /// The command that fetches it, if that is known.
        hint: String,
    },
    /// A corpus is malformed or cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The word vectors cannot be read.
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    /// A task that compares each example with its whole batch, on several devices.
    #[error(
        "task `{task}` compares each example with its whole batch, and each of {devices} devices \
         has only a share of it: train on one device"
    )]
    WholeBatch {
        /// The task.
        task: String,
        /// The number of devices.
        devices: usize,
    },
    /// The model cannot be created or its weights do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The encoder cannot be extracted from a checkpoint's weights.
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
        /// The system's error.
        source: std::io::Error,
    },
    /// A checkpoint is missing, damaged or incomplete.
    #[error("checkpoint {path}: {problem}")]
    Checkpoint {
        /// The checkpoint's folder or file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The error behind it, if any.
        source: Option<Cause>,
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
    #[error("device {device}")]
    Device {
        /// Its place among the run's devices and its name.
        device: String,
        /// The device's error.
        source: Cause,
    },
    /// An execution strategy of burn-train that this model does not support.
    #[error("{strategy}: {problem}")]
    Strategy {
        /// Its name.
        strategy: &'static str,
        /// The reason, and an alternative.
        problem: &'static str,
    },
    /// A loss or gradient norm that is infinite or not a number.
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
    /// Gradients overflow f16 at a loss scale of 1.
    #[error(
        "the gradients of task `{task}` overflow f16 at step {step}, at the smallest loss scale; the \
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
        "no batch for step {step}: the thread that prepares batches has failed; the last \
         checkpoint is kept"
    )]
    NoBatch {
        /// The step, counted from 1.
        step: u64,
    },
    /// A picture cannot be drawn.
    #[error("{path}")]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// The cause.
        source: Cause,
    },
}

impl TrainError {
    /// A configuration that contradicts itself or the data.
    pub(crate) fn config(origin: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config {
            origin: origin.into(),
            problem: problem.into(),
        }
    }

    /// A checkpoint that is missing, damaged or incomplete.
    pub(crate) fn checkpoint(path: &Path, problem: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.into(),
            problem: problem.into(),
            source: None,
        }
    }

    /// An adapter for `map_err` that adds the checkpoint's folder and the problem.
    pub(crate) fn in_checkpoint<E: Into<Cause>>(
        path: &Path,
        problem: String,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self::Checkpoint {
            path: path.into(),
            problem,
            source: Some(error.into()),
        }
    }

    /// An adapter for `map_err` that adds the part of the configuration.
    pub(crate) fn invalid<E: Into<Cause>>(origin: &str) -> impl FnOnce(E) -> Self + '_ {
        move |error| Self::Invalid {
            origin: origin.into(),
            source: error.into(),
        }
    }

    /// An adapter for `map_err` that adds the file.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
