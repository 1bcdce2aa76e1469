//! Communities: groups of rows around a row that all are near.

use rayon::prelude::*;

use crate::SearchError;
use crate::blocks::{LEFT, cosines, ranges, scales};
use crate::matrix::Matrix;
use crate::pairs::{above, check_threshold, to_the_right};

/// The most pairs of near rows that are kept in memory: 8 bytes each, twice.
pub const MAX_NEIGHBOURS: usize = 1 << 27;

/// A row and others near it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Community {
    /// The row in the middle.
    pub centre: usize,
    /// All rows, the one in the middle among them, in order.
    pub rows: Vec<usize>,
}

/// Communities of at least `smallest` rows whose cosine to the row in their middle is `threshold` or more,
/// the largest first, and of equals the one that was found first; a row is in one at most.
///
/// They are found as `community_detection` of the Python package sentence-transformers does: rows are
/// looked at by how many near rows they have, most first, and of equals the one that comes first. A row
/// that is in no community yet makes one of itself and those of its near rows that are in none, if these are enough.
///
/// # Errors
///
/// [`SearchError::NotFinite`]; [`SearchError::Cosine`] for a threshold that no cosine has;
/// [`SearchError::TooAlike`] for more than [`MAX_NEIGHBOURS`] near pairs.
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

/// The near rows of each row, itself among them, in order.
struct Near {
    /// Row i's are from `starts[i]` to `starts[i + 1]`.
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Near {
    fn find(matrix: Matrix<'_>, scales: &[f32], threshold: f32) -> Result<Self, SearchError> {
        let pairs = pairs(matrix, scales, threshold)?;
        // A vector of zeros is near none, not even itself.
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
        // Sorted by the first row: those before a row come first, then itself, then those after it.
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

/// All near pairs, in order.
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
            // Blocks on the right come one after the other for all rows of the left one.
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
