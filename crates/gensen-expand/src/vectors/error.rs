//! Errors of reading word vectors.

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
        /// The I/O error.
        source: io::Error,
    },
    /// A gzip file is truncated.
    #[error("{}: the compressed file is truncated after line {line}; download it again", path.display())]
    TruncatedGzip {
        /// The file.
        path: PathBuf,
        /// The last complete line or row.
        line: u64,
    },
    /// The format is unknown.
    #[error("{}: neither text of the form `word number ...`, word2vec binary, HDF5 nor .npy", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The crate was built without the reader of this format.
    #[error("{}: reading {format} needs the feature `hdf5`", path.display())]
    FormatNotBuilt {
        /// The file.
        path: PathBuf,
        /// The format.
        format: VectorFormat,
    },
    /// A malformed row.
    #[error("{}:{line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line in the file, from 1; in binary formats the row, from 1.
        line: u64,
        /// What is wrong with it.
        problem: RowProblem,
    },
    /// The header contradicts the rows' dimensions.
    #[error("{}:1: the header specifies {expected} dimensions, the rows have {found}", path.display())]
    HeaderDimensions {
        /// The file.
        path: PathBuf,
        /// The dimensions in the header.
        expected: usize,
        /// The dimensions of most of the first rows.
        found: usize,
    },
    /// The header or the word list contradicts the number of rows.
    #[error(
        "{}: found {found} rows, expected {expected}; the file is truncated, or its header or word list belongs to another file",
        path.display()
    )]
    RowCount {
        /// The file.
        path: PathBuf,
        /// The number in the header or the list.
        expected: u64,
        /// The number of rows.
        found: u64,
    },
    /// Zero or too many dimensions.
    #[error("{}: {found} dimensions, expected 1 to {MAX_DIMENSIONS}", path.display())]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// The number of dimensions.
        found: u64,
    },
    /// The file has no vectors.
    #[error("{}: no word vectors", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A binary file is damaged or uses an unsupported feature.
    #[error("{}: not readable as {format}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The format it was read as.
        format: VectorFormat,
        /// What was found.
        detail: String,
    },
    /// The library that reads a binary format refuses the file.
    #[error("{}: not readable as {format}: {part}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The format it was read as.
        format: VectorFormat,
        /// The part of the file that was read.
        part: String,
        /// The I/O error.
        source: gensen_data::error::Cause,
    },
    /// The list of words of a `.npy` matrix cannot be read.
    #[error("{}: a .npy matrix needs a list of its words, one a line; cannot read {}", path.display(), words.display())]
    WordList {
        /// The matrix.
        path: PathBuf,
        /// The list.
        words: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
}

/// What is wrong with a row.
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
        /// The dimension, from 1.
        dimension: usize,
        /// The start of the field.
        text: String,
    },
    /// A value is NaN, infinite, or too large for 32 bits.
    #[error("dimension {dimension} is {value}, not a finite 32-bit number")]
    NotFinite {
        /// The dimension, from 1.
        dimension: usize,
        /// The value.
        value: String,
    },
    /// A row without a word, or an empty line in a word list.
    #[error("an empty word")]
    EmptyWord,
    /// The line, or the word in a binary file, exceeds the limit.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The file ends inside this row.
    #[error("the file ends in row {} of {expected}; it is truncated", found + 1)]
    Truncated {
        /// The number of rows in the header.
        expected: u64,
        /// The number of complete rows.
        found: u64,
    },
}
