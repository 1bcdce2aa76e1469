//! Checkpoints: everything a run needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder `checkpoints/step-NNNNNNNN` that is complete or absent: it is written
//! under a scratch name, synced, read back and compared, and renamed. Its manifest, with a hash of
//! each file, is written last.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use gensen_data::batch::BatchSize;
use gensen_data::scratch::{self, Scratch};
use gensen_model::MultitaskModel;
use gensen_model::parameters::{self, ParameterVisitor};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::files;
use crate::metrics::Window;
use crate::optimizer::{Adam, AdamConfig, Moments};
use crate::precision::LossScale;
use crate::tensors::{self, Announced, Mapped};

const MODEL: &str = "model.safetensors";
/// The mean of the weights, where there is one.
const AVERAGE: &str = "average.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";
const FORMAT_VERSION: u32 = 1;

/// Everything of a run's state that is not a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Optimiser steps done.
    pub step: u64,
    /// The run's seed. Dropout masks, the order of tasks and of examples are functions of the
    /// seed and the step, so this is the whole random state.
    pub seed: u64,
    /// How much a step of all devices together takes; none in checkpoints of earlier versions.
    #[serde(default)]
    pub batch: Option<BatchSize>,
    /// The same for each task; empty in checkpoints of earlier versions.
    #[serde(default)]
    pub task_batches: Vec<BatchSize>,
    /// Batches each task has been given; checked when the run goes on.
    pub sampler_positions: Vec<u64>,
    /// Updates of each parameter so far, by name.
    pub updates: BTreeMap<String, u64>,
    /// Sums since the last report.
    pub window: Window,
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
    /// When.
    pub step: u64,
    /// What chose it: the mean of the held-out losses, or the measure named.
    #[serde(alias = "loss")]
    pub value: f64,
    /// The measure's name as configured; none for the mean of the losses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
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
    /// Of the run in a folder.
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

    /// Steps with a checkpoint, oldest first. Nothing else counts: scratch folders, copies under names
    /// of their own, files.
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
    pub fn save(
        &self,
        model: &MultitaskModel,
        average: Option<&MultitaskModel>,
        adam: &Adam,
        state: &RunState,
        keep: usize,
    ) -> Result<(), TrainError> {
        fs::create_dir_all(&self.folder).map_err(TrainError::io(&self.folder))?;
        // What killed processes left half-written; what cannot be deleted now is in nobody's way.
        let _ = scratch::remove_stale(&self.folder);
        let target = self.path(state.step);
        if verify(&target).is_err() {
            let scratch = Scratch::folder(&target).map_err(TrainError::io(&target))?;
            write(scratch.path(), model, average, adam, state)?;
            verify(scratch.path())?;
            if target.exists() {
                fs::remove_dir_all(&target).map_err(TrainError::io(&target))?;
            }
            scratch
                .rename_to(&target)
                .map_err(TrainError::io(&target))?;
        }
        self.point("latest", state.step)?;
        // Also where a crash came between a checkpoint and this pointer to it.
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
            // Renamed first: a folder that lost only some files must not look like a checkpoint.
            let path = self.path(step);
            let scratch = Scratch::folder(&path).map_err(TrainError::io(&path))?;
            let old = scratch.path().join("old");
            fs::rename(&path, &old).map_err(TrainError::io(&path))?;
            fs::remove_dir_all(&old).map_err(TrainError::io(&old))?;
        }
        Ok(())
    }

    /// The newest checkpoint that is whole; none if there is no checkpoint at all. Damaged ones are
    /// reported and passed over.
    ///
    /// # Errors
    ///
    /// What is wrong with the oldest, if none is whole but that of step 0: to begin afresh would overwrite
    /// the run.
    pub fn newest_whole(&self) -> Result<Option<PathBuf>, TrainError> {
        let mut last = None;
        for step in self.steps()?.into_iter().rev() {
            let path = self.path(step);
            match verify(&path) {
                Ok(()) if step > 0 || last.is_none() => return Ok(Some(path)),
                Ok(()) => break,
                Err(problem) => {
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

fn write(
    folder: &Path,
    model: &MultitaskModel,
    average: Option<&MultitaskModel>,
    adam: &Adam,
    state: &RunState,
) -> Result<(), TrainError> {
    fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let mut entries = BTreeMap::new();
    let mut enter = |name: &str, written: io::Result<(String, u64)>| {
        let (sha256, bytes) = written.map_err(TrainError::io(&folder.join(name)))?;
        entries.insert(name.to_owned(), FileEntry { bytes, sha256 });
        Ok::<(), TrainError>(())
    };
    enter(MODEL, write_model(&folder.join(MODEL), model))?;
    if let Some(average) = average {
        enter(AVERAGE, write_model(&folder.join(AVERAGE), average))?;
    }
    enter(OPTIMIZER, write_moments(&folder.join(OPTIMIZER), adam))?;
    enter(STATE, write_json(&folder.join(STATE), state))?;
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        step: state.step,
        files: entries,
    };
    let path = folder.join(MANIFEST);
    write_json(&path, &manifest)
        .map(drop)
        .map_err(TrainError::io(&path))
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<(String, u64)> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    scratch::write_file(path, |file| file.write_all(&text))?;
    files::hash_file(path)
}

/// Writes the weights alone, with the reference's names.
pub(crate) fn write_model(path: &Path, model: &MultitaskModel) -> io::Result<(String, u64)> {
    struct Announce(Vec<Announced>);
    impl ParameterVisitor for Announce {
        fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            let shape = tensor.dims().to_vec();
            self.0.push(Announced {
                name: name.into(),
                shape,
            });
        }
    }
    struct Fill<'a> {
        write: &'a mut dyn FnMut(&[f32]) -> io::Result<()>,
        result: io::Result<()>,
    }
    impl ParameterVisitor for Fill<'_> {
        fn visit<const D: usize>(&mut self, _name: &str, tensor: Tensor<D>) {
            if self.result.is_ok() {
                self.result = write_tensor(tensor, self.write);
            }
        }
    }
    let mut announce = Announce(Vec::new());
    parameters::visit(model, &mut announce);
    tensors::write(path, announce.0, |write| {
        let mut fill = Fill {
            write,
            result: Ok(()),
        };
        parameters::visit(model, &mut fill);
        fill.result
    })
}

