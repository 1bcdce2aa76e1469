//! What can be wrong with a file of word vectors.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{MAX_DIMENSIONS, VectorFormat};

/// An error while reading word vectors.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VectorsError {
    /// The file cannot be opened or read.
    #[error("cannot read the word vectors {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system, or the gzip decoder, said.
        source: io::Error,
    },
    /// A compressed file stops before its end mark.
    #[error("{}: the compressed file is truncated after line {line}; fetch it again", path.display())]
    TruncatedGzip {
        /// The file.
        path: PathBuf,
        /// The last complete line (or row) that could be read.
        line: u64,
    },
    /// The first bytes belong to no known format.
    #[error("{}: neither text of the form `word number ...`, word2vec binary, HDF5 nor .npy", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The format was recognised, but the crate was built without its reader.
    #[error("{}: reading {format} needs the feature `hdf5`", path.display())]
    FormatNotBuilt {
        /// The file.
        path: PathBuf,
        /// The format found.
        format: VectorFormat,
    },
    /// One row is wrong.
    #[error("{}:{line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1; for formats without lines, the row's number from 1.
        line: u64,
        /// What is wrong with it.
        problem: RowProblem,
    },
    /// The header's number of dimensions is not the rows'.
    #[error("{}:1: the header promises {expected} dimensions, the rows have {found}", path.display())]
    HeaderDimensions {
        /// The file.
        path: PathBuf,
        /// What the header says.
        expected: usize,
        /// What most of the first rows have.
        found: usize,
    },
    /// A header, or a word list beside the matrix, promises another number of rows.
    #[error(
        "{}: {expected} rows expected, {found} found; the file is truncated, or its header or word list belongs to another one",
        path.display()
    )]
    RowCount {
        /// The file.
        path: PathBuf,
        /// The number promised.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// No or too many dimensions.
    #[error("{}: {found} dimensions; 1 to {MAX_DIMENSIONS} are possible", path.display())]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// The number found.
        found: u64,
    },
    /// There are no vectors at all.
    #[error("{}: holds no word vectors", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A binary format is damaged or uses something that is not supported.
    #[error("{}: not readable as {format}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The format it was read as.
        format: VectorFormat,
        /// What was found.
        detail: String,
    },
    /// A matrix of vectors without the words of its rows.
    #[error("{}: a .npy matrix needs its words, one a line; {} cannot be read", path.display(), words.display())]
    WordList {
        /// The matrix.
        path: PathBuf,
        /// The list that was looked for.
        words: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What is wrong with one row of a file of vectors.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// The row is shorter or longer than the others.
    #[error("{found} fields, expected {expected} (a word and {} numbers)", expected.saturating_sub(1))]
    Fields {
        /// The word and the dimensions.
        expected: usize,
        /// The number of fields in this row.
        found: usize,
    },
    /// A field is not a number.
    #[error("dimension {dimension} is {text:?}, not a number")]
    NotANumber {
        /// Which, from 1.
        dimension: usize,
        /// The field, cut to a readable length.
        text: String,
    },
    /// A value is NaN or infinite, or too large for 32 bits.
    #[error("dimension {dimension} is {value}, not a finite 32-bit number")]
    NotFinite {
        /// Which, from 1.
        dimension: usize,
        /// The value.
        value: String,
    },
    /// A word list holds an empty line, or a row no word.
    #[error("an empty word")]
    EmptyWord,
    /// The line, or the word in a binary file, is absurdly long.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The cap.
        limit: usize,
    },
    /// A binary file ends inside this row.
    #[error("the file ends here, in row {} of {expected}; it is truncated", found + 1)]
    Truncated {
        /// The rows that the header promises.
        expected: u64,
        /// The complete rows.
        found: u64,
    },
}
