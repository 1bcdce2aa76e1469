//! The contents of files to push.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::HubError;

/// The contents of a file to push.
#[derive(Clone, Debug)]
pub enum Contents {
    /// The contents of another file.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Contents {
    pub(super) fn size(&self) -> Result<u64, HubError> {
        match self {
            Self::File(path) => Ok(fs::metadata(path).map_err(self.error())?.len()),
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// A reader from byte `start` on, which must not be beyond the end.
    pub(super) fn open(&self, start: u64) -> Result<Box<dyn Read + '_>, HubError> {
        Ok(match self {
            Self::File(path) => {
                let mut file = File::open(path).map_err(self.error())?;
                file.seek(SeekFrom::Start(start)).map_err(self.error())?;
                Box::new(file)
            }
            Self::Bytes(bytes) => Box::new(&bytes[start as usize..]),
        })
    }

    /// The first bytes, at most `most`.
    pub(super) fn start(&self, most: u64) -> Result<Vec<u8>, HubError> {
        let mut bytes = Vec::new();
        let read = self.open(0)?.take(most).read_to_end(&mut bytes);
        read.map_err(self.error())?;
        Ok(bytes)
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, HubError> {
        self.start(u64::MAX)
    }

    /// Adds the path to an I/O error.
    pub(super) fn error(&self) -> impl FnOnce(std::io::Error) -> HubError {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Bytes(_) => PathBuf::from("(bytes in memory)"),
        };
        move |source| HubError::Io { path, source }
    }
}
