use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::NAMES;

/// An error of creating a tokeniser.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// There is no tokeniser with this name.
    #[error("unknown tokenizer `{name}`: expected one of {}", NAMES.join(", "))]
    UnknownName {
        /// The name given.
        name: String,
    },
    /// The tokeniser has no rules for this language.
    #[error("unknown language `{language}`: expected en, fr or de")]
    UnknownLanguage {
        /// The language given.
        language: String,
    },
    /// A resource cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line of a Punkt model is malformed.
    #[error(
        "{}, line {line}: expected two columns separated by a tab (in ortho_context.tab, the \
         second a number), found {found:?}",
        path.display()
    )]
    PunktLine {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The beginning of the line.
        found: String,
    },
    /// A resource is larger than its limit.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
}

/// Reads a UTF-8 text file of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<String, TokenizerError> {
    let failed = |source| TokenizerError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > limit {
        return Err(TokenizerError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(text)
}
