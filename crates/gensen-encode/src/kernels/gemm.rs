//! Matrix products in f32 and column sums.

use gemm::Parallelism;
use rayon::prelude::*;

use super::products::{FloatProduct, Left, multiply_matrix};

/// A view of a matrix: a slice with a row and a column stride.
#[derive(Debug)]
pub struct MatrixView<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<T> Clone for MatrixView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for MatrixView<'_, T> {}

impl<'a, T> MatrixView<'a, T> {
    /// A row-major matrix `[rows, columns]` at the start of `data`.
    ///
    /// # Panics
    ///
    /// If `data` is shorter.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert!(data.len() >= rows * columns, "matrix beyond its slice");
        Self {
            data,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The transposed view of the same data.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Rows and columns.
    pub fn sizes(self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Whether the values of a row are adjacent: the matrix is not transposed.
    pub fn is_contiguous(self) -> bool {
        self.column_stride == 1
    }

    /// A row of a matrix that is not transposed.
    ///
    /// # Panics
    ///
    /// If the matrix is transposed, or has no such row.
    pub fn row(&self, row: usize) -> &'a [T] {
        assert_eq!(self.column_stride, 1, "a row of a transposed matrix");
        &self.data[row * self.row_stride..][..self.columns]
    }

    /// The rows as slices, if the matrix is not transposed.
    pub fn contiguous_rows(self) -> Option<impl Iterator<Item = &'a [T]>> {
        let rows = self
            .data
            .chunks_exact(self.row_stride.max(1))
            .take(self.rows);
        (self.column_stride == 1 && self.columns > 0).then_some(rows)
    }
}

/// A product with fewer multiplications runs on one thread.
const WORTH_THREADS: usize = 48 << 20;

/// The least sizes at which laying out the factors for AVX-512 pays. Smaller products, and those on
/// other processors, are left to the `gemm` crate, which uses AVX2 at most.
const LEAST_ROWS: usize = 24;
const LEAST_COLUMNS: usize = 48;
const LEAST_INPUTS: usize = 32;

/// Whether a product may use all threads or stays on the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The caller's thread only.
    One,
    /// All threads, if the product is large enough to pay for it.
    All,
}

/// `output = left * right`, or `output += left * right` when `accumulate`; `output` is row-major.
///
/// # Panics
///
/// If the sizes disagree, which would be a bug in the calling kernel.
pub fn matmul(
    output: &mut [f32],
    left: MatrixView<'_>,
    right: MatrixView<'_>,
    accumulate: bool,
    threads: Threads,
) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    assert_eq!(k, right.rows, "inner sizes of a matrix product");
    assert!(output.len() >= m * n, "output of a matrix product");
    if m == 0 || n == 0 {
        return;
    }
    let worth_layout = m >= LEAST_ROWS && n >= LEAST_COLUMNS && k >= LEAST_INPUTS;
    if let Some(product) = FloatProduct::single().filter(|_| worth_layout) {
        let left = Left::new(product, left, threads);
        return multiply_matrix(output, &left, right, accumulate, threads);
    }
    let parallelism = match threads {
        Threads::All if m * n * k >= WORTH_THREADS => Parallelism::Rayon(0),
        _ => Parallelism::None,
    };
    // SAFETY: `MatrixView` is only made by `new` and `transposed`, which keep
    // (rows - 1) * row_stride + (columns - 1) * column_stride inside `data`; `output` holds m * n
    // numbers and is borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            output.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            if accumulate { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Adds to `sums` the sum of each column of `matrix`, `[rows, sums.len()]`, first row first.
pub fn add_column_sums(sums: &mut [f32], matrix: &[f32]) {
    const COLUMNS_PER_TASK: usize = 4096;
    let columns = sums.len();
    let blocks = sums.par_chunks_mut(COLUMNS_PER_TASK).enumerate();
    blocks.for_each(|(block, sums)| {
        let start = block * COLUMNS_PER_TASK;
        for row in matrix.chunks_exact(columns) {
            let row = &row[start..start + sums.len()];
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_transposed_and_accumulates() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2 x 3
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 1.0]; // 2 x 3, used as 3 x 2
        let mut c = [1.0; 4];
        let (a, b) = (
            MatrixView::new(&a, 2, 3),
            MatrixView::new(&b, 2, 3).transposed(),
        );
        matmul(&mut c, a, b, false, Threads::One);
        assert_eq!(c, [7.0, 4.0, 16.0, 10.0]);
        matmul(&mut c, a, b, true, Threads::All);
        assert_eq!(c, [14.0, 8.0, 32.0, 20.0]);
    }
}
