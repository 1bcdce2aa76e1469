//! Errors of evaluations.

use std::io;
use std::path::{Path, PathBuf};

pub use gensen_data::error::Cause;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A malformed line of a data file.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What was expected and what was found.
        problem: String,
    },
    /// A malformed file.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        problem: String,
    },
    /// A file that another library cannot read or draw.
    #[error("{}: {problem}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// What was expected, or could not be done.
        problem: &'static str,
        /// The library's error.
        source: Cause,
    },
    /// Two parallel files with different numbers of lines.
    #[error(
        "{} has {first_lines} lines, {} has {second_lines}: expected as many",
        first.display(), second.display()
    )]
    UnequalLines {
        /// One file.
        first: PathBuf,
        /// Its number of lines.
        first_lines: usize,
        /// The other file.
        second: PathBuf,
        /// Its number of lines.
        second_lines: usize,
    },
    /// Too few examples for a cross-validation.
    #[error(
        "{folds} folds need at least {folds} examples of one class; the most frequent has {most}"
    )]
    EmptyFold {
        /// Folds asked for.
        folds: usize,
        /// Examples of the most frequent class.
        most: usize,
    },
    /// A count or shape that does not fit the protocol.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The name of the count or shape.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A vector with an infinity or NaN.
    #[error("vector {row} of {what} is not finite")]
    NotFinite {
        /// The set of vectors.
        what: String,
        /// The row, counted from 0.
        row: usize,
    },
    /// An unknown task.
    #[error("unknown task {name}; known tasks: {known}")]
    UnknownTask {
        /// The name given.
        name: String,
        /// All names.
        known: String,
    },
    /// A task without labelled sentences.
    #[error("{task} has no single sentences with classes below {}", root.display())]
    NoSentences {
        /// The task.
        task: String,
        /// The data's folder.
        root: PathBuf,
    },
    /// A task whose data do not allow its protocol.
    #[error("{task} ({})", folder.display())]
    Task {
        /// The task.
        task: String,
        /// The folder of its files.
        folder: PathBuf,
        /// What is wrong.
        source: Box<EvalError>,
    },
    /// The encoder failed.
    #[error("the encoder failed")]
    Embedder(#[source] Cause),
}

/// A result of this crate.
pub type Result<T, E = EvalError> = std::result::Result<T, E>;

impl EvalError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn library<E: Into<Cause>>(
        path: &Path,
        problem: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self::Library {
            path: path.to_owned(),
            problem,
            source: error.into(),
        }
    }

    pub(crate) fn line(path: impl Into<PathBuf>, line: usize, problem: impl Into<String>) -> Self {
        Self::Line {
            path: path.into(),
            line,
            problem: problem.into(),
        }
    }

    pub(crate) fn shape(
        what: &'static str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Shape {
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
