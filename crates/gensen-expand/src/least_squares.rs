//! The linear map with intercept from word vectors to the embedding space.

mod error;
mod file;
mod fit;
mod moments;
mod report;
mod rows;
mod streamed_qr;

pub use error::MapError;
pub use file::MAP_KEY;
pub use fit::FitOptions;
pub use report::{FitReport, Solver};

pub(crate) use fit::fit;
pub(crate) use rows::RowSelection;

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// `y = coefficients x + intercept`, from word vectors of `dimensions` to embeddings of `width`.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap {
    coefficients: Array2<f64>,
    intercept: Array1<f64>,
    report: FitReport,
}

/// Rows per matrix product: half a megabyte of 300-dimensional vectors in 64 bits.
const BLOCK_ROWS: usize = 256;

impl LinearMap {
    /// The coefficients, `[width, dimensions]`.
    #[must_use]
    pub fn coefficients(&self) -> ArrayView2<'_, f64> {
        self.coefficients.view()
    }

    /// The intercept, `[width]`.
    #[must_use]
    pub fn intercept(&self) -> ArrayView1<'_, f64> {
        self.intercept.view()
    }

    /// The length of the word vectors.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.coefficients.ncols()
    }

    /// The width of the embedding.
    #[must_use]
    pub fn width(&self) -> usize {
        self.coefficients.nrows()
    }

    /// The goodness of fit on the shared words.
    #[must_use]
    pub fn report(&self) -> &FitReport {
        &self.report
    }

    /// Maps word vectors, `[words, dimensions]`, to embeddings, `[words, width]`, in 64-bit
    /// arithmetic.
    ///
    /// # Errors
    ///
    /// [`MapError::Dimensions`] if the vectors have other dimensions than those of the fit.
    pub fn transform(&self, vectors: ArrayView2<'_, f32>) -> Result<Array2<f32>, MapError> {
        self.transform_rows(&RowSelection::all(vectors))
    }

    pub(crate) fn transform_rows(
        &self,
        vectors: &RowSelection<'_>,
    ) -> Result<Array2<f32>, MapError> {
        let (width, dimensions) = self.coefficients.dim();
        if vectors.width() != dimensions {
            return Err(MapError::Dimensions {
                expected: dimensions,
                found: vectors.width(),
            });
        }
        // No copy here: `fit` and `load` both make row-major arrays.
        let coefficients = self.coefficients.as_standard_layout();
        #[allow(clippy::expect_used, reason = "an array in standard layout is a slice")]
        let coefficients = coefficients.as_slice().expect("the standard layout");
        let coefficients = MatRef::from_row_major_slice(coefficients, width, dimensions);

        let mut mapped = vec![0f32; vectors.len() * width];
        mapped
            .par_chunks_mut((BLOCK_ROWS * width).max(1))
            .enumerate()
            .for_each(|(i, mapped)| {
                let start = i * BLOCK_ROWS;
                let rows = mapped.len() / width;
                let mut x = Mat::zeros(dimensions, rows);
                vectors.centred_block(start, None, &mut x);
                let mut y = Mat::<f64>::zeros(width, rows);
                matmul(&mut y, Accum::Replace, coefficients, &x, 1.0, Par::Seq);
                for (row, y) in mapped.chunks_exact_mut(width).zip(y.col_iter()) {
                    for ((to, &sum), &intercept) in
                        row.iter_mut().zip(y.iter()).zip(&self.intercept)
                    {
                        *to = (sum + intercept) as f32;
                    }
                }
            });
        #[allow(clippy::expect_used, reason = "`mapped` was allocated with this size")]
        let mapped = Array2::from_shape_vec((vectors.len(), width), mapped).expect("its size");
        Ok(mapped)
    }
}
