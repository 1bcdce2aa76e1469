use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::NAMES;

/// Why a tokeniser could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// No tokeniser goes by this name.
    #[error("unknown tokenizer `{name}`: expected one of {}", NAMES.join(", "))]
    UnknownName {
        /// The name that was asked for.
        name: String,
    },
    /// The tokeniser has no rules for this language.
    #[error("unknown language `{language}`: expected en, fr or de")]
    UnknownLanguage {
        /// The language that was asked for.
        language: String,
    },
    /// A resource could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a Punkt model is not what its file holds.
    #[error(
        "{}, line {line}: expected two columns with a tab between (in ortho_context.tab the \
         second is a number), found {found:?}",
        path.display()
    )]
    PunktLine {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: usize,
        /// The beginning of the line.
        found: String,
    },
    /// A resource is larger than any sensible one.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
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
