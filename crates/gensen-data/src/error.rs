//! What can go wrong with corpora, named by file and line.

use std::error::Error;
use std::io;
use std::path::Path;

/// An error and its causes in one line: `a: because of b: because of c`.
///
/// ```
/// let missing = gensen_data::lines::checked("f", 1, b"\xff").unwrap_err();
/// assert!(gensen_data::error::chain(&missing).starts_with("f, line 1: invalid UTF-8"));
/// ```
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// An error of reading, preparing or serving a corpus. It names the file, and the line where one is
/// to blame; what caused it is its source ([`chain`] says both).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be opened, read or written.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line of a corpus is not what its format asks for.
    #[error("{file}, line {line}: {fault}")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// Two line-aligned files have different numbers of lines.
    #[error(
        "{source_file} has {source_lines} lines and {target_file} has {target_lines}: \
         line-aligned files must have equally many"
    )]
    UnequalLines {
        /// The file of source sentences.
        source_file: String,
        /// Its number of lines.
        source_lines: u64,
        /// The file of target sentences.
        target_file: String,
        /// Its number of lines.
        target_lines: u64,
    },
    /// A file holds nothing.
    #[error("{file} is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// An input has lines, but none of them makes an example.
    #[error("{input} gives no example: {found}")]
    NoExamples {
        /// The input.
        input: String,
        /// What was found in it.
        found: String,
    },
    /// A task's description contradicts itself or asks for what does not exist.
    #[error("`{key}`: {problem}")]
    Specification {
        /// The key to blame.
        key: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A vocabulary is not one.
    #[error("{file}, line {line}: {problem}")]
    Vocabulary {
        /// The file (or what stands for it).
        file: String,
        /// The line, counted from 1: the word's id plus 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Prepared data is incomplete or damaged.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The file or folder.
        path: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// A teacher's vectors do not fit.
    #[error("{path}: {problem}")]
    Teacher {
        /// The file.
        path: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// An example was asked for that does not exist.
    #[error("there is no example {index}: the data set has {len}")]
    Index {
        /// The example asked for.
        index: u64,
        /// The number of examples.
        len: u64,
    },
    /// An error in one task's data.
    #[error("task `{task}`")]
    Task {
        /// The task's name.
        task: String,
        /// The error.
        source: Box<DataError>,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineFault {
    /// Bytes that are not UTF-8 (the only encoding read).
    #[error("invalid UTF-8 (text must be UTF-8; convert it first)")]
    InvalidUtf8,
    /// A NUL byte: the file is binary, UTF-16, or damaged.
    #[error("a NUL byte (text must be UTF-8; is the file UTF-16 or binary?)")]
    Nul,
    /// A line longer than a reader takes.
    #[error("longer than the {cap} bytes that are read")]
    TooLong {
        /// The cap.
        cap: usize,
    },
    /// A row with too few columns.
    #[error("{found} tab-separated columns where at least {expected} are needed")]
    Columns {
        /// Columns found.
        found: usize,
        /// Columns needed.
        expected: usize,
    },
    /// A row with another number of columns than the task's other rows.
    #[error("{found} tab-separated columns, and the task's first row has {expected}")]
    OtherColumns {
        /// Columns found.
        found: usize,
        /// Columns of the first row.
        expected: usize,
    },
    /// A row without one of the sentences (or the label) that it is to have.
    #[error("{0} is empty")]
    Missing(&'static str),
    /// A label of held-out data that no training example has.
    #[error("label `{0}` does not occur in the training data")]
    UnseenLabel(String),
    /// A row with more columns than the header line of its file.
    #[error("{found} tab-separated columns where the header line has {width}")]
    MoreColumns {
        /// Columns found.
        found: usize,
        /// Columns of the header line.
        width: usize,
    },
    /// A label that is none of the three.
    #[error("label `{0}` is none of entailment, neutral, contradiction (or -, unlabelled)")]
    Label(String),
    /// A row that is not the JSON object expected.
    #[error("not an SNLI/MultiNLI JSON row: {0}")]
    Json(String),
    /// A score that is not a finite number.
    #[error("score `{0}` is not a finite number")]
    Score(String),
    /// A sentence without words.
    #[error("a blank sentence")]
    BlankSentence,
    /// Brackets that do not form a tree.
    #[error("{0}")]
    Tree(&'static str),
}

impl DataError {
    /// For `map_err`: costs nothing while all goes well.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> DataError {
        move |source| DataError::Io {
            path: path.as_ref().display().to_string(),
            source,
        }
    }

    pub(crate) fn line(file: &str, line: u64, fault: LineFault) -> DataError {
        DataError::Line {
            file: file.to_owned(),
            line,
            fault,
        }
    }

    pub(crate) fn key(key: &str, problem: impl Into<String>) -> DataError {
        DataError::Specification {
            key: key.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn in_task(self, task: &str) -> DataError {
        DataError::Task {
            task: task.to_owned(),
            source: Box::new(self),
        }
    }
}
