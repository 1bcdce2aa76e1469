//! Selected rows of a matrix, read in centred 64-bit blocks.

use faer::Mat;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

/// Selected rows of a 32-bit matrix, in the order of selection.
pub(crate) struct RowSelection<'a> {
    matrix: ArrayView2<'a, f32>,
    chosen: Vec<usize>,
}

impl<'a> RowSelection<'a> {
    /// The rows with these indices.
    ///
    /// # Panics
    ///
    /// If a row is not in the matrix.
    pub(crate) fn new(matrix: ArrayView2<'a, f32>, chosen: Vec<usize>) -> Self {
        assert!(
            chosen.iter().all(|&row| row < matrix.nrows()),
            "selected rows"
        );
        Self { matrix, chosen }
    }

    pub(crate) fn all(matrix: ArrayView2<'a, f32>) -> Self {
        Self {
            matrix,
            chosen: (0..matrix.nrows()).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.chosen.len()
    }

    pub(crate) fn width(&self) -> usize {
        self.matrix.ncols()
    }

    /// The mean of each column. Strips have a fixed size, so that it does not depend on the number
    /// of threads.
    pub(crate) fn means(&self) -> Vec<f64> {
        const STRIP: usize = 4096;
        let sums = self.chosen.par_chunks(STRIP).map(|strip| {
            let mut sum = vec![0f64; self.width()];
            for &row in strip {
                let row = self.matrix.index_axis(Axis(0), row);
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(sum, &value)| *sum += f64::from(value));
            }
            sum
        });
        let mut mean = vec![0f64; self.width()];
        for sum in sums.collect::<Vec<_>>() {
            mean.iter_mut()
                .zip(sum)
                .for_each(|(mean, sum)| *mean += sum);
        }
        mean.iter_mut()
            .for_each(|mean| *mean /= self.len().max(1) as f64);
        mean
    }

    /// Fills the columns of `block` with the rows from `start` on, minus `means` if given.
    pub(crate) fn centred_block(&self, start: usize, means: Option<&[f64]>, block: &mut Mat<f64>) {
        let chosen = &self.chosen[start..];
        for (column, &row) in block.col_iter_mut().zip(chosen) {
            let row = self.matrix.index_axis(Axis(0), row);
            match means {
                Some(means) => {
                    for ((to, &value), &mean) in column.iter_mut().zip(row).zip(means) {
                        *to = f64::from(value) - mean;
                    }
                }
                None => column
                    .iter_mut()
                    .zip(row)
                    .for_each(|(to, &value)| *to = f64::from(value)),
            }
        }
    }
}
