//! Checkpoints: everything a run needs to resume exactly.
//!
//! A checkpoint is a folder `checkpoints/step-NNNNNNNN` that is complete or absent: it is written
//! under a scratch name, synced, read back and compared, and renamed. Its manifest, with a hash of
//! each file, is written last.

mod load;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gensen_data::batch::BatchSize;
use gensen_data::error::chain;
use gensen_data::scratch::{self, Scratch};
use gensen_model::MultitaskModel;
use serde::{Deserialize, Serialize};

pub(crate) use self::load::{is_one, judged, load_average};
pub use self::load::{load_judged, load_model, load_optimizer, load_state, verify};
use self::write::write;
use crate::error::TrainError;
use crate::metrics::MetricSums;
use crate::optimizer::Adam;
use crate::precision::LossScale;

const MODEL: &str = "model.safetensors";
/// The mean of the weights, where there is one.
const AVERAGE: &str = "average.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
pub(crate) const MANIFEST: &str = "manifest.json";
const FORMAT_VERSION: u32 = 1;

/// The state of a run, without its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Optimiser steps done.
    pub step: u64,
    /// The run's seed. Dropout masks, the order of tasks and of examples are functions of the
    /// seed and the step, so this is the whole random state.
    pub seed: u64,
    /// The batch size of all devices together; `None` in checkpoints of earlier versions.
    #[serde(default)]
    pub batch: Option<BatchSize>,
    /// The same for each task; empty in checkpoints of earlier versions.
    #[serde(default)]
    pub task_batches: Vec<BatchSize>,
    /// The number of batches each task has had; checked on resuming.
    pub sampler_positions: Vec<u64>,
    /// The number of updates of each parameter, by name.
    pub updates: BTreeMap<String, u64>,
    /// Sums since the last report.
    pub window: MetricSums,
    /// The best validation so far.
    pub best: Option<Best>,
    /// The loss scale of a run in f16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
}

/// The best validation of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Its step.
    pub step: u64,
    /// The value it was chosen by: the mean of the held-out losses, or the measure named in `by`.
    #[serde(alias = "loss")]
    pub value: f64,
    /// The measure's name as configured; none for the mean of the losses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointManifest {
    format_version: u32,
    step: u64,
    files: BTreeMap<String, FileEntry>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    bytes: u64,
    sha256: String,
}

/// The checkpoints of one run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    run: PathBuf,
    folder: PathBuf,
}

impl Checkpoints {
    /// The checkpoints of the run in a folder.
    pub fn of(run: &Path) -> Self {
        Self {
            run: run.to_owned(),
            folder: run.join("checkpoints"),
        }
    }

    /// The folder of a step's checkpoint.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}"))
    }

    /// Steps with a checkpoint, oldest first. Scratch folders, renamed copies and files are
    /// ignored.
    ///
    /// # Errors
    ///
    /// A folder that cannot be listed.
    pub fn steps(&self) -> Result<Vec<u64>, TrainError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(TrainError::io(&self.folder)(e)),
        };
        let mut steps = Vec::new();
        for entry in entries {
            let path = entry.map_err(TrainError::io(&self.folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let step = name.and_then(|name| name.strip_prefix("step-"));
            let step = step.and_then(|step| step.parse::<u64>().ok());
            steps.extend(step.filter(|&step| path == self.path(step) && path.is_dir()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// The step named by the file `best` or `latest`.
    pub fn named(&self, name: &str) -> Option<u64> {
        fs::read_to_string(self.run.join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Writes the checkpoint of `state.step`, points `latest` (and `best`, if it is the best) to
    /// it, and deletes old ones until `keep` and the best are left.
    ///
    /// # Errors
    ///
    /// Files that cannot be written or removed; [`TrainError::Checkpoint`] if what was written reads back
    /// differently.
    pub fn save(
        &self,
        model: &MultitaskModel,
        average: Option<&MultitaskModel>,
        adam: &Adam,
        state: &RunState,
        keep: usize,
    ) -> Result<(), TrainError> {
        fs::create_dir_all(&self.folder).map_err(TrainError::io(&self.folder))?;
        // Left half-written by killed processes; a failed deletion does no harm.
        let _ = scratch::remove_stale(&self.folder);
        let target = self.path(state.step);
        if verify(&target).is_err() {
            let scratch = Scratch::folder(&target).map_err(TrainError::io(&target))?;
            write(scratch.path(), model, average, adam, state)?;
            verify(scratch.path())?;
            scratch
                .rename_to(&target)
                .map_err(TrainError::io(&target))?;
        }
        self.point("latest", state.step)?;
        // Also repairs the pointer after a crash between writing the checkpoint and the pointer.
        if let Some(best) = &state.best
            && self.named("best") != Some(best.step)
            && self.path(best.step).exists()
        {
            self.point("best", best.step)?;
        }
        self.thin_out(keep, state.step)
    }

    fn point(&self, name: &str, step: u64) -> Result<(), TrainError> {
        let path = self.run.join(name);
        scratch::write_file(&path, |file| writeln!(file, "{step}")).map_err(TrainError::io(&path))
    }

    fn thin_out(&self, keep: usize, newest: u64) -> Result<(), TrainError> {
        let best = self.named("best");
        let steps: Vec<u64> = self
            .steps()?
            .into_iter()
            .filter(|&step| step <= newest)
            .collect();
        let old = &steps[..steps.len().saturating_sub(keep.max(1))];
        for &step in old.iter().filter(|&&step| Some(step) != best) {
            let path = self.path(step);
            scratch::remove_folder(&path).map_err(TrainError::io(&path))?;
        }
        Ok(())
    }

    /// The newest undamaged checkpoint; `None` if there are no checkpoints. Damaged ones are
    /// reported and skipped.
    ///
    /// # Errors
    ///
    /// The problem of the oldest, if all but that of step 0 are damaged: starting afresh would
    /// overwrite the run.
    pub fn newest_whole(&self) -> Result<Option<PathBuf>, TrainError> {
        let mut last = None;
        for step in self.steps()?.into_iter().rev() {
            let path = self.path(step);
            match verify(&path) {
                Ok(()) if step > 0 || last.is_none() => return Ok(Some(path)),
                Ok(()) => break,
                Err(problem) => {
                    let problem = chain(&problem);
                    tracing::warn!("{problem}; trying the checkpoint before it");
                    last = Some(problem);
                }
            }
        }
        last.map_or(Ok(None), |problem| {
            Err(TrainError::Resume {
                folder: self.run.clone(),
                problem: format!(
                    "none of its checkpoints is whole ({problem}); choose another run.folder or \
                     remove this one"
                ),
            })
        })
    }
}