fn write_tensor<const D: usize>(
    tensor: Tensor<D>,
    write: &mut dyn FnMut(&[f32]) -> io::Result<()>,
) -> io::Result<()> {
    let data = tensor.inner().into_data();
    write(
        data.as_slice::<f32>()
            .map_err(|e| io::Error::other(format!("{e:?}")))?,
    )
}

fn write_moments(path: &Path, adam: &Adam) -> io::Result<(String, u64)> {
    let moments = adam.moments();
    let announced = moments.iter().flat_map(|(name, moments)| {
        ["mean", "variance"].map(|part| Announced {
            name: format!("{name}.{part}"),
            shape: moments.mean.dims().to_vec(),
        })
    });
    tensors::write(path, announced.collect(), |write| {
        for moments in moments.values() {
            write_tensor(moments.mean.clone(), write)?;
            write_tensor(moments.variance.clone(), write)?;
        }
        Ok(())
    })
}

/// Whether a folder looks like a checkpoint, whole or not.
pub(crate) fn is_one(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// Checks every file of a checkpoint against its manifest.
pub fn verify(folder: &Path) -> Result<(), TrainError> {
    manifest(folder).map(|_| ())
}

fn manifest(folder: &Path) -> Result<Manifest, TrainError> {
    let error = |problem: String| TrainError::Checkpoint {
        path: folder.into(),
        problem,
    };
    let text = fs::read(folder.join(MANIFEST))
        .map_err(|e| error(format!("{MANIFEST} cannot be read ({e})")))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|e| error(format!("{MANIFEST} is damaged: {e}")))?;
    if manifest.format_version != FORMAT_VERSION {
        let found = manifest.format_version;
        return Err(error(format!(
            "its format is version {found}, this program reads {FORMAT_VERSION}"
        )));
    }
    for name in [MODEL, OPTIMIZER, STATE] {
        if !manifest.files.contains_key(name) {
            return Err(error(format!("{MANIFEST} does not list {name}")));
        }
    }
    for (name, entry) in &manifest.files {
        let (sha256, bytes) = files::hash_file(&folder.join(name))
            .map_err(|e| error(format!("{name} cannot be read ({e})")))?;
        if bytes != entry.bytes {
            return Err(error(format!(
                "{name} has {bytes} bytes, {} were written",
                entry.bytes
            )));
        }
        if sha256 != entry.sha256 {
            return Err(error(format!(
                "{name} is not what was written (its hash differs)"
            )));
        }
    }
    Ok(manifest)
}

