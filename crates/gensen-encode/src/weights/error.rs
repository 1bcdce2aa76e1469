//! Errors of weights.

use std::path::{Path, PathBuf};

use super::pickle::PickleError;

/// Errors of reading and writing weights and pickled vocabularies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// Names the file of another error.
    #[error("{}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<WeightsError>,
    },
    /// A pickle that is malformed or contains more than data.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A malformed PyTorch file.
    #[error("malformed PyTorch file: {0}")]
    Torch(String),
    /// A PyTorch file whose zip archive is damaged.
    #[error("malformed PyTorch file: {part}")]
    Archive {
        /// The archive or the entry that cannot be read.
        part: String,
        /// What happened.
        source: gensen_data::error::Cause,
    },
    /// A safetensors file that the `safetensors` crate refuses.
    #[error("malformed safetensors file")]
    Safetensors(#[source] ::safetensors::SafeTensorError),
    /// A safetensors file with a header beyond the limit.
    #[error("malformed safetensors file: a header of {bytes} bytes, expected at most {limit}")]
    LongHeader {
        /// The header's size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A malformed pickled vocabulary.
    #[error("malformed vocabulary: {0}")]
    Vocabulary(String),
    /// A tensor that the encoder needs is missing.
    #[error("tensor `{name}` is missing, expected shape {expected}")]
    MissingTensor {
        /// Its name.
        name: String,
        /// The shape it should have.
        expected: String,
    },
    /// A tensor that is not part of an encoder.
    #[error("tensor `{name}` is not part of an encoder{reason}")]
    UnexpectedTensor {
        /// Its name.
        name: String,
        /// The rest of the message, with the reason.
        reason: String,
    },
    /// A tensor of the wrong shape.
    #[error("tensor `{name}` has shape {found:?}, expected {expected}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape it should have.
        expected: String,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// A tensor of an unsupported type.
    #[error("tensor `{name}` holds {found}, expected {expected}")]
    ElementType {
        /// Its name.
        name: String,
        /// The supported types.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// A tensor holds NaN or an infinite value.
    #[error("tensor `{name}` holds {value} at index {index:?}, expected finite numbers")]
    NotFinite {
        /// Its name.
        name: String,
        /// The value's index.
        index: Vec<usize>,
        /// The value.
        value: f32,
    },
    /// A scale of 8-bit integers that is negative, or so large that values would not be finite.
    #[error(
        "tensor `{name}` holds {value} for row {row}, expected a scale from 0 on whose product with any 8-bit \
         integer is finite"
    )]
    Scale {
        /// Its name.
        name: String,
        /// The row.
        row: usize,
        /// The scale.
        value: f32,
    },
    /// A value beyond the range of f16.
    #[error("tensor `{name}` holds {value}, which is beyond the range of f16 (65504); use f32")]
    BeyondF16 {
        /// Its name.
        name: String,
        /// The value.
        value: f32,
    },
    /// A value beyond the range of 8-bit integers with a scale.
    #[error(
        "tensor `{name}` holds {value}, which is too large for 8-bit integers with a scale; use f32"
    )]
    BeyondI8 {
        /// Its name.
        name: String,
        /// The value.
        value: f32,
    },
}

impl WeightsError {
    /// Adds the path to an I/O error.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Adds the path of the file to this error.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::InFile {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }
}
