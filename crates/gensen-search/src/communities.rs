//! Communities: groups of rows that are all near a central row.

use rayon::prelude::*;

use crate::SearchError;
use crate::blocks::{LEFT, cosines, ranges, scales};
use crate::matrix::Matrix;
use crate::pairs::{above, check_threshold, to_the_right};

/// The largest number of pairs of near rows; each takes 16 bytes of memory.
pub const MAX_NEIGHBOURS: usize = 1 << 27;

/// A row and the rows near it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Community {
    /// The central row.
    pub centre: usize,
    /// All rows including the central one, in ascending order.
    pub rows: Vec<usize>,
}

/// Finds communities of at least `smallest` rows, each with a cosine of at least `threshold` to the
/// central row. The largest comes first; equally large ones are in the order in which they were
/// found. A row is in at most one community.
///
/// The algorithm is that of `community_detection` in the Python package sentence-transformers. Rows
/// are visited by their number of near rows, largest first, equal ones in row order. A row that is
/// not yet in a community starts one with all its near rows that are not in one either, if these
/// are at least `smallest`.
///
/// # Errors
///
/// [`SearchError::NotFinite`]; [`SearchError::Cosine`] for a threshold outside of [-1, 1];
/// [`SearchError::TooAlike`] for more than [`MAX_NEIGHBOURS`] near pairs; [`SearchError::TooMany`]
/// for more than 2^32 - 1 rows.
pub fn communities(
    matrix: Matrix<'_>,
    threshold: f32,
    smallest: usize,
) -> Result<Vec<Community>, SearchError> {
    check_threshold(threshold)?;
    let scales = scales(matrix)?;
    let rows = matrix.rows();
    if u32::try_from(rows).is_err() {
        let most = u32::MAX as usize;
        return Err(SearchError::TooMany { rows, most });
    }
    let near = Near::find(matrix, &scales, threshold)?;
    let mut order: Vec<usize> = (0..rows)
        .filter(|&row| near.count(row) >= smallest)
        .collect();
    order.sort_by_key(|&row| std::cmp::Reverse(near.count(row)));
    let mut taken = vec![false; rows];
    let mut communities = Vec::new();
    for centre in order {
        if taken[centre] {
            continue;
        }
        let free = near.of(centre).iter().map(|&row| row as usize);
        let rows: Vec<usize> = free.filter(|&row| !taken[row]).collect();
        if rows.len() >= smallest {
            rows.iter().for_each(|&row| taken[row] = true);
            communities.push(Community { centre, rows });
        }
    }
    communities.sort_by_key(|community| std::cmp::Reverse(community.rows.len()));
    Ok(communities)
}

/// The near rows of each row including itself, in ascending order.
struct Near {
    /// The near rows of row i are `rows[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Near {
    fn find(matrix: Matrix<'_>, scales: &[f32], threshold: f32) -> Result<Self, SearchError> {
        let pairs = pairs(matrix, scales, threshold)?;
        // A vector of zeros has no near rows, not even itself.
        let own = |row: usize| usize::from(scales[row] > 0.0);
        let mut starts = vec![0; matrix.rows() + 1];
        for &(first, second) in &pairs {
            starts[first as usize + 1] += 1;
            starts[second as usize + 1] += 1;
        }
        for row in 0..matrix.rows() {
            starts[row + 1] += starts[row] + own(row);
        }
        let mut rows = vec![0; starts[matrix.rows()]];
        let mut next = starts.clone();
        let mut put = |row: usize, near: u32| {
            rows[next[row]] = near;
            next[row] += 1;
        };
        // Pairs are sorted by their first row. So a row gets the near rows before it, itself, those
        // after it.
        for &(first, second) in &pairs {
            put(second as usize, first);
        }
        for row in (0..matrix.rows()).filter(|&row| own(row) > 0) {
            put(row, row as u32);
        }
        for &(first, second) in &pairs {
            put(first as usize, second);
        }
        Ok(Self { starts, rows })
    }

    fn count(&self, row: usize) -> usize {
        self.starts[row + 1] - self.starts[row]
    }

    fn of(&self, row: usize) -> &[u32] {
        &self.rows[self.starts[row]..self.starts[row + 1]]
    }
}

/// All pairs of near rows, sorted.
fn pairs(
    matrix: Matrix<'_>,
    scales: &[f32],
    threshold: f32,
) -> Result<Vec<(u32, u32)>, SearchError> {
    let rows = matrix.rows();
    let too_alike = || SearchError::TooAlike {
        threshold,
        most: MAX_NEIGHBOURS,
    };
    let blocks: Vec<Vec<(u32, u32)>> = ranges(rows, LEFT)
        .map(|left| {
            let (mut buffer, mut pairs) = (Vec::new(), Vec::new());
            for right in to_the_right(&left, rows) {
                let one = left.clone();
                cosines(
                    matrix,
                    scales,
                    one,
                    right.clone(),
                    &mut buffer,
                    |row, cosines| {
                        above(row, &right, cosines, threshold, |second, _| {
                            pairs.push((row as u32, second as u32));
                        });
                    },
                );
                if pairs.len() > MAX_NEIGHBOURS {
                    return Err(too_alike());
                }
            }
            // Pairs are grouped by right blocks so far.
            pairs.sort_unstable();
            Ok(pairs)
        })
        .collect::<Result<_, _>>()?;
    let count: usize = blocks.iter().map(Vec::len).sum();
    if count > MAX_NEIGHBOURS {
        return Err(too_alike());
    }
    Ok(blocks.concat())
}
