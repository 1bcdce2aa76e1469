//! Errors of vectors and of searches.

use std::io;
use std::path::PathBuf;

/// Why vectors are not searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The operating system's word on a file.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A file that is no matrix of vectors.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Numbers that make no rows of this width.
    #[error("{numbers} numbers make no vectors of {width}")]
    Width {
        /// How many numbers there are.
        numbers: usize,
        /// Numbers of a vector.
        width: usize,
    },
    /// Vectors of different widths.
    #[error("vectors of {found} numbers cannot be compared with vectors of {expected}")]
    Widths {
        /// The queries' width, or the steps'.
        found: usize,
        /// The index's.
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
    /// More rows than row numbers have room for.
    #[error("{rows} vectors, expected at most {most}")]
    TooMany {
        /// How many there are.
        rows: usize,
        /// How many there may be.
        most: usize,
    },
    /// A selection of no rows, of a row that is not there, or of a selection.
    #[error("a selection of {rows} vectors: found {last:?} as the last, expected less than {rows}")]
    Selection {
        /// The last row that was selected, if any was.
        last: Option<usize>,
        /// Vectors.
        rows: usize,
    },
    /// No clusters, or more than vectors.
    #[error("{clusters} clusters of {rows} vectors: expected 1 to {rows}")]
    Clusters {
        /// What was asked for.
        clusters: usize,
        /// Vectors.
        rows: usize,
    },
    /// A threshold outside -1 to 1.
    #[error("a smallest cosine of {0}: expected -1 to 1")]
    Cosine(f32),
    /// More pairs of alike vectors than are kept in memory.
    #[error(
        "more than {most} pairs of vectors have a cosine of {threshold} or more: take a higher threshold"
    )]
    TooAlike {
        /// The smallest cosine of a pair.
        threshold: f32,
        /// Pairs there may be.
        most: usize,
    },
}
