//! Blocks of rows, and the products of two blocks.

use std::ops::Range;

use gensen_encode::kernels::gemm::{self, Threads, matmul};
use rayon::prelude::*;

use crate::SearchError;
use crate::kernels;
use crate::matrix::{Matrix, scale};

/// Rows per left block of a product. The products of `LEFT` and [`RIGHT`] rows fill half of an L2
/// cache of 1 MiB.
pub(crate) const LEFT: usize = 256;
/// Rows per right block.
pub(crate) const RIGHT: usize = 512;

/// The ranges of the blocks of `rows` rows; the last may be shorter.
pub(crate) fn ranges(
    rows: usize,
    block: usize,
) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let blocks = rows.div_ceil(block);
    let range = move |k: usize| k * block..((k + 1) * block).min(rows);
    (0..blocks).into_par_iter().map(range)
}

/// The factor that scales each row to length 1; 0 for rows of zeros. An error names the first row
/// that is not finite, for any number of threads.
pub(crate) fn scales(matrix: Matrix<'_>) -> Result<Vec<f32>, SearchError> {
    let squares: Vec<Vec<f32>> = ranges(matrix.rows(), LEFT)
        .map(|rows| {
            let floats = matrix.floats(rows);
            let rows = floats.chunks_exact(matrix.width());
            rows.map(kernels::square).collect()
        })
        .collect();
    let squares = squares.into_iter().flatten().enumerate();
    squares.map(|(row, square)| scale(square, row)).collect()
}

/// The products of the rows of two blocks, `[left rows, right rows]`.
pub(crate) fn products(left: &[f32], right: &[f32], width: usize, products: &mut Vec<f32>) {
    let (rows, columns) = (left.len() / width, right.len() / width);
    products.resize(rows * columns, 0.0);
    let left = gemm::MatrixView::new(left, rows, width);
    let right = gemm::MatrixView::new(right, columns, width).transposed();
    matmul(products, left, right, false, Threads::One);
}

/// Calls `visit` with the index of each row of the left block and its cosines to the rows of the
/// right block.
pub(crate) fn cosines(
    matrix: Matrix<'_>,
    scales: &[f32],
    left: Range<usize>,
    right: Range<usize>,
    buffer: &mut Vec<f32>,
    mut visit: impl FnMut(usize, &[f32]),
) {
    let (first, columns) = (left.start, right.len());
    let own = matrix.floats(left.clone());
    let others = matrix.floats(right.clone());
    products(&own, &others, matrix.width(), buffer);
    let scaled = buffer.chunks_exact_mut(columns).zip(&scales[left]);
    for (k, (row, &own)) in scaled.enumerate() {
        for (x, other) in row.iter_mut().zip(&scales[right.clone()]) {
            *x *= own * other;
        }
        visit(first + k, row);
    }
}
