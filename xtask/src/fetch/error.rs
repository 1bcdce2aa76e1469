//! Errors, with the address or file.

use gensen_data::error::Cause;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The failure of one request.
#[derive(Debug, Error)]
pub enum Fault {
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("a page of HTML came in place of the file{}", .0.as_ref().map(|title| format!(" (\"{title}\")")).unwrap_or_default())]
    HtmlPage(Option<String>),
    #[error(
        "a Git LFS pointer came in place of the file; the address of the file itself is another one (on GitHub, below media.githubusercontent.com/media/)"
    )]
    LfsPointer,
    #[error(
        "the server does not state the file's length, and the catalogue states neither size nor hash: truncation could not be detected"
    )]
    NoEnd,
    #[error("the server sent the file with content encoding '{0}', which was not asked for")]
    Encoded(String),
    #[error("the redirects do not end")]
    RedirectLoop,
    #[error("the body ended after {found} of {expected} bytes")]
    Truncated { expected: u64, found: u64 },
    #[error("the file has {found} bytes, expected {expected}")]
    WrongSize { expected: u64, found: u64 },
    #[error("the {kind} is {found}, expected {expected}")]
    WrongHash {
        kind: &'static str,
        expected: String,
        found: String,
    },
    #[error(
        "the file changed: its SHA-256 is {found}, an earlier download recorded {recorded} in {ledger}; remove that line to accept the new file"
    )]
    Changed {
        recorded: String,
        found: String,
        ledger: PathBuf,
    },
    #[error("the connection failed: {0}")]
    Network(String),
}

impl Fault {
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Fault::Network(_) | Fault::Truncated { .. } => true,
            Fault::Status(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// The failure of a set.
#[derive(Debug, Error)]
pub enum FetchError {
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the disk is full or a size limit is reached: {path} could not be written{}", .url.as_ref().map(|url| format!(" while fetching {url}")).unwrap_or_default())]
    DiskFull { path: PathBuf, url: Option<String> },
    #[error("catalogue {path}: {problem}")]
    Catalogue { path: PathBuf, problem: String },
    #[error("catalogue {path}")]
    Malformed {
        path: PathBuf,
        source: toml::de::Error,
    },
    #[error("'{name}' is neither a set nor a group; known are {known}")]
    UnknownSet { name: String, known: String },
    #[error("{name} is not at {path} and --offline forbids downloading it from {url}")]
    Offline {
        name: String,
        path: PathBuf,
        url: String,
    },
    #[error("{name} could not be downloaded:{}", .tried.iter().map(|(url, fault)| format!("\n  {url}: {fault}")).collect::<String>())]
    Download {
        name: String,
        tried: Vec<(String, Fault)>,
    },
    #[error("archive {archive} ({url}): {problem}")]
    Archive {
        archive: PathBuf,
        url: String,
        problem: String,
    },
    #[error("archive {archive} ({url})")]
    DamagedArchive {
        archive: PathBuf,
        url: String,
        source: Cause,
    },
    #[error("{path}:{line}: {problem}")]
    Line {
        path: PathBuf,
        line: u64,
        problem: String,
    },
    #[error("{path}: {problem}")]
    Input { path: PathBuf, problem: String },
    #[error(transparent)]
    Data(#[from] gensen_data::error::DataError),
    #[error("set '{set}': {}", .routes.join("\n  next route: "))]
    Routes { set: String, routes: Vec<String> },
}

pub type Result<T, E = FetchError> = std::result::Result<T, E>;

/// Adds the file to an I/O error, and distinguishes a full disk.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            FetchError::DiskFull {
                path: path.into(),
                url: None,
            }
        }
        _ => FetchError::Io {
            path: path.into(),
            source,
        },
    }
}
