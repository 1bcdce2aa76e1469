//! Blocks of rows: their lengths, and the products of two blocks.

use std::ops::Range;

use gensen_encode::kernels::gemm::{self, Threads, matmul};
use rayon::prelude::*;

use crate::SearchError;
use crate::kernels;
use crate::matrix::{Matrix, scale};

/// Rows of a block on the left of a product. With [`RIGHT`], its products fill half of a
/// second-level cache of 1 MiB.
pub(crate) const LEFT: usize = 256;
/// Rows of a block on the right.
pub(crate) const RIGHT: usize = 512;

/// `rows` rows in blocks; the last may be shorter.
pub(crate) fn ranges(
    rows: usize,
    block: usize,
) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let blocks = rows.div_ceil(block);
    let range = move |k: usize| k * block..((k + 1) * block).min(rows);
    (0..blocks).into_par_iter().map(range)
}

/// What each row is multiplied by to have length 1; 0 for rows of zeros.
///
/// The first row that has no length is named, whatever the number of threads.
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
    let left = gemm::Matrix::new(left, rows, width);
    let right = gemm::Matrix::new(right, columns, width).transposed();
    matmul(products, left, right, false, Threads::One);
}

/// Calls `visit` with each row of one block and its cosines to the rows of another: the row, counted from
/// the beginning of the matrix, and the cosines.
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
