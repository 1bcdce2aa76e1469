//! The layout of sentences of unequal length, without padding.

use std::sync::Arc;

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
