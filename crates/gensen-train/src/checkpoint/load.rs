//! Verifying a checkpoint against its manifest, and loading its contents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use gensen_data::digest;
use gensen_model::MultitaskModel;
use gensen_model::parameters;

use super::{
    AVERAGE, CheckpointManifest, FORMAT_VERSION, MANIFEST, MODEL, OPTIMIZER, RunState, STATE,
};
use crate::error::TrainError;
use crate::optimizer::{Adam, AdamConfig, Moments};
use crate::tensors::Mapped;

/// Whether a folder looks like a checkpoint, whole or not.
pub(crate) fn is_one(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// Checks every file of a checkpoint against its manifest.
///
/// # Errors
///
/// [`TrainError::Checkpoint`]: a file is missing, or differs in size, hash or format.
pub fn verify(folder: &Path) -> Result<(), TrainError> {
    manifest(folder).map(|_| ())
}

fn manifest(folder: &Path) -> Result<CheckpointManifest, TrainError> {
    let error = |problem: String| TrainError::checkpoint(folder, problem);
    let unreadable = |name: &str| format!("{name} cannot be read");
    let text = fs::read(folder.join(MANIFEST))
        .map_err(TrainError::in_checkpoint(folder, unreadable(MANIFEST)))?;
    let damaged = format!("{MANIFEST} is damaged");
    let manifest: CheckpointManifest =
        serde_json::from_slice(&text).map_err(TrainError::in_checkpoint(folder, damaged))?;
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
        let (sha256, bytes) = digest::sha256_of_file(&folder.join(name))
            .map_err(TrainError::in_checkpoint(folder, unreadable(name)))?;
        if bytes != entry.bytes {
            return Err(error(format!(
                "{name} has {bytes} bytes, {} were written",
                entry.bytes
            )));
        }
        if sha256 != entry.sha256 {
            return Err(error(format!(
                "{name} has changed since it was written (its hash differs)"
            )));
        }
    }
    Ok(manifest)
}

/// Loads a verified checkpoint's weights into a model of the same sizes.
///
/// # Errors
///
/// A file that cannot be read; weights that are missing or of another shape.
pub fn load_model(folder: &Path, model: MultitaskModel) -> Result<MultitaskModel, TrainError> {
    load_weights(&folder.join(MODEL), model)
}

/// Loads the weights that are validated and exported from a verified checkpoint into a model of the
/// same sizes: the mean of the weights if there is one.
///
/// # Errors
///
/// As [`load_model`].
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
        let problem = "it has no mean of the weights, which training.average_from needs";
        return Err(TrainError::checkpoint(folder, problem));
    }
    load_weights(&path, model)
}

/// The file of a verified checkpoint with the weights to validate and export.
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
///
/// # Errors
///
/// A file that cannot be read or is malformed.
pub fn load_state(folder: &Path) -> Result<RunState, TrainError> {
    let path = folder.join(STATE);
    let text = fs::read(&path).map_err(TrainError::io(&path))?;
    let damaged = format!("{STATE} is damaged");
    serde_json::from_slice(&text).map_err(TrainError::in_checkpoint(folder, damaged))
}

/// Loads a checkpoint's optimiser.
///
/// # Errors
///
/// A file that cannot be read; tensors that are missing.
pub fn load_optimizer(
    folder: &Path,
    state: &RunState,
    config: AdamConfig,
    device: &Device,
) -> Result<Adam, TrainError> {
    let path = folder.join(OPTIMIZER);
    let mapped = Mapped::open(&path).map_err(TrainError::io(&path))?;
    let tensor = |name: String| -> Result<Tensor<1>, TrainError> {
        let missing = || TrainError::checkpoint(&path, format!("tensor `{name}` is missing"));
        let tensor = mapped.tensor(&name).ok_or_else(missing)?;
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
