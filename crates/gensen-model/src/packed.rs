//! Sentences of unequal length without padding.

use std::sync::Arc;

use gensen_data::batch::Sentences;

pub use gensen_encode::kernels::steps::Steps;

/// Word ids of a batch in packed order, with the permutation back to input order.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The layout.
    pub steps: Steps,
    /// Word ids, one per row.
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

    /// The same from one slice of ids per sentence.
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
