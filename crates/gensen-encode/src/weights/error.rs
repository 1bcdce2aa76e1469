//! What can be wrong with weights.

use std::path::{Path, PathBuf};

use super::pickle::PickleError;

/// Why weights or a pickled vocabulary are not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system's word on a file.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// Which file another error is about.
    #[error("{}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<WeightsError>,
    },
    /// A pickle that is malformed or holds more than data.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A PyTorch file whose structure is wrong.
    #[error("not a PyTorch file that can be read: {0}")]
    Torch(String),
    /// A safetensors file whose structure is wrong.
    #[error("not a safetensors file that can be read: {0}")]
    Safetensors(String),
    /// A pickled vocabulary that contradicts itself.
    #[error("not a vocabulary that can be read: {0}")]
    Vocabulary(String),
    /// A tensor that the encoder needs is not there.
    #[error("tensor `{name}` is missing (expected shape {expected})")]
    MissingTensor {
        /// Its name.
        name: String,
        /// The shape it should have.
        expected: String,
    },
    /// A tensor that is no part of an encoder.
    #[error("tensor `{name}` is not part of an encoder{reason}")]
    UnexpectedTensor {
        /// Its name.
        name: String,
        /// Why not, if that can be said.
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
    /// A tensor of a type that holds no weights.
    #[error("tensor `{name}` holds {found}, expected {expected}")]
    ElementType {
        /// Its name.
        name: String,
        /// The types that are read.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// A tensor holds NaN or an infinite value.
    #[error("tensor `{name}` holds {value} at index {index:?}, expected finite numbers")]
    NotFinite {
        /// Its name.
        name: String,
        /// Where.
        index: Vec<usize>,
        /// What stands there.
        value: f32,
    },
    /// A scale with which the integers of a row make no finite numbers.
    #[error(
        "tensor `{name}` holds {value} for row {row}, expected a scale that is not negative, \
         and finite times any 8-bit integer"
    )]
    Scale {
        /// Its name.
        name: String,
        /// The row.
        row: usize,
        /// What stands there.
        value: f32,
    },
    /// A value is too large for the precision it is to be written with.
    #[error("tensor `{name}` holds {value}, which is beyond the range of f16 (65504): keep f32")]
    BeyondF16 {
        /// Its name.
        name: String,
        /// The value.
        value: f32,
    },
    /// A value is too large for a row's scale.
    #[error(
        "tensor `{name}` holds {value}, which is too large for 8-bit integers with a scale: keep f32"
    )]
    BeyondI8 {
        /// Its name.
        name: String,
        /// The value.
        value: f32,
    },
}

impl WeightsError {
    /// Names the file an input or output error is about.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Names the file this error is about.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::InFile {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }
}
