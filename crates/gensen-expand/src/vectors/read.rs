//! Opens a file of vectors: looks at its start, undoes gzip, and hands it to the reader of its format.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use super::{VectorFormat, VectorsError, WordSelection, WordVectors, format, npy, text, word2vec};

/// How a file of vectors is read. The default suits every usual file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The format; told by the contents if `None`.
    pub format: Option<VectorFormat>,
    /// For text: the length of a vector. If `None`, the header says it, or else most of the first rows do.
    /// Setting it also lets words end in a number after a blank (`fig. 1`), which otherwise counts as a row too long.
    pub dimensions: Option<usize>,
    /// For `.npy`: the words, one a line in the order of the rows; `NAME.txt` beside `NAME.npy` if `None`.
    pub words: Option<PathBuf>,
}

/// The (decompressed) bytes of a file.
pub(super) struct Source<'a> {
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

pub(super) fn read(
    path: &Path,
    selection: &WordSelection,
    options: &ReadOptions,
) -> Result<WordVectors, VectorsError> {
    let io_error = |source| VectorsError::Io {
        path: path.into(),
        source,
    };
    let mut file = File::open(path).map_err(io_error)?;
    let raw = sample(&mut file).map_err(io_error)?;
    let mut source = Source {
        path,
        reader: Box::new(io::Cursor::new(raw.clone()).chain(file)),
    };
    let mut start = raw;
    if start.starts_with(format::GZIP_MAGIC) {
        source.reader = Box::new(MultiGzDecoder::new(source.reader));
        start = sample(&mut source.reader).map_err(|e| read_error(path, e, 0))?;
        source.reader = Box::new(io::Cursor::new(start.clone()).chain(source.reader));
    }
    if start.is_empty() {
        return Err(VectorsError::Empty { path: path.into() });
    }
    let format = options
        .format
        .or_else(|| format::detect(&start))
        .ok_or_else(|| VectorsError::UnknownFormat { path: path.into() })?;
    match format {
        VectorFormat::Text => text::read(source, selection, options.dimensions),
        VectorFormat::Word2vecBinary => word2vec::read(source, selection),
        VectorFormat::Npy => npy::read(path, options.words.as_deref(), selection),
        #[cfg(feature = "hdf5")]
        VectorFormat::Hdf5 => super::hdf5::read(path, selection),
        #[cfg(not(feature = "hdf5"))]
        VectorFormat::Hdf5 => Err(VectorsError::FormatNotBuilt {
            path: path.into(),
            format,
        }),
        VectorFormat::Memory => Err(VectorsError::UnknownFormat { path: path.into() }),
    }
}

fn sample(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader
        .take(format::SAMPLE_BYTES as u64)
        .read_to_end(&mut start)?;
    Ok(start)
}
