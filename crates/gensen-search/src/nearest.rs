//! Exact search.

use std::ops::Range;

use rayon::prelude::*;

use crate::SearchError;
use crate::best::TopK;
use crate::blocks::{LEFT, RIGHT, products, ranges};
use crate::kernels;
use crate::matrix::{Matrix, scale};

/// Rows per parallel task.
const TASK_ROWS: usize = 4096;
/// Up to this many queries are compared one by one, without a matrix product.
const FEW: usize = 4;

/// A result of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The row, from 0.
    pub row: usize,
    /// The cosine to the query; 0 if either vector is zero.
    pub score: f32,
}

/// Finds the `top` rows of `index` with the highest cosines to each query, nearest first, equally
/// near ones in row order; all rows if there are fewer.
///
/// The index is read once, whatever the number of queries.
///
/// # Errors
///
/// [`SearchError::Widths`], [`SearchError::NotFinite`].
pub fn nearest(
    index: Matrix<'_>,
    queries: Matrix<'_>,
    top: usize,
) -> Result<Vec<Vec<Hit>>, SearchError> {
    if index.width() != queries.width() {
        return Err(SearchError::Widths {
            found: queries.width(),
            expected: index.width(),
        });
    }
    let count = queries.rows();
    // Products of signs are exact as long as neither is scaled: of rows of bits, equal distances give equal scores.
    let (queries, scale) = match queries.is_bits() {
        true => {
            let signs = queries.floats(0..count).into_owned();
            (signs, 1.0 / (queries.width() as f32).sqrt())
        }
        false => (queries.unit_rows(0..count)?, 1.0),
    };
    let search = Search {
        index,
        queries: &queries,
        scale,
        count,
    };
    let none = || vec![TopK::new(top.min(index.rows())); count];
    let best = ranges(index.rows(), TASK_ROWS)
        .try_fold(none, |best, rows| search.look_through(rows, best))
        .try_reduce(none, |a, b| {
            Ok(a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect())
        })?;
    let hits = |best: TopK<usize>| {
        let sorted = best.into_sorted().into_iter();
        let hits = sorted.map(|hit| Hit {
            row: hit.place,
            score: hit.score,
        });
        hits.collect()
    };
    Ok(best.into_iter().map(hits).collect())
}

struct Search<'a> {
    index: Matrix<'a>,
    /// Queries in row-major order, of length 1 when multiplied by `scale`.
    queries: &'a [f32],
    scale: f32,
    count: usize,
}

impl Search<'_> {
    /// Compares a range of rows with each query, and keeps the best.
    fn look_through(
        &self,
        rows: Range<usize>,
        mut best: Vec<TopK<usize>>,
    ) -> Result<Vec<TopK<usize>>, SearchError> {
        let mut buffer = Vec::new();
        for start in rows.clone().step_by(LEFT) {
            let block = start..(start + LEFT).min(rows.end);
            if self.count <= FEW {
                self.few(block, &mut best)?;
            } else {
                self.many(block, &mut best, &mut buffer)?;
            }
        }
        Ok(best)
    }

    fn few(&self, block: Range<usize>, best: &mut [TopK<usize>]) -> Result<(), SearchError> {
        let width = self.index.width();
        let floats = self.index.floats(block.clone());
        let (first, others) = self.queries.split_at(width);
        for (row, numbers) in block.zip(floats.chunks_exact(width)) {
            let (product, square) = kernels::product_and_square(numbers, first);
            let scale = self.scale * scale(square, row)?;
            let others = others.chunks_exact(width);
            let others = others.map(|query| kernels::product(numbers, query));
            for (product, best) in std::iter::once(product).chain(others).zip(best.iter_mut()) {
                let score = product * scale;
                if score >= best.bar() {
                    best.push(score, row);
                }
            }
        }
        Ok(())
    }

    fn many(
        &self,
        block: Range<usize>,
        best: &mut [TopK<usize>],
        buffer: &mut Vec<f32>,
    ) -> Result<(), SearchError> {
        let width = self.index.width();
        let floats = self.index.floats(block.clone());
        let scales: Vec<f32> = block
            .clone()
            .zip(floats.chunks_exact(width))
            .map(|(row, numbers)| Ok(self.scale * scale(kernels::square(numbers), row)?))
            .collect::<Result<_, _>>()?;
        let queries = self.queries.chunks(RIGHT * width);
        for (queries, best) in queries.zip(best.chunks_mut(RIGHT)) {
            products(&floats, queries, width, buffer);
            let rows = buffer.chunks_exact(best.len()).zip(&scales);
            for (row, (products, scale)) in block.clone().zip(rows) {
                for (best, product) in best.iter_mut().zip(products) {
                    let score = product * scale;
                    if score >= best.bar() {
                        best.push(score, row);
                    }
                }
            }
        }
        Ok(())
    }
}
