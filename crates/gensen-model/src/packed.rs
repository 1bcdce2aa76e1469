//! Sentences of unequal length without padding.

use std::sync::Arc;

use gensen_data::batch::Sentences;

/// The shape of a packed batch: how many sentences are still running at each time step.
///
/// Sentences are sorted by length, longest first, and laid out time step by time step, so that the
/// rows of a step are the first rows of the step before. No row is padding. (PyTorch calls the
/// same layout `PackedSequence`.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Row at which each step begins, and the number of rows as last entry.
    offsets: Arc<[usize]>,
}

impl Steps {
    /// From lengths sorted in descending order; lengths of zero have no row.
    pub fn from_sorted_lengths(lengths: &[u32]) -> Self {
        debug_assert!(lengths.is_sorted_by(|a, b| a >= b));
        let longest = lengths.first().map_or(0, |&length| length as usize);
        let mut offsets = Vec::with_capacity(longest + 1);
        let (mut row, mut running) = (0, lengths.len());
        offsets.push(0);
        for step in 0..longest {
            while running > 0 && lengths[running - 1] as usize <= step {
                running -= 1;
            }
            row += running;
            offsets.push(row);
        }
        Self {
            offsets: offsets.into(),
        }
    }

    /// From how many sentences run at each step.
    #[cfg(feature = "remote")]
    pub(crate) fn from_widths(widths: impl IntoIterator<Item = usize>) -> Self {
        let ends = widths.into_iter().scan(0, |row, width| {
            *row += width;
            Some(*row)
        });
        Self {
            offsets: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// The number of time steps: the longest sentence's length.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of rows: words of all sentences together.
    pub fn rows(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// The first row of a step.
    pub fn start(&self, step: usize) -> usize {
        self.offsets[step]
    }

    /// Of each row, its sentence's place among the sorted ones.
    pub fn ranks(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).flat_map(|step| 0..self.width(step) as u32)
    }

    /// How many sentences run at a step; none after the last.
    pub fn width(&self, step: usize) -> usize {
        if step < self.len() {
            self.offsets[step + 1] - self.offsets[step]
        } else {
            0
        }
    }
}

/// Word ids of a batch in packed order, and the way back to the order in which they came.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The layout.
    pub steps: Steps,
    /// Word ids, one a row.
    pub ids: Vec<u32>,
    /// For each sentence in sorted order, its place in the input.
    pub order: Vec<usize>,
    /// Lengths in input order.
    pub lengths: Vec<u32>,
}

impl Packed {
    /// Sorts by length (longest first, equal lengths in input order) and lays the ids out time
    /// step by time step.
    pub fn new(sentences: &Sentences) -> Self {
        let slices: Vec<&[u32]> = sentences.iter().collect();
        Self::from_slices(&slices)
    }

    /// The same from one slice of ids a sentence.
    pub fn from_slices(sentences: &[&[u32]]) -> Self {
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(sentences[i].len()));
        let sorted: Vec<u32> = order.iter().map(|&i| sentences[i].len() as u32).collect();
        let steps = Steps::from_sorted_lengths(&sorted);
        let mut ids = Vec::with_capacity(steps.rows());
        for step in 0..steps.len() {
            ids.extend(
                order[..steps.width(step)]
                    .iter()
                    .map(|&i| sentences[i][step]),
            );
        }
        Self {
            steps,
            ids,
            lengths: sentences.iter().map(|s| s.len() as u32).collect(),
            order,
        }
    }

    /// For each sentence in input order, the row of its last word.
    ///
    /// Every sentence must have a word.
    pub fn last_rows(&self) -> Vec<usize> {
        let mut rows = vec![0; self.order.len()];
        for (rank, &sentence) in self.order.iter().enumerate() {
            rows[sentence] = self.steps.start(self.lengths[sentence] as usize - 1) + rank;
        }
        rows
    }

    /// For each row, the place of its sentence in the input.
    pub fn sentence_of_rows(&self) -> Arc<[u32]> {
        let ranks = self.steps.ranks();
        ranks.map(|rank| self.order[rank as usize] as u32).collect()
    }

    /// For each sentence in input order, the row of its first word.
    pub fn first_rows(&self) -> Vec<usize> {
        let mut rows = vec![0; self.order.len()];
        for (rank, &sentence) in self.order.iter().enumerate() {
            rows[sentence] = rank;
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_time_step_by_time_step() {
        let packed = Packed::from_slices(&[&[1, 2], &[3, 4, 5], &[6]]);
        assert_eq!(packed.order, [1, 0, 2]);
        assert_eq!(packed.ids, [3, 1, 6, 4, 2, 5]);
        assert_eq!(packed.last_rows(), [4, 5, 2]);
        assert_eq!(packed.first_rows(), [1, 0, 2]);
        assert_eq!(packed.sentence_of_rows()[..], [1, 0, 2, 1, 0, 1]);
        let widths: Vec<_> = (0..=packed.steps.len())
            .map(|t| packed.steps.width(t))
            .collect();
        assert_eq!(widths, [3, 2, 1, 0]);
    }

    #[test]
    fn empty_sentences_take_no_row() {
        let packed = Packed::from_slices(&[&[], &[7, 8]]);
        assert_eq!((packed.ids, packed.steps.rows()), (vec![7, 8], 2));
        assert!(Packed::from_slices(&[]).steps.is_empty());
    }
}
