//! Pre-trained word vectors, and the readers of their file formats.

mod collector;
mod error;
mod format;
#[cfg(feature = "hdf5")]
mod hdf5;
mod npy;
mod opened;
mod read;
mod report;
mod selection;
mod text;
mod text_row;
mod word2vec;

pub use collector::Duplicate;
pub use error::{RowProblem, VectorsError};
pub use format::VectorFormat;
pub use read::ReadOptions;
pub use report::{CaseOverlap, ReadReport};
pub use selection::WordSelection;

use std::path::Path;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rustc_hash::{FxHashMap, FxHashSet};

use collector::{Collector, check_dimensions};

/// The largest number of dimensions.
pub const MAX_DIMENSIONS: usize = 65_536;

/// Words and their vectors of `dimensions` finite numbers.
#[derive(Debug, Clone)]
pub struct WordVectors {
    words: Vec<String>,
    index: FxHashMap<String, usize>,
    matrix: Array2<f32>,
    /// The lower-cased forms of words that were skipped but differ from a wanted word only in case.
    other_case: FxHashSet<String>,
    report: ReadReport,
}

impl WordVectors {
    /// Reads the words of `selection` from a file of vectors.
    ///
    /// The format is detected from the contents (see [`VectorFormat`]) unless `options` names it;
    /// gzip is decompressed. Memory depends on the rows kept, not on the file. If a word occurs
    /// more than once, its last row is kept, as in the reference, and [`ReadReport::duplicates`]
    /// counts it.
    ///
    /// # Errors
    ///
    /// [`VectorsError`] names the file and the line or row: rows of different lengths, fields that
    /// are not numbers, NaN or infinite values, a header that contradicts the rows, a truncated
    /// file.
    pub fn read(
        path: &Path,
        selection: &WordSelection,
        options: &ReadOptions,
    ) -> Result<Self, VectorsError> {
        read::read(path, selection, options)
    }

    /// Takes vectors from memory; `matrix` is `[words, dimensions]`.
    ///
    /// # Errors
    ///
    /// [`VectorsError::RowCount`] if the numbers of words and rows differ, [`VectorsError::Row`]
    /// for a value that is not finite, [`VectorsError::Empty`] without words,
    /// [`VectorsError::Dimensions`] without dimensions.
    pub fn from_rows<I>(words: I, matrix: Array2<f32>) -> Result<Self, VectorsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let path = Path::new("(memory)");
        let selection = WordSelection::all();
        let dimensions = check_dimensions(path, matrix.ncols() as u64)?;
        let mut collector = Collector::new(path, VectorFormat::Memory, dimensions, &selection);
        let mut rows = matrix.rows().into_iter();
        let mut found = 0u64;
        for word in words {
            found += 1;
            if let Some(row) = rows.next() {
                collector.check_and_push(word.as_ref(), row.iter().copied())?;
            }
        }
        if found != matrix.nrows() as u64 {
            return Err(VectorsError::RowCount {
                path: path.into(),
                expected: matrix.nrows() as u64,
                found,
            });
        }
        collector.finish()
    }

    /// The words, in the order of their first occurrence.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// All vectors, `[words, dimensions]`.
    #[must_use]
    pub fn matrix(&self) -> ArrayView2<'_, f32> {
        self.matrix.view()
    }

    /// The number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The length of each vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.matrix.ncols()
    }

    /// The row of a word.
    #[must_use]
    pub fn position(&self, word: &str) -> Option<usize> {
        self.index.get(word).copied()
    }

    /// The vector of a word, `[dimensions]`.
    #[must_use]
    pub fn get(&self, word: &str) -> Option<ArrayView1<'_, f32>> {
        self.position(word).map(|row| self.matrix.row(row))
    }

    /// The report on rows read and kept, and on anomalies.
    #[must_use]
    pub fn report(&self) -> &ReadReport {
        &self.report
    }

    /// The number of `words` with a vector, and the number if case were ignored.
    pub fn case_overlap<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> CaseOverlap {
        let may_have_capitals = |word: &&String| {
            let mut bytes = word.bytes();
            bytes.any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii())
        };
        let with_capitals = self.words.iter().filter(may_have_capitals);
        let lowered: FxHashSet<String> = with_capitals.map(|word| word.to_lowercase()).collect();
        let mut overlap = CaseOverlap::default();
        for word in words {
            overlap.words += 1;
            if self.index.contains_key(word) {
                overlap.shared += 1;
                overlap.shared_if_lowercased += 1;
            } else {
                let lower = word.to_lowercase();
                let known = self.index.contains_key(&lower)
                    || lowered.contains(&lower)
                    || self.other_case.contains(&lower);
                overlap.shared_if_lowercased += usize::from(known);
            }
        }
        overlap
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn rows_in_memory_are_checked() {
        let short = WordVectors::from_rows(["a"], array![[1.0], [2.0]]);
        assert!(
            matches!(
                short,
                Err(VectorsError::RowCount {
                    expected: 2,
                    found: 1,
                    ..
                })
            ),
            "{short:?}"
        );
        let long = WordVectors::from_rows(["a", "b"], array![[1.0]]);
        assert!(
            matches!(
                long,
                Err(VectorsError::RowCount {
                    expected: 1,
                    found: 2,
                    ..
                })
            ),
            "{long:?}"
        );
        let nan = WordVectors::from_rows(["a", "b"], array![[1.0], [f32::NAN]]);
        assert!(
            matches!(nan, Err(VectorsError::Row { line: 2, .. })),
            "{nan:?}"
        );
    }

    #[test]
    fn case_overlap_counts_both_directions() {
        let vectors = WordVectors::from_rows(["Paris", "rome"], array![[1.0], [2.0]]).unwrap();
        let overlap = vectors.case_overlap(["paris", "Rome", "rome", "oslo"]);
        assert_eq!(
            overlap,
            CaseOverlap {
                words: 4,
                shared: 1,
                shared_if_lowercased: 3
            }
        );
    }
}
