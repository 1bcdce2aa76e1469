//! Collects the kept rows of any format.

use std::path::Path;

use ndarray::Array2;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    MAX_DIMENSIONS, ReadReport, RowProblem, VectorFormat, VectorsError, WordSelection, WordVectors,
};

/// A row that replaced an earlier row of the same word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The word.
    pub word: String,
    /// The replacing line or row, from 1.
    pub line: u64,
}

const EXAMPLES: usize = 5;

pub(super) struct Collector<'a> {
    pub(super) selection: &'a WordSelection,
    words: Vec<String>,
    index: FxHashMap<String, usize>,
    values: Vec<f32>,
    other_case: FxHashSet<String>,
    report: ReadReport,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        path: &Path,
        format: VectorFormat,
        dimensions: usize,
        selection: &'a WordSelection,
    ) -> Self {
        Self {
            selection,
            words: Vec::new(),
            index: FxHashMap::default(),
            values: Vec::new(),
            other_case: FxHashSet::default(),
            report: ReadReport {
                path: path.into(),
                format,
                dimensions,
                rows: 0,
                kept: 0,
                duplicates: 0,
                duplicate_examples: Vec::new(),
                not_utf8: 0,
                first_not_utf8: None,
            },
        }
    }

    /// Counts rows, kept or skipped.
    pub(super) fn count_rows(&mut self, rows: u64) {
        self.report.rows += rows;
    }

    /// Keeps a row; it replaces an earlier row of the same word, as in the reference.
    pub(super) fn keep(&mut self, word: &str, row: &[f32], line: u64) {
        let dimensions = self.report.dimensions;
        assert_eq!(row.len(), dimensions, "readers check the length");
        if let Some(&at) = self.index.get(word) {
            self.values[at * dimensions..(at + 1) * dimensions].copy_from_slice(row);
            self.report.duplicates += 1;
            if self.report.duplicate_examples.len() < EXAMPLES {
                self.report.duplicate_examples.push(Duplicate {
                    word: word.to_owned(),
                    line,
                });
            }
        } else if self.selection.has_room(self.words.len()) {
            self.index.insert(word.to_owned(), self.words.len());
            self.words.push(word.to_owned());
            self.values.extend_from_slice(row);
        }
    }

    /// Records the lower-cased form of a skipped word that differs from a wanted word only in case.
    pub(super) fn note_other_case(&mut self, lowercased: String) {
        self.other_case.insert(lowercased);
    }

    /// Counts a row whose word is not UTF-8.
    pub(super) fn note_not_utf8(&mut self, line: u64) {
        self.report.not_utf8 += 1;
        self.report.first_not_utf8.get_or_insert(line);
    }

    /// Adds the next row of a binary format: checks its values, and keeps it if it is selected.
    pub(super) fn check_and_push(
        &mut self,
        word: &str,
        row: impl Iterator<Item = f32> + Clone,
    ) -> Result<(), VectorsError> {
        self.report.rows += 1;
        let line = self.report.rows;
        if let Some((i, value)) = row
            .clone()
            .enumerate()
            .find(|(_, value)| !value.is_finite())
        {
            let problem = RowProblem::NotFinite {
                dimension: i + 1,
                value: value.to_string(),
            };
            return Err(VectorsError::Row {
                path: self.report.path.clone(),
                line,
                problem,
            });
        }
        if self.selection.contains(word) {
            let row: Vec<f32> = row.collect();
            self.keep(word, &row, line);
        } else if let Some(lowercased) = self.selection.other_case(word) {
            self.note_other_case(lowercased);
        }
        Ok(())
    }

    /// The vectors, after all rows.
    pub(super) fn finish(mut self) -> Result<WordVectors, VectorsError> {
        if self.report.rows == 0 {
            let path = self.report.path;
            return Err(VectorsError::Empty { path });
        }
        self.report.kept = self.words.len();
        let shape = (self.words.len(), self.report.dimensions);
        #[allow(
            clippy::expect_used,
            reason = "`keep` adds a word and a row of `dimensions` values together"
        )]
        let matrix = Array2::from_shape_vec(shape, self.values).expect("a row for each word");
        if self.report.duplicates > 0 || self.report.not_utf8 > 0 {
            tracing::warn!("{}", self.report);
        } else {
            tracing::info!("{}", self.report);
        }
        Ok(WordVectors {
            words: self.words,
            index: self.index,
            matrix,
            other_case: self.other_case,
            report: self.report,
        })
    }
}

/// Checks that the number of dimensions is within the limits.
pub(super) fn check_dimensions(path: &Path, found: u64) -> Result<usize, VectorsError> {
    match usize::try_from(found) {
        Ok(dimensions) if (1..=MAX_DIMENSIONS).contains(&dimensions) => Ok(dimensions),
        _ => Err(VectorsError::Dimensions {
            path: path.into(),
            found,
        }),
    }
}
