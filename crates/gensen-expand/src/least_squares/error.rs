//! Errors of linear maps.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::MAP_KEY;

/// An error while fitting, applying, saving or loading a [`LinearMap`](super::LinearMap).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MapError {
    /// The ridge is negative or not finite.
    #[error("the ridge is {0}, expected 0 or a positive number")]
    Ridge(f64),
    /// The singular value decomposition did not converge: values are too close to the largest
    /// float.
    #[error("the singular values of the word vectors did not converge")]
    NoConvergence,
    /// A sum of the fit overflowed: values are too close to the largest float.
    #[error(
        "the map is not finite: word vectors or embeddings hold numbers close to the largest float"
    )]
    NotFinite,
    /// The vectors have other dimensions than those of the fit.
    #[error("the map expects word vectors of {expected} dimensions, these have {found}")]
    Dimensions {
        /// The dimensions of the map.
        expected: usize,
        /// The dimensions of the vectors.
        found: usize,
    },
    /// The file cannot be read or written.
    #[error("cannot {verb} the vocabulary map {}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file is not a vocabulary map, or it is damaged.
    #[error("{}: not a vocabulary map: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file is not a safetensors file, or it is damaged.
    #[error("{}: not a vocabulary map", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: safetensors::SafeTensorError,
    },
    /// The report in the file's metadata is malformed.
    #[error("{}: not a vocabulary map: malformed metadata `{MAP_KEY}`", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// A tensor of the file is missing or invalid.
    #[error("{}: tensor `{tensor}`: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: &'static str,
        /// The expected type and shape.
        expected: String,
        /// The type and shape in the file, or a value.
        found: String,
    },
}
