//! The centred second moments of the normal equations, streamed over the samples.

use std::ops::Range;

use faer::{
    Accum, Mat, Par,
    linalg::matmul::{
        matmul,
        triangular::{self, BlockStructure},
    },
};
use rayon::prelude::*;

use super::{BLOCK_ROWS, RowSelection};

/// The samples are split into this many strips. One thread sums a strip, and strips are added in
/// order, so that sums do not depend on the number of threads.
const STRIPS: usize = 8;

/// Sums over all samples, with x and y centred.
pub(super) struct SampleMoments {
    pub(super) mean_x: Vec<f64>,
    pub(super) mean_y: Vec<f64>,
    /// `sum x xᵀ`, `[dimensions, dimensions]`; only the lower triangle is filled.
    pub(super) gram: Mat<f64>,
    /// `sum x yᵀ`, `[dimensions, width]`.
    pub(super) cross: Mat<f64>,
    /// `sum y²`, `[width]`.
    pub(super) squares_y: Vec<f64>,
}

impl SampleMoments {
    /// Reads the samples twice: for the means, then block by block for the sums. All arithmetic is
    /// in 64 bits.
    pub(super) fn of(x: &RowSelection<'_>, y: &RowSelection<'_>) -> Self {
        let strip = x.len().div_ceil(STRIPS).next_multiple_of(BLOCK_ROWS);
        let mut moments = Self {
            mean_x: x.means(),
            mean_y: y.means(),
            gram: Mat::zeros(x.width(), x.width()),
            cross: Mat::zeros(x.width(), y.width()),
            squares_y: vec![0.0; y.width()],
        };
        let strips = (0..STRIPS)
            .into_par_iter()
            .map(|i| i * strip..x.len().min((i + 1) * strip));
        for (gram, cross, squares_y) in strips
            .map(|samples| sums(x, y, &moments, samples))
            .collect::<Vec<_>>()
        {
            moments.gram += gram;
            moments.cross += cross;
            moments
                .squares_y
                .iter_mut()
                .zip(squares_y)
                .for_each(|(sum, more)| *sum += more);
        }
        moments
    }
}

/// `sum x xᵀ`, `sum x yᵀ` and `sum y²` of a range of samples.
fn sums(
    x: &RowSelection<'_>,
    y: &RowSelection<'_>,
    means: &SampleMoments,
    samples: Range<usize>,
) -> (Mat<f64>, Mat<f64>, Vec<f64>) {
    let mut gram = Mat::zeros(x.width(), x.width());
    let mut cross = Mat::zeros(x.width(), y.width());
    let mut squares_y = vec![0.0; y.width()];
    for_each_block(x, y, means, samples, |x, y| {
        triangular::matmul(
            &mut gram,
            BlockStructure::TriangularLower,
            Accum::Add,
            x,
            BlockStructure::Rectangular,
            x.transpose(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        matmul(&mut cross, Accum::Add, x, y.transpose(), 1.0, Par::Seq);
        for sample in y.col_iter() {
            squares_y
                .iter_mut()
                .zip(sample.iter())
                .for_each(|(sum, y)| *sum += y * y);
        }
    });
    (gram, cross, squares_y)
}

/// Calls `each` with consecutive centred blocks of `x`, `[dimensions, samples]`, and `y`, `[width,
/// samples]`.
pub(super) fn for_each_block(
    x: &RowSelection<'_>,
    y: &RowSelection<'_>,
    means: &SampleMoments,
    samples: Range<usize>,
    mut each: impl FnMut(&Mat<f64>, &Mat<f64>),
) {
    let (mut block_x, mut block_y) = (Mat::new(), Mat::new());
    for start in samples.clone().step_by(BLOCK_ROWS) {
        let count = BLOCK_ROWS.min(samples.end - start);
        if block_x.ncols() != count {
            block_x = Mat::zeros(x.width(), count);
            block_y = Mat::zeros(y.width(), count);
        }
        x.centred_block(start, Some(&means.mean_x), &mut block_x);
        y.centred_block(start, Some(&means.mean_y), &mut block_y);
        each(&block_x, &block_y);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn sums_are_those_of_the_definition() {
        let (samples, dimensions, width) = (3 * BLOCK_ROWS + 17, 5, 3);
        let x = Array2::from_shape_fn((samples, dimensions), |(i, j)| {
            ((i * 7 + j * j * 13) % 31) as f32 + 100.0
        });
        let y = Array2::from_shape_fn((samples, width), |(i, j)| ((i * 11 + j * 5) % 17) as f32);
        let moments = SampleMoments::of(&RowSelection::all(x.view()), &RowSelection::all(y.view()));

        let centred = |a: &Array2<f32>| {
            let a = a.mapv(f64::from);
            let mean = a.mean_axis(ndarray::Axis(0)).unwrap();
            a - mean
        };
        let (x, y) = (centred(&x), centred(&y));
        let close = |what: &str, found: f64, expected: f64| {
            assert!(
                (found - expected).abs() <= 1e-9 * samples as f64,
                "{what}: found {found}, expected {expected}"
            );
        };
        for i in 0..dimensions {
            for j in 0..=i {
                close("gram", moments.gram[(i, j)], x.column(i).dot(&x.column(j)));
            }
            for j in 0..width {
                close(
                    "cross",
                    moments.cross[(i, j)],
                    x.column(i).dot(&y.column(j)),
                );
            }
        }
        for j in 0..width {
            close(
                "squares",
                moments.squares_y[j],
                y.column(j).dot(&y.column(j)),
            );
        }
    }
}
