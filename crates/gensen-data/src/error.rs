//! Errors of reading and preparing corpora, with file and line.

use std::error::Error;
use std::io;
use std::path::Path;

/// The cause of an error, of any type.
pub type Cause = Box<dyn Error + Send + Sync>;

/// An error with its chain of sources in one line: `error: source: source of the source`.
///
/// ```
/// let missing = gensen_data::lines::checked("f", 1, b"\xff").unwrap_err();
/// assert!(gensen_data::error::chain(&missing).starts_with("f, line 1: invalid UTF-8"));
/// ```
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// An error of reading or preparing a corpus, or of reading prepared data. It names the file and,
/// where there is one, the line. The underlying error is its source; [`chain`] shows both.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be opened, read or written.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// A line of a corpus does not follow its format.
    #[error("{file}, line {line}")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        fault: LineFault,
    },
    /// Two line-aligned files have different numbers of lines.
    #[error(
        "{source_file} has {source_lines} lines and {target_file} has {target_lines}: \
         line-aligned files must have the same number of lines"
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
    /// A file is empty.
    #[error("{file} is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// An input has lines, but none is an example.
    #[error("{input} has no examples: {found}")]
    NoExamples {
        /// The input.
        input: String,
        /// A summary of its contents.
        found: String,
    },
    /// A setting is invalid or contradicts another.
    #[error("`{key}`: {problem}")]
    Specification {
        /// The setting's key.
        key: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A setting cannot be used.
    #[error("`{key}`")]
    Setting {
        /// The setting's key.
        key: String,
        /// What is wrong.
        source: Cause,
    },
    /// A vocabulary is invalid.
    #[error("{file}, line {line}: {problem}")]
    Vocabulary {
        /// The file, or a name for words from another source.
        file: String,
        /// The line, counted from 1: the word's id + 1.
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
    /// A file of a teacher's vectors is invalid, or does not fit its sentences.
    #[error("{path}: {problem}")]
    Teacher {
        /// The file.
        path: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// The index of an example is out of range.
    #[error("there is no example {index}: the data set has {len}")]
    Index {
        /// The index, counted from 0.
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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineFault {
    /// Bytes that are not UTF-8, the only supported encoding.
    #[error("invalid UTF-8 (text must be UTF-8; convert it first)")]
    InvalidUtf8,
    /// A NUL byte: the file is binary, UTF-16, or damaged.
    #[error("a NUL byte (text must be UTF-8; is the file UTF-16 or binary?)")]
    Nul,
    /// A line longer than the limit.
    #[error("longer than the limit of {cap} bytes")]
    TooLong {
        /// The limit in bytes.
        cap: usize,
    },
    /// A row with too few columns.
    #[error("{found} tab-separated columns, expected at least {expected}")]
    Columns {
        /// Columns found.
        found: usize,
        /// The least number of columns.
        expected: usize,
    },
    /// A row whose number of columns differs from that of the task's first row.
    #[error("{found} tab-separated columns, but the task's first row has {expected}")]
    OtherColumns {
        /// Columns found.
        found: usize,
        /// Columns in the first row.
        expected: usize,
    },
    /// A row without its label or one of its sentences.
    #[error("{0} is empty")]
    Missing(&'static str),
    /// A label in held-out data that does not occur in the training data.
    #[error("label `{0}` does not occur in the training data")]
    UnseenLabel(String),
    /// A row with more columns than the header line of its file.
    #[error("{found} tab-separated columns, but the header line has {width}")]
    MoreColumns {
        /// Columns found.
        found: usize,
        /// Columns in the header line.
        width: usize,
    },
    /// An unknown inference label.
    #[error("label `{0}`, expected entailment, neutral, contradiction or - (unlabelled)")]
    Label(String),
    /// A row that is not a JSON object with the expected fields.
    #[error("not an SNLI/MultiNLI JSON row")]
    Json(#[source] serde_json::Error),
    /// A score that is not a finite number.
    #[error("score `{0}` is not a finite number")]
    Score(String),
    /// A sentence without words.
    #[error("a blank sentence")]
    BlankSentence,
    /// A malformed bracketed tree.
    #[error("{0}")]
    Tree(&'static str),
}

impl DataError {
    /// An adapter for `map_err`; the path is formatted only if there is an error.
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

    /// An adapter for `map_err` that adds the setting's key.
    pub(crate) fn setting<E>(key: &str) -> impl FnOnce(E) -> DataError + '_
    where
        E: Into<Cause>,
    {
        move |error| DataError::Setting {
            key: key.to_owned(),
            source: error.into(),
        }
    }

    pub(crate) fn in_task(self, task: &str) -> DataError {
        DataError::Task {
            task: task.to_owned(),
            source: Box::new(self),
        }
    }
}
