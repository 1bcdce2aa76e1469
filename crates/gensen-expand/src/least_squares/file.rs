//! The file of a map: safetensors with `coefficients`, `[width, dimensions]`, and `intercept`,
//! `r_squared` and `residual`, `[width]`, all in 64 bits, and the rest of the report as JSON in the
//! metadata.

use std::{collections::HashMap, fs, path::Path};

use gensen_data::{scratch, text};
use ndarray::{Array1, Array2};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::{FitReport, LinearMap, MapError};

/// The key of a map's metadata, by which its file is recognised.
pub const MAP_KEY: &str = "gensen.vocabulary_map";
const FORMAT_VERSION: u32 = 1;
/// The size limit of a file: enough for 8,192 dimensions to a width of 16,384.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// All of the metadata, in one string so that a file's bytes do not depend on the order of a hash
/// map.
#[derive(Serialize, Deserialize)]
struct Metadata {
    format_version: u32,
    report: FitReport,
}

impl LinearMap {
    /// Writes the map to a file (`map.safetensors` in a model folder), complete or not at all.
    ///
    /// # Errors
    ///
    /// [`MapError::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), MapError> {
        let io_error = |source| MapError::Io {
            verb: "write",
            path: path.into(),
            source,
        };
        let metadata = Metadata {
            format_version: FORMAT_VERSION,
            report: self.report.clone(),
        };
        let metadata = serde_json::to_string(&metadata).map_err(|source| MapError::Metadata {
            path: path.into(),
            source,
        })?;

        let (width, dimensions) = self.coefficients.dim();
        let tensors = [
            (
                "coefficients",
                vec![width, dimensions],
                little_endian(&self.coefficients),
            ),
            ("intercept", vec![width], little_endian(&self.intercept)),
            (
                "r_squared",
                vec![width],
                little_endian(&self.report.r_squared),
            ),
            (
                "residual",
                vec![width],
                little_endian(&self.report.residual),
            ),
        ];
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((*name, TensorView::new(Dtype::F64, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        let bytes = views
            .and_then(|views| {
                safetensors::serialize(views, Some(HashMap::from([(MAP_KEY.into(), metadata)])))
            })
            .map_err(|source| MapError::Safetensors {
                path: path.into(),
                source,
            })?;

        scratch::write_file(path, |file| file.write_all(&bytes)).map_err(io_error)
    }

    /// Reads a map written by [`save`](Self::save).
    ///
    /// # Errors
    ///
    /// [`MapError::Io`]; [`MapError::Malformed`], [`MapError::Safetensors`] and
    /// [`MapError::Metadata`] for files that are not a vocabulary map of this version;
    /// [`MapError::Tensor`] for a tensor of another type or shape, or with values that are not
    /// finite.
    pub fn load(path: &Path) -> Result<Self, MapError> {
        let io_error = |source| MapError::Io {
            verb: "read",
            path: path.into(),
            source,
        };
        let malformed = |detail: String| MapError::Malformed {
            path: path.into(),
            detail,
        };
        let size = fs::metadata(path).map_err(io_error)?.len();
        if size > MAX_FILE_BYTES {
            return Err(malformed(format!(
                "{size} bytes, expected at most {MAX_FILE_BYTES}"
            )));
        }
        let bytes = fs::read(path).map_err(io_error)?;
        text::no_pointer(&bytes).map_err(io_error)?;
        let damaged = |source| MapError::Safetensors {
            path: path.into(),
            source,
        };
        let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let metadata = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(MAP_KEY));
        let metadata = metadata.ok_or_else(|| malformed(format!("no metadata `{MAP_KEY}`")))?;
        let Metadata {
            format_version,
            mut report,
        } = serde_json::from_str(metadata).map_err(|source| MapError::Metadata {
            path: path.into(),
            source,
        })?;
        if format_version != FORMAT_VERSION {
            return Err(malformed(format!(
                "format version {format_version}, expected {FORMAT_VERSION}"
            )));
        }

        let (width, dimensions) = (report.width, report.dimensions);
        let read = |name, shape: &[usize]| tensor(path, &tensors, name, shape);
        let coefficients = read("coefficients", &[width, dimensions])?;
        #[allow(clippy::expect_used, reason = "`tensor` has compared the shape")]
        let coefficients =
            Array2::from_shape_vec((width, dimensions), coefficients).expect("its shape");
        let intercept = Array1::from(read("intercept", &[width])?);
        report.r_squared = read("r_squared", &[width])?;
        report.residual = read("residual", &[width])?;
        Ok(Self {
            coefficients,
            intercept,
            report,
        })
    }
}

fn little_endian<'v>(values: impl IntoIterator<Item = &'v f64>) -> Vec<u8> {
    values
        .into_iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Reads a 64-bit tensor; its shape must be `shape`, and its values finite.
fn tensor(
    path: &Path,
    tensors: &SafeTensors<'_>,
    name: &'static str,
    shape: &[usize],
) -> Result<Vec<f64>, MapError> {
    let wrong = |found: String| MapError::Tensor {
        path: path.into(),
        tensor: name,
        expected: format!("finite F64 {shape:?}"),
        found,
    };
    let view = tensors.tensor(name).map_err(|_| wrong("none".into()))?;
    if view.dtype() != Dtype::F64 || view.shape() != shape {
        return Err(wrong(format!("{:?} {:?}", view.dtype(), view.shape())));
    }
    let values: Vec<f64> = view
        .data()
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&b| f64::from_le_bytes(b))
        .collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(wrong(format!("{} at index {at}", values[at]))),
        None => Ok(values),
    }
}
