//! A file of vectors whose bytes are read from start to end.

use std::io::{self, Read};
use std::path::Path;

use super::VectorsError;

/// The (decompressed) bytes of a file.
pub(super) struct Opened<'a> {
    pub(super) path: &'a Path,
    pub(super) reader: Box<dyn Read + Send>,
}

/// Names the file in an error of its reader; `line` is the last one read completely.
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
