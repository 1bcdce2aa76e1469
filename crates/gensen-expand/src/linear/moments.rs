//! Centred second moments, streamed over the samples: what the normal equations need.

use faer::{
    Accum, Mat, Par,
    linalg::matmul::{
        matmul,
        triangular::{self, BlockStructure},
    },
};

use super::{BLOCK_ROWS, Rows};

/// Sums over all samples, with x and y centred.
pub(super) struct Moments {
    pub(super) mean_x: Vec<f64>,
    pub(super) mean_y: Vec<f64>,
    /// `sum x xᵀ`, [dimensions, dimensions]; only the lower triangle is filled.
    pub(super) gram: Mat<f64>,
    /// `sum x yᵀ`, [dimensions, width].
    pub(super) cross: Mat<f64>,
    /// `sum y²`, [width].
    pub(super) squares_y: Vec<f64>,
}

impl Moments {
    /// Goes over the samples a block at a time. All sums are 64-bit.
    pub(super) fn of(x: &Rows<'_>, y: &Rows<'_>) -> Self {
        let (dimensions, width) = (x.width(), y.width());
        let mut moments = Self {
            mean_x: x.means(),
            mean_y: y.means(),
            gram: Mat::zeros(dimensions, dimensions),
            cross: Mat::zeros(dimensions, width),
            squares_y: vec![0.0; width],
        };
        for_each_block(x, y, &moments.mean_x, &moments.mean_y, |x, y| {
            triangular::matmul(
                &mut moments.gram,
                BlockStructure::TriangularLower,
                Accum::Add,
                x,
                BlockStructure::Rectangular,
                x.transpose(),
                BlockStructure::Rectangular,
                1.0,
                Par::rayon(0),
            );
            matmul(&mut moments.cross, Accum::Add, x, y.transpose(), 1.0, Par::rayon(0));
            for sample in y.col_iter() {
                moments.squares_y.iter_mut().zip(sample.iter()).for_each(|(sum, y)| *sum += y * y);
            }
        });
        moments
    }
}

/// Calls `each` with consecutive centred blocks of the samples, [dimensions, samples] and [width, samples].
pub(super) fn for_each_block(
    x: &Rows<'_>,
    y: &Rows<'_>,
    mean_x: &[f64],
    mean_y: &[f64],
    mut each: impl FnMut(&Mat<f64>, &Mat<f64>),
) {
    let (mut block_x, mut block_y) = (Mat::new(), Mat::new());
    for start in (0..x.len()).step_by(BLOCK_ROWS) {
        let samples = BLOCK_ROWS.min(x.len() - start);
        if block_x.ncols() != samples {
            block_x = Mat::zeros(x.width(), samples);
            block_y = Mat::zeros(y.width(), samples);
        }
        x.centred_block(start, Some(mean_x), &mut block_x);
        y.centred_block(start, Some(mean_y), &mut block_y);
        each(&block_x, &block_y);
    }
}
