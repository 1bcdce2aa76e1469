//! The start of a run: afresh or from a checkpoint, checked against the run in its folder.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use gensen_data::batch::BatchSize;
use gensen_data::scratch;
use gensen_data::spec::TaskSpec;

use crate::checkpoint::{self, Checkpoints, RunState};
use crate::config::{Config, RunConfig, TrainingConfig};
use crate::error::TrainError;

/// The start of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Resume from the newest undamaged checkpoint of the run's folder, or start afresh if there is
    /// none.
    Auto,
    /// Start afresh; refused if the folder already holds a run.
    Never,
    /// Resume from this checkpoint.
    Path(PathBuf),
}

/// Batch sizes of a step, all devices together.
pub(crate) struct StepSizes {
    /// The default of tasks.
    pub(crate) all: BatchSize,
    /// The batch size of each task.
    pub(crate) tasks: Vec<BatchSize>,
}

impl StepSizes {
    pub(crate) fn new(config: &Config, devices: usize) -> Self {
        let all = config.training.batch();
        let of_task = |task: &TaskSpec| task.batch(all).times(devices);
        Self {
            all: all.times(devices),
            tasks: config.tasks.iter().map(of_task).collect(),
        }
    }

    /// The first difference to the sizes before, as a message.
    fn difference(&self, config: &Config, before: &Self) -> Option<String> {
        let difference = |of: &str, now: BatchSize, before: BatchSize, key: &str| {
            (now != before).then(|| {
                format!(
                    "a step of all devices takes {now}{of}, and took {before}: set \
                     {key}batch_size or {key}batch_words so that the total is the same \
                     with this number of devices"
                )
            })
        };
        // Checkpoints of earlier versions have no sizes of tasks.
        if before.tasks.is_empty() {
            return difference("", self.all, before.all, "training.");
        }
        let sizes = self.tasks.iter().zip(&before.tasks);
        let mut sizes = sizes.zip(&config.tasks);
        sizes.find_map(
            |((now, before), task)| match task.batch_size.or(task.batch_words) {
                None => difference("", *now, *before, "training."),
                Some(_) => difference(&format!(" of task `{}`", task.name), *now, *before, ""),
            },
        )
    }
}

/// A checkpoint that a run resumes from.
pub(crate) struct Start {
    pub(crate) checkpoint: PathBuf,
    pub(crate) state: RunState,
}

impl Resume {
    /// Refuses impossible choices before any data is prepared.
    ///
    /// # Errors
    ///
    /// [`TrainError::Checkpoint`] for a path without a checkpoint; [`TrainError::Resume`] for
    /// [`Self::Never`] in a folder that holds a run; [`TrainError::Config`] for a `config.toml`
    /// that was not written by a run.
    pub fn check(&self, folder: &Path) -> Result<(), TrainError> {
        check_own_config(folder)?;
        match self {
            Self::Path(path) if !checkpoint::is_one(path) => Err(TrainError::checkpoint(
                path,
                "no checkpoint here; --resume accepts auto, never, or a folder such as \
                 RUN/checkpoints/step-00000100",
            )),
            Self::Never if !Checkpoints::of(folder).steps()?.is_empty() => Err(refused(
                folder,
                "it holds a run already, and --resume never would overwrite it; choose another \
                 run.folder or remove this one",
            )),
            _ => Ok(()),
        }
    }

    /// The checkpoint to resume from, if any.
    pub(crate) fn start(
        &self,
        folder: &Path,
        config: &Config,
        takes: &StepSizes,
    ) -> Result<Option<Start>, TrainError> {
        self.check(folder)?;
        let checkpoints = Checkpoints::of(folder);
        let from = match self {
            Self::Path(path) => {
                checkpoint::verify(path)?;
                // Absolute, so that its run's folder can be derived from it.
                Some(fs::canonicalize(path).map_err(TrainError::io(path))?)
            }
            Self::Auto => checkpoints.newest_whole()?,
            Self::Never => None,
        };
        let Some(checkpoint) = from else {
            return Ok(None);
        };
        let before = same_run(folder, config)?;
        let state = checkpoint::load_state(&checkpoint)?;
        // `auto` skips only damaged checkpoints, which are then overwritten.
        if *self != Self::Auto
            && let Some(later) = checkpoints.steps()?.pop()
            && later > state.step
        {
            let problem = format!(
                "it holds checkpoints up to step {later}, after step {}; choose another \
                 run.folder, or remove the later ones",
                state.step
            );
            return Err(refused(folder, problem));
        }
        if state.seed != config.run.seed {
            let (now, before) = (config.run.seed, state.seed);
            let problem = format!("run.seed is {now}, and was {before} before");
            return Err(refused(folder, problem));
        }
        let all = state.batch.or(before.map(|config| config.training.batch()));
        let before = all.map(|all| StepSizes {
            all,
            tasks: state.task_batches.clone(),
        });
        if let Some(problem) = before.and_then(|before| takes.difference(config, &before)) {
            return Err(refused(folder, problem));
        }
        Ok(Some(Start { checkpoint, state }))
    }
}

