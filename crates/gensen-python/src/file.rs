//! Streamed text files and `.npy` files for Python.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gensen_data::error::DataError;
use gensen_data::lines::{LineReader, checked};
use gensen_data::npy::Header;
use gensen_data::scratch::Scratch;
use gensen_data::{gzip, text};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::exception;

/// Bytes reserved for the array's header, which is written last, when the shape is known.
const HEADER_BYTES: usize = 128;

/// The lines of a UTF-8 file, plain or gzipped. Lines end in `\n` or `\r\n`; blank lines count.
#[pyclass(frozen, module = "gensen._gensen")]
pub(crate) struct Lines(Mutex<LineReader<Box<dyn Read + Send>>>);

#[pymethods]
impl Lines {
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        let open = || -> io::Result<Box<dyn Read + Send>> {
            let mut file = BufReader::with_capacity(1 << 16, File::open(&path)?);
            let start = file.fill_buf()?;
            text::no_pointer(start)?;
            Ok(match start.starts_with(&gzip::MAGIC) {
                true => Box::new(gzip::unpack(file)),
                false => Box::new(file),
            })
        };
        let stream = open().map_err(|error| failed(&path, error))?;
        let reader = LineReader::new(path.display().to_string(), stream);
        Ok(Self(Mutex::new(reader)))
    }

    /// The next `count` lines without line ends; fewer at the end of the file.
    fn read(&self, py: Python<'_>, count: usize) -> PyResult<Vec<String>> {
        let read = || -> Result<Vec<String>, DataError> {
            let mut reader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (file, mut lines) = (reader.file().clone(), Vec::new());
            while lines.len() < count {
                let number = reader.lines() + 1;
                let Some(line) = reader.next_line()? else {
                    break;
                };
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                lines.push(checked(&file, number, line)?.to_owned());
            }
            Ok(lines)
        };
        py.detach(read).map_err(|error| exception(&error))
    }
}

/// A `.npy` file that appears under its name when it is finished.
#[pyclass(frozen, module = "gensen._gensen")]
pub(crate) struct ArrayFile {
    path: PathBuf,
    open: Mutex<Option<OpenFile>>,
}

struct OpenFile {
    scratch: Scratch,
    file: BufWriter<File>,
}

/// An I/O error and its file.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
struct FileError {
    path: PathBuf,
    source: io::Error,
}

#[pymethods]
impl ArrayFile {
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        let create = || {
            let scratch = Scratch::file(&path)?;
            let file = File::options().write(true).open(scratch.path())?;
            let mut file = BufWriter::with_capacity(1 << 20, file);
            file.write_all(&[0; HEADER_BYTES])?;
            Ok(OpenFile { scratch, file })
        };
        let open = create().map_err(|error| failed(&path, error))?;
        Ok(Self {
            path,
            open: Mutex::new(Some(open)),
        })
    }

    /// Appends rows as raw bytes.
    fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        py.detach(|| self.with(|open| open.file.write_all(bytes)))
    }

    /// Writes the header with this dtype and shape, and renames the file into place.
    fn finish(&self, py: Python<'_>, descr: &str, rows: u64, columns: u64) -> PyResult<()> {
        py.detach(|| {
            self.with(|open| {
                open.file.seek(SeekFrom::Start(0))?;
                open.file
                    .write_all(&Header::write(descr, &[rows, columns], HEADER_BYTES))?;
                open.file.flush()
            })?;
            let open = self.take();
            let Some(OpenFile { scratch, file }) = open else {
                return Err(closed());
            };
            drop(file);
            scratch
                .rename_to(&self.path)
                .map_err(|error| failed(&self.path, error))
        })
    }

    /// Removes an unfinished file.
    fn close(&self) {
        drop(self.take());
    }
}

impl ArrayFile {
    fn with(&self, write: impl FnOnce(&mut OpenFile) -> io::Result<()>) -> PyResult<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *open {
            Some(open) => write(open).map_err(|error| failed(&self.path, error)),
            None => Err(closed()),
        }
    }

    fn take(&self) -> Option<OpenFile> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.take()
    }
}

fn closed() -> PyErr {
    PyValueError::new_err("the file is closed")
}

fn failed(path: &Path, source: io::Error) -> PyErr {
    let path = path.to_owned();
    exception(&FileError { path, source })
}
