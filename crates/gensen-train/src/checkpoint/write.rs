//! Writing a checkpoint's files, the manifest last.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use burn::tensor::Tensor;
use gensen_data::{digest, scratch};
use gensen_model::MultitaskModel;
use gensen_model::parameters::{self, ParameterVisitor};
use serde::Serialize;

use super::{
    AVERAGE, CheckpointManifest, FORMAT_VERSION, FileEntry, MANIFEST, MODEL, OPTIMIZER, RunState,
    STATE,
};
use crate::error::TrainError;
use crate::optimizer::Adam;
use crate::tensors::{self, Announced};

/// Writes all files into a scratch folder.
pub(super) fn write(
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
    let manifest = CheckpointManifest {
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
    digest::sha256_of_file(path)
}

/// Writes the weights alone, with the reference's names.
fn write_model(path: &Path, model: &MultitaskModel) -> io::Result<(String, u64)> {
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
    write(data.as_slice::<f32>().map_err(io::Error::other)?)
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
