//! What can go wrong with a linear map.

use std::{io, path::PathBuf};

use thiserror::Error;

/// An error while fitting, applying, saving or loading a [`LinearMap`](super::LinearMap).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MapError {
    /// The ridge is not a number from 0 on.
    #[error("the ridge is {0}; 0 or a positive number is expected")]
    Ridge(f64),
    /// An eigenvalue or singular value iteration did not end; the input holds values near the largest numbers.
    #[error("the singular values of the word vectors did not converge")]
    NoConvergence,
    /// The fit's sums leave the range of the numbers: the input holds values near the largest ones.
    #[error("the map is not finite: the word vectors or embeddings hold numbers near the largest")]
    NotFinite,
    /// The vectors are of another length than those of the fit.
    #[error("the map takes word vectors of {expected} dimensions, these have {found}")]
    Dimensions {
        /// What the map was fitted to.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A matrix too large to address.
    #[error("the mapped vectors do not fit: {0}")]
    Shape(String),
    /// The file cannot be read or written.
    #[error("cannot {verb} the vocabulary map {}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is no vocabulary map, or a damaged one.
    #[error("{}: not a vocabulary map: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A tensor of the file is missing or not as it should be.
    #[error("{}: tensor `{tensor}`: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Which tensor.
        tensor: &'static str,
        /// Type and shape expected.
        expected: String,
        /// Type and shape found.
        found: String,
    },
}
