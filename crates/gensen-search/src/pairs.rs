//! The closest pairs of rows (paraphrase mining).

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::SearchError;
use crate::best::TopK;
use crate::blocks::{LEFT, RIGHT, cosines, ranges, scales};
use crate::kernels;
use crate::matrix::Matrix;

/// Options of the search for pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairOptions {
    /// The largest number of pairs; 100 by default.
    pub most: usize,
    /// The smallest cosine, from -1 to 1; -1 by default.
    pub threshold: f32,
}

impl Default for PairOptions {
    fn default() -> Self {
        Self {
            most: 100,
            threshold: -1.0,
        }
    }
}

/// A pair of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The lower row.
    pub first: usize,
    /// The higher row.
    pub second: usize,
    /// Their cosine; 0 if either vector is zero.
    pub score: f32,
}

/// Finds the pairs of rows with the highest cosines, closest first, equally close ones in row
/// order. All pairs are compared, block by block; memory holds `most` pairs and two blocks per
/// thread.
///
/// # Errors
///
/// [`SearchError::NotFinite`]; [`SearchError::Cosine`] for a threshold outside of [-1, 1].
pub fn closest_pairs(matrix: Matrix<'_>, options: &PairOptions) -> Result<Vec<Pair>, SearchError> {
    check_threshold(options.threshold)?;
    let scales = scales(matrix)?;
    let rows = matrix.rows();
    let found = BestPairs::new(options);
    ranges(rows, LEFT).for_each(|left| {
        let (mut buffer, mut near) = (Vec::new(), Vec::new());
        for right in to_the_right(&left, rows) {
            let bar = found.bar();
            cosines(
                matrix,
                &scales,
                left.clone(),
                right.clone(),
                &mut buffer,
                |row, cosines| {
                    above(row, &right, cosines, bar, |second, score| {
                        near.push((row, second, score))
                    });
                },
            );
            found.take(&mut near);
        }
    });
    let pairs = found
        .best
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let pairs = pairs.into_sorted().into_iter().map(|pair| Pair {
        first: pair.place.0,
        second: pair.place.1,
        score: pair.score,
    });
    Ok(pairs.collect())
}

/// The right blocks that start at `left` or after it.
pub(crate) fn to_the_right(
    left: &Range<usize>,
    rows: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let starts = (left.start..rows).step_by(RIGHT);
    starts.map(move |start| start..(start + RIGHT).min(rows))
}

/// Calls `visit` with each row of `right` that follows `row` and has a cosine of at least `bar`,
/// and the cosine.
pub(crate) fn above(
    row: usize,
    right: &Range<usize>,
    cosines: &[f32],
    bar: f32,
    mut visit: impl FnMut(usize, f32),
) {
    let skip = (row + 1).saturating_sub(right.start).min(cosines.len());
    let cosines = &cosines[skip..];
    if kernels::largest(cosines) < bar {
        return;
    }
    let first = right.start + skip;
    for (k, &score) in cosines
        .iter()
        .enumerate()
        .filter(|(_, score)| **score >= bar)
    {
        visit(first + k, score);
    }
}

pub(crate) fn check_threshold(threshold: f32) -> Result<(), SearchError> {
    match (-1.0..=1.0).contains(&threshold) {
        true => Ok(()),
        false => Err(SearchError::Cosine(threshold)),
    }
}

/// The best pairs of all threads.
struct BestPairs {
    best: Mutex<TopK<(usize, usize)>>,
    /// The bits of the minimum score of a new pair. It only rises, so a stale value only costs
    /// time.
    bar: AtomicU32,
}

impl BestPairs {
    fn new(options: &PairOptions) -> Self {
        Self {
            best: Mutex::new(TopK::new(options.most)),
            bar: AtomicU32::new(options.threshold.to_bits()),
        }
    }

    fn bar(&self) -> f32 {
        f32::from_bits(self.bar.load(Ordering::Relaxed))
    }

    fn take(&self, near: &mut Vec<(usize, usize, f32)>) {
        if near.is_empty() {
            return;
        }
        // The heap is valid after every push, also if another thread has panicked.
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        for (first, second, score) in near.drain(..) {
            best.push(score, (first, second));
        }
        let bar = best.bar().max(self.bar());
        self.bar.store(bar.to_bits(), Ordering::Relaxed);
    }
}
