//! The libraries' errors as Python exceptions.

use std::error::Error;
use std::io;

use gensen_data::error::chain;
use gensen_encode::EncodeError;
use gensen_encode::model_folder::ModelFolderError;
use gensen_expand::{ExpandError, MapError, VectorsError};
use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyPermissionError, PyValueError,
};

create_exception!(
    gensen,
    GensenError,
    PyValueError,
    "A model, file or text that gensen cannot use; the message says which and why."
);

/// Converts an error to an exception: I/O errors to `OSError` or its subclasses, all others to [`GensenError`].
/// The message includes the chain of causes, separated by colons.
pub(crate) fn exception(error: &(dyn Error + 'static)) -> PyErr {
    let message = chain(error);
    let causes = std::iter::successors(Some(error), |&cause| cause.source());
    let system = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    let kind = system.last().map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::NotFound) => PyFileNotFoundError::new_err(message),
        Some(io::ErrorKind::PermissionDenied) => PyPermissionError::new_err(message),
        // The file was read, but its contents are malformed.
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) | None => {
            GensenError::new_err(message)
        }
        Some(_) => PyOSError::new_err(message),
    }
}

/// Why work on the pool has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The caller was interrupted.
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Expand(#[from] ExpandError),
    #[error(transparent)]
    Map(#[from] MapError),
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    #[error(transparent)]
    Model(#[from] ModelFolderError),
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Interrupted => PyKeyboardInterrupt::new_err(()),
            other => exception(&other),
        }
    }
}
