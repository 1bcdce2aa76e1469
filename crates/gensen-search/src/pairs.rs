//! The closest pairs of rows (paraphrase mining).

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::SearchError;
use crate::best::Best;
use crate::blocks::{LEFT, RIGHT, cosines, ranges, scales};
use crate::kernels;
use crate::matrix::Matrix;

/// Which pairs are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairOptions {
    /// How many at most; 100 by default.
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

/// Two rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The row that comes first.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// Their cosine; 0 if one of both is all zeros.
    pub score: f32,
}

/// The pairs of rows with the highest cosines, the closest first, and of equals the one whose rows come
/// first. Every row is compared with every other, block by block; memory holds `most` pairs, and two
/// blocks a thread.
///
/// # Errors
///
/// [`SearchError::NotFinite`]; [`SearchError::Cosine`] for a threshold that no cosine has.
pub fn closest_pairs(matrix: Matrix<'_>, options: &PairOptions) -> Result<Vec<Pair>, SearchError> {
    check_threshold(options.threshold)?;
    let scales = scales(matrix)?;
    let rows = matrix.rows();
    let found = Found::new(options);
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

/// The blocks of the rows from those of `left` on.
pub(crate) fn to_the_right(
    left: &Range<usize>,
    rows: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let starts = (left.start..rows).step_by(RIGHT);
    starts.map(move |start| start..(start + RIGHT).min(rows))
}

/// Calls `visit` with the rows of `right` after `row` whose cosine is `bar` or more, and the cosine.
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

/// The best pairs that all threads have found.
struct Found {
    best: Mutex<Best<(usize, usize)>>,
    /// Bits of the score below which no pair is taken any more. It only rises, so that an old value lets
    /// in more pairs than are kept, and never fewer.
    bar: AtomicU32,
}

impl Found {
    fn new(options: &PairOptions) -> Self {
        Self {
            best: Mutex::new(Best::new(options.most)),
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
        // A heap is whole after each push, whatever panicked beside it.
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        for (first, second, score) in near.drain(..) {
            best.push(score, (first, second));
        }
        let bar = best.bar().max(self.bar());
        self.bar.store(bar.to_bits(), Ordering::Relaxed);
    }
}
