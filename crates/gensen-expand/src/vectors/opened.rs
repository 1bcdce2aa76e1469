//! An opened file of vectors that is read sequentially.

use std::io::{self, Read};
use std::path::Path;

use super::VectorsError;

/// A file and the reader of its decompressed bytes.
pub(super) struct Opened<'a> {
    pub(super) path: &'a Path,
    pub(super) reader: Box<dyn Read + Send>,
}

/// Adds the path to an error of the reader; `line` is the last complete line.
pub(super) fn read_error(path: &Path, source: io::Error, line: u64) -> VectorsError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => VectorsError::TruncatedGzip {
            path: path.into(),
            line,
        },
        _ => VectorsError::Io {
            path: path.into(),
            source,
        },
    }
}
