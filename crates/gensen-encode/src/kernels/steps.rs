//! The layout of sentences of unequal length, without padding.

use std::sync::Arc;

/// The shape of a packed batch: how many sentences have a word at each time step.
///
/// Sentences are sorted by length, longest first, and laid out time step by time step, so that a
/// step's sentences are the first of the step before. No row is padding. (PyTorch calls the same
/// layout `PackedSequence`.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first row of each step, then the number of rows.
    offsets: Arc<[usize]>,
}

impl Steps {
    /// From lengths in descending order; sentences of length zero have no rows.
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

    /// From the number of sentences at each step, in descending order.
    pub fn from_widths(widths: impl IntoIterator<Item = usize>) -> Self {
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

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of rows: the words of all sentences together.
    pub fn rows(&self) -> usize {
        self.offsets[self.len()]
    }

    /// The first row of a step.
    pub fn start(&self, step: usize) -> usize {
        self.offsets[step]
    }

    /// The index of each row's sentence in the sorted batch.
    pub fn ranks(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).flat_map(|step| 0..self.width(step) as u32)
    }

    /// The number of sentences at a step; 0 after the last step.
    pub fn width(&self, step: usize) -> usize {
        if step < self.len() {
            self.offsets[step + 1] - self.offsets[step]
        } else {
            0
        }
    }
}
