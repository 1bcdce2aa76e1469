//! Files that are complete or absent, for Python.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use gensen_data::scratch::Scratch;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::exception;

/// A file that gets its name when it is finished.
#[pyclass(frozen, module = "gensen._gensen")]
pub(crate) struct NewFile {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    scratch: Scratch,
    file: BufWriter<File>,
}

/// What the system says of a file.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
struct FileError {
    path: PathBuf,
    source: io::Error,
}

#[pymethods]
impl NewFile {
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        let create = || {
            let scratch = Scratch::file(&path)?;
            let file = File::options().write(true).open(scratch.path())?;
            let file = BufWriter::with_capacity(1 << 20, file);
            Ok(Open { scratch, file })
        };
        let open = create().map_err(|error| failed(&path, error))?;
        Ok(Self {
            path,
            open: Mutex::new(Some(open)),
        })
    }

    /// Appends bytes.
    fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        py.detach(|| self.with(|open| open.file.write_all(bytes)))
    }

    /// Puts a header in the place of the first bytes, and gives the file its name.
    fn finish(&self, py: Python<'_>, header: &[u8]) -> PyResult<()> {
        py.detach(|| {
            self.with(|open| {
                open.file.seek(SeekFrom::Start(0))?;
                open.file.write_all(header)?;
                open.file.flush()
            })?;
            let open = self.take();
            let Some(Open { scratch, file }) = open else {
                return Err(closed());
            };
            drop(file);
            scratch
                .rename_to(&self.path)
                .map_err(|error| failed(&self.path, error))
        })
    }

    /// Removes the file if it is not finished.
    fn close(&self) {
        drop(self.take());
    }
}

impl NewFile {
    fn with(&self, write: impl FnOnce(&mut Open) -> io::Result<()>) -> PyResult<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *open {
            Some(open) => write(open).map_err(|error| failed(&self.path, error)),
            None => Err(closed()),
        }
    }

    fn take(&self) -> Option<Open> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.take()
    }
}

fn closed() -> PyErr {
    PyValueError::new_err("the file is closed")
}

fn failed(path: &std::path::Path, source: io::Error) -> PyErr {
    let path = path.to_owned();
    exception(&FileError { path, source })
}
