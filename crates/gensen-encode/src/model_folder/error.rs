//! Errors of model folders.

use std::io;
use std::path::{Path, PathBuf};

use gensen_data::error::DataError;
use gensen_data::tokenizer::TokenizerError;

use super::{FORMAT_VERSION, MAX_CONFIG_BYTES};
use crate::weights::WeightsError;

/// Errors of reading and writing a model folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFolderError {
    /// A file or folder cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The folder is not a model folder.
    #[error("{} is not a model folder: {problem}", path.display())]
    NotAModelFolder {
        /// The folder.
        path: PathBuf,
        /// The missing or conflicting file.
        problem: String,
    },
    /// The configuration was written by a later version of this program.
    #[error(
        "{} has format version {found}, expected at most {FORMAT_VERSION}: it was written by a newer release",
        path.display()
    )]
    NewerFormat {
        /// The configuration file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The configuration is malformed.
    #[error("{}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// The configuration is longer than the limit.
    #[error("{}: {bytes} bytes, expected at most {MAX_CONFIG_BYTES}", path.display())]
    LongConfig {
        /// The configuration file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The configuration contradicts the weights.
    #[error("the configuration's `{field}` is {configured}, but the weights have {found}")]
    Architecture {
        /// The field.
        field: &'static str,
        /// Its value in the configuration.
        configured: String,
        /// Its value by the tensors' shapes.
        found: String,
    },
    /// An invalid value in the configuration.
    #[error("the configuration's `{field}` is {found}, expected {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The valid values.
        expected: &'static str,
    },
    /// The configuration names an unknown tokeniser.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The vocabulary has more or fewer words than the embedding has rows.
    #[error("the vocabulary has {words} words, but `src_embedding.weight` has {rows} rows")]
    VocabularySize {
        /// Words.
        words: usize,
        /// Rows.
        rows: usize,
    },
    /// The weights cannot be read or written, or are not an encoder's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The vocabulary cannot be read.
    #[error(transparent)]
    Vocabulary(#[from] DataError),
}

/// Adds the path to an I/O error.
pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ModelFolderError + '_ {
    move |source| ModelFolderError::Io {
        path: path.to_owned(),
        source,
    }
}
