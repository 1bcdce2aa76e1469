//! The report of reading vectors.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Duplicate, VectorFormat};

/// A summary of a file of word vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadReport {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: VectorFormat,
    /// The length of each vector.
    pub dimensions: usize,
    /// The number of rows in the file.
    pub rows: u64,
    /// The number of words kept.
    pub kept: usize,
    /// The number of rows that replaced an earlier row of the same word.
    pub duplicates: u64,
    /// The first of these rows.
    pub duplicate_examples: Vec<Duplicate>,
    /// The number of rows whose word is not UTF-8. They are skipped, since no vocabulary can
    /// contain them.
    pub not_utf8: u64,
    /// The line of the first such row.
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

/// Vocabulary coverage: the number of words with a vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseOverlap {
    /// The number of words in the vocabulary.
    pub words: usize,
    /// The number of words with a vector.
    pub shared: usize,
    /// The number of words with a vector if both sides were lower-cased.
    pub shared_if_lowercased: usize,
}

impl CaseOverlap {
    /// Whether lower-casing would add more than 5 % to the shared words.
    ///
    /// It always adds a few (`NASA`, `Paris`); more than that means that only one side is
    /// lower-cased.
    #[must_use]
    pub fn suggests_lowercasing(&self) -> bool {
        self.shared_if_lowercased.saturating_sub(self.shared) * 20 > self.shared
    }
}