/// The error of a run that cannot start or resume in a folder.
fn refused(folder: &Path, problem: impl Into<String>) -> TrainError {
    TrainError::Resume {
        folder: folder.into(),
        problem: problem.into(),
    }
}

/// Locks a run's folder until the file is dropped or the process ends.
pub(crate) fn lock(folder: &Path) -> Result<File, TrainError> {
    let path = folder.join(".lock");
    let file = scratch::lock_file(&path).map_err(TrainError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(refused(folder, "another process is training in it")),
        Err(TryLockError::Error(error)) => {
            tracing::debug!("{}: no lock: {error}", path.display());
            Ok(file)
        }
    }
}

/// The first line of a configuration written by a run.
const WRITTEN: &str =
    "# Written by gensen-train and overwritten when the run resumes: edit another file.\n";

/// The beginning of that line in every version.
const WRITTEN_BY: &str = "# Written by gensen-train";

/// Refuses a folder with a configuration that was not written by a run: it would be lost.
fn check_own_config(folder: &Path) -> Result<(), TrainError> {
    let path = folder.join("config.toml");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(TrainError::io(&path)(error)),
    };
    // The earliest versions wrote no such line.
    if text.starts_with(WRITTEN_BY.as_bytes()) || !Checkpoints::of(folder).steps()?.is_empty() {
        return Ok(());
    }
    Err(TrainError::config(
        path.display().to_string(),
        "it was not written by a run, and a run in this folder would replace it: move it, or \
         choose another run.folder",
    ))
}

/// Writes the configuration as resolved.
pub(crate) fn write_config(folder: &Path, config: &Config) -> Result<(), TrainError> {
    let path = folder.join("config.toml");
    let text = toml::to_string(config);
    let text = text.map_err(TrainError::invalid(&path.display().to_string()))?;
    let text = format!("{WRITTEN}\n{text}");
    scratch::write_file(&path, |file| file.write_all(text.as_bytes()))
        .map_err(TrainError::io(&path))
}

/// The configuration of the folder's run, if any. Refuses a configuration that would make it
/// another run.
fn same_run(folder: &Path, config: &Config) -> Result<Option<Config>, TrainError> {
    let path = folder.join("config.toml");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(None);
    };
    let before = toml::from_str(&text);
    let before: Config = before.map_err(TrainError::invalid(&path.display().to_string()))?;
    // Folders, management, steps, learning rates, precision and what only the export reads may
    // change; model, data and tasks may not. Batch sizes are compared elsewhere, for all devices
    // together.
    let mut now = config.clone();
    now.run = RunConfig {
        seed: config.run.seed,
        start_from: config.run.start_from.clone(),
        ..before.run.clone()
    };
    now.management = before.management.clone();
    now.validations = before.validations.clone();
    now.vocabulary.unknown_words = before.vocabulary.unknown_words;
    now.training = TrainingConfig {
        batch_size: before.training.batch_size,
        batch_words: before.training.batch_words,
        steps: before.training.steps,
        learning_rate: before.training.learning_rate,
        embedding_learning_rate: before.training.embedding_learning_rate,
        warmup_steps: before.training.warmup_steps,
        schedule: before.training.schedule,
        schedule_steps: before.training.schedule_steps,
        final_learning_rate: before.training.final_learning_rate,
        clip_norm: before.training.clip_norm,
        precision: before.training.precision,
        ..config.training.clone()
    };
    for (now, before) in now.tasks.iter_mut().zip(&before.tasks) {
        (now.batch_size, now.batch_words) = (before.batch_size, before.batch_words);
    }
    let value = |config: &Config| toml::Value::try_from(config).ok();
    let differs = difference("", value(&before).as_ref(), value(&now).as_ref());
    let Some(differs) = differs else {
        return Ok(Some(before));
    };
    let problem = format!(
        "{differs} in the run's own configuration ({}); choose another run.folder for another run",
        path.display()
    );
    Err(refused(folder, problem))
}

/// The first difference between two values of `key`, as part of a message.
fn difference(
    key: &str,
    before: Option<&toml::Value>,
    now: Option<&toml::Value>,
) -> Option<String> {
    use toml::Value::{Array, Table};

    if before == now {
        return None;
    }
    match (before, now) {
        (Some(Table(before)), Some(Table(now))) => {
            let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            keys.into_iter().find_map(|k| {
                let key = format!("{key}{}{k}", if key.is_empty() { "" } else { "." });
                difference(&key, before.get(k), now.get(k))
            })
        }
        (Some(Array(before)), Some(Array(now))) if before.len() == now.len() => {
            let pairs = before.iter().zip(now).enumerate();
            let mut pairs = pairs.map(|(k, pair)| (format!("{key}[{k}]"), pair));
            pairs.find_map(|(key, (before, now))| difference(&key, Some(before), Some(now)))
        }
        _ => {
            let text = |value: Option<&toml::Value>| match value {
                None => "left out".into(),
                Some(Table(_) | Array(_)) => "other values".into(),
                Some(value) => value.to_string(),
            };
            Some(format!("{key} is {}, and was {}", text(now), text(before)))
        }
    }
}
