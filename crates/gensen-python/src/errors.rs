//! Errors of the libraries as Python's exceptions.

use std::error::Error;
use std::io;

use gensen_data::error::chain;
use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyPermissionError, PyValueError};

create_exception!(
    gensen,
    GensenError,
    PyValueError,
    "A model, a file or a text that gensen cannot use; the message says which and why."
);

/// The Python exception for an error: the matching subclass of `OSError` for I/O errors, otherwise
/// [`GensenError`]. The message is the chain of causes, separated by colons.
pub(crate) fn exception(error: &(dyn Error + 'static)) -> PyErr {
    let message = chain(error);
    let causes = std::iter::successors(Some(error), |&cause| cause.source());
    let system = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    let kind = system.last().map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::NotFound) => PyFileNotFoundError::new_err(message),
        Some(io::ErrorKind::PermissionDenied) => PyPermissionError::new_err(message),
        // Readable files with invalid contents.
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) | None => {
            GensenError::new_err(message)
        }
        Some(_) => PyOSError::new_err(message),
    }
}
