//! Opens a file of vectors: detects its format, decompresses it and calls the reader of the format.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use gensen_data::{gzip, text};

use super::{
    VectorFormat, VectorsError, WordSelection, WordVectors, format, npy,
    opened::{Opened, read_error},
    text as text_format, word2vec,
};

/// Options of reading vectors. The defaults suit all common files.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The format; detected from the contents if `None`.
    pub format: Option<VectorFormat>,
    /// For text: the length of a vector. If `None`, it is taken from the header, or from most of
    /// the first rows. If it is set, words may end with a space and a number (`fig. 1`); otherwise
    /// such a row is too long.
    pub dimensions: Option<usize>,
    /// For `.npy`: the list of words, one a line in the order of the rows; `NAME.txt` beside
    /// `NAME.npy` if `None`.
    pub words: Option<PathBuf>,
}

impl ReadOptions {
    /// The files that [`WordVectors::read`](crate::WordVectors::read) reads: `path`, and for `.npy`
    /// the list of words.
    ///
    /// # Errors
    ///
    /// [`VectorsError::Io`] and [`VectorsError::WordList`], also if a file is not a regular file
    /// and so cannot be read twice.
    pub fn files(&self, path: &Path) -> Result<Vec<PathBuf>, VectorsError> {
        let Self {
            format,
            dimensions: _,
            words,
        } = self;
        let start = text::regular(path)
            .and_then(|()| sample(&mut File::open(path)?))
            .map_err(|source| VectorsError::Io {
                path: path.into(),
                source,
            })?;
        let mut files = vec![path.to_owned()];
        if format.or_else(|| format::detect(&start)) == Some(VectorFormat::Npy) {
            let list = npy::word_list(path, words.as_deref());
            text::regular(&list).map_err(|source| VectorsError::WordList {
                path: path.into(),
                words: list.clone(),
                source,
            })?;
            files.push(list);
        }
        Ok(files)
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
    let mut start = sample(&mut file).map_err(io_error)?;
    text::no_pointer(&start).map_err(io_error)?;
    let mut rest: Box<dyn Read + Send> = Box::new(file);
    if start.starts_with(&gzip::MAGIC) {
        let packed = io::Cursor::new(start).chain(rest);
        rest = Box::new(gzip::unpack(BufReader::with_capacity(1 << 16, packed)));
        start = sample(&mut rest).map_err(|e| read_error(path, e, 0))?;
    }
    if start.starts_with(text::MARK_BYTES) {
        start.drain(..text::MARK_BYTES.len());
    }
    let source = Opened {
        path,
        reader: Box::new(io::Cursor::new(start.clone()).chain(rest)),
    };
    if start.is_empty() {
        return Err(VectorsError::Empty { path: path.into() });
    }
    let format = options
        .format
        .or_else(|| format::detect(&start))
        .ok_or_else(|| VectorsError::UnknownFormat { path: path.into() })?;
    if matches!(format, VectorFormat::Npy | VectorFormat::Hdf5) {
        // These formats open the file again, for random access.
        text::regular(path).map_err(io_error)?;
    }
    match format {
        VectorFormat::Text => text_format::read(source, selection, options.dimensions),
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
