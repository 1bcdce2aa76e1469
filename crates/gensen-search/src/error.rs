//! Errors of searches.

use std::io;
use std::path::PathBuf;

/// Errors of opening and comparing vectors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A file cannot be read, or is not a `.npy` file.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// A file that is not a matrix of vectors.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A number of values that is zero or not a multiple of the width.
    #[error("{numbers} values, expected a positive multiple of the vectors' width, {width}")]
    Width {
        /// The number of values.
        numbers: usize,
        /// The width of a vector.
        width: usize,
    },
    /// Vectors of different widths.
    #[error("the width is {found}, expected {expected}, the width of the vectors to compare with")]
    Widths {
        /// The width of the queries or of the steps.
        found: usize,
        /// The width of the index.
        expected: usize,
    },
    /// Floats where bits were expected.
    #[error("vectors of floats, expected bits in 8-bit integers")]
    Floats,
    /// A vector with a value that is not finite, or so large that its length is not.
    #[error("vector {row} (counted from 0) holds a value that is not finite")]
    NotFinite {
        /// The row.
        row: usize,
    },
    /// More vectors than 32-bit indices can address.
    #[error("{rows} vectors, expected at most {most}")]
    TooMany {
        /// The number of vectors.
        rows: usize,
        /// The largest number.
        most: usize,
    },
    /// An empty selection, a selected row that does not exist, or a selection of a selection.
    #[error("invalid selection of rows: the largest is {last:?}, expected one below {rows}")]
    Selection {
        /// The largest selected row, if any.
        last: Option<usize>,
        /// The number of vectors.
        rows: usize,
    },
    /// A number of clusters that is zero or larger than the number of vectors.
    #[error("{clusters} clusters of {rows} vectors: expected 1 to {rows}")]
    Clusters {
        /// The requested number.
        clusters: usize,
        /// The number of vectors.
        rows: usize,
    },
    /// A threshold outside of [-1, 1].
    #[error("a smallest cosine of {0}: expected -1 to 1")]
    Cosine(f32),
    /// More near pairs than the limit.
    #[error(
        "more than {most} pairs of vectors have a cosine of {threshold} or more: choose a higher threshold"
    )]
    TooAlike {
        /// The smallest cosine of a pair.
        threshold: f32,
        /// The largest number of pairs.
        most: usize,
    },
}
