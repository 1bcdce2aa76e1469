//! What a reader saw.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Duplicate, VectorFormat};

/// What was read from a file of word vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadReport {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: VectorFormat,
    /// The length of each vector.
    pub dimensions: usize,
    /// Rows in the file.
    pub rows: u64,
    /// Words kept.
    pub kept: usize,
    /// Rows that replaced an earlier row of the same kept word.
    pub duplicates: u64,
    /// The first few of those.
    pub duplicate_examples: Vec<Duplicate>,
    /// Rows whose word is not UTF-8: no vocabulary can hold it, so they are never kept.
    pub not_utf8: u64,
    /// The line of the first of those.
    pub first_not_utf8: Option<u64>,
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}, {} vectors of {} dimensions, {} kept",
            self.path.display(),
            self.format,
            self.rows,
            self.dimensions,
            self.kept
        )?;
        if self.duplicates > 0 {
            write!(
                f,
                "; {} repeated words, the last row of each is used (",
                self.duplicates
            )?;
            for (i, Duplicate { word, line }) in self.duplicate_examples.iter().enumerate() {
                write!(
                    f,
                    "{}{word:?} at line {line}",
                    if i == 0 { "" } else { ", " }
                )?;
            }
            let more = self.duplicates > self.duplicate_examples.len() as u64;
            f.write_str(if more { ", ...)" } else { ")" })?;
        }
        if let Some(line) = self.first_not_utf8 {
            write!(
                f,
                "; {} words are not UTF-8 (the first at line {line})",
                self.not_utf8
            )?;
        }
        Ok(())
    }
}

/// How many words of a vocabulary have a vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseOverlap {
    /// Words asked for.
    pub words: usize,
    /// Those with a vector as they are written.
    pub shared: usize,
    /// Those with a vector if both sides were lower-cased.
    pub shared_if_lowercased: usize,
}

impl CaseOverlap {
    /// Whether lower-casing would add more than one word in twenty to the shared ones.
    ///
    /// A few words (`NASA`, `Paris`) always gain; that many mean that one side is cased and the other is not.
    #[must_use]
    pub fn suggests_lowercasing(&self) -> bool {
        (self.shared_if_lowercased - self.shared.min(self.shared_if_lowercased)) * 20 > self.shared
    }
}