/// Loads a verified checkpoint's weights into a model of the same sizes.
pub fn load_model(folder: &Path, model: MultitaskModel) -> Result<MultitaskModel, TrainError> {
    load_weights(&folder.join(MODEL), model)
}

/// Loads the weights of a verified checkpoint that are validated and exported into a model of the same
/// sizes: the mean, where it has begun.
pub fn load_judged(folder: &Path, model: MultitaskModel) -> Result<MultitaskModel, TrainError> {
    load_weights(&judged(folder), model)
}

/// Loads the mean of the weights that a verified checkpoint holds.
pub(crate) fn load_average(
    folder: &Path,
    model: MultitaskModel,
) -> Result<MultitaskModel, TrainError> {
    let path = folder.join(AVERAGE);
    if !path.exists() {
        return Err(TrainError::Checkpoint {
            path: folder.into(),
            problem: "it holds no mean of the weights, which training.average_from asks for".into(),
        });
    }
    load_weights(&path, model)
}

/// The file of a verified checkpoint's weights that are validated and exported.
pub(crate) fn judged(folder: &Path) -> PathBuf {
    let average = folder.join(AVERAGE);
    if average.exists() {
        average
    } else {
        folder.join(MODEL)
    }
}

fn load_weights(path: &Path, model: MultitaskModel) -> Result<MultitaskModel, TrainError> {
    let mapped = Mapped::open(path).map_err(TrainError::io(path))?;
    Ok(parameters::load(model, |name| mapped.tensor(name))?)
}

/// Loads the state of a checkpoint.
pub fn load_state(folder: &Path) -> Result<RunState, TrainError> {
    let path = folder.join(STATE);
    let text = fs::read(&path).map_err(TrainError::io(&path))?;
    serde_json::from_slice(&text).map_err(|e| TrainError::Checkpoint {
        path,
        problem: e.to_string(),
    })
}

/// Loads a checkpoint's optimiser.
pub fn load_optimizer(
    folder: &Path,
    state: &RunState,
    config: AdamConfig,
    device: &Device,
) -> Result<Adam, TrainError> {
    let path = folder.join(OPTIMIZER);
    let mapped = Mapped::open(&path).map_err(TrainError::io(&path))?;
    let tensor = |name: String| -> Result<Tensor<1>, TrainError> {
        let tensor = mapped.tensor(&name).ok_or_else(|| TrainError::Checkpoint {
            path: path.clone(),
            problem: format!("tensor `{name}` is missing"),
        })?;
        let size = tensor.data.len();
        Ok(Tensor::from_data(
            TensorData::new(tensor.data, [size]),
            device,
        ))
    };
    let mut moments = BTreeMap::new();
    for (name, &updates) in &state.updates {
        let entry = Moments {
            updates,
            mean: tensor(format!("{name}.mean"))?,
            variance: tensor(format!("{name}.variance"))?,
        };
        moments.insert(name.clone(), entry);
    }
    Ok(Adam::resume(config, moments))
}
