//! Least squares for word vectors that are (nearly) linearly dependent.
//!
//! Normal equations square the condition number; this solver does not. It adds one block of samples
//! after the other to a QR factorisation, `[R; X] = Q R'` and `Z' = Qᵀ [Z; Y]`. Then it decomposes
//! the small R, whose singular values are those of the centred samples. Directions below the
//! resolution of 32-bit input are dropped, which gives the solution of least norm, as LAPACK's
//! `gelsd` does.

use faer::{Mat, linalg::solvers::SvdError};

use super::{
    RowSelection,
    fit::Solution,
    moments::{SampleMoments, for_each_block},
};

/// Singular values below this fraction of the largest are rounding errors of 32-bit input.
const RESOLUTION: f64 = f32::EPSILON as f64;

pub(super) fn solve(
    x: &RowSelection<'_>,
    y: &RowSelection<'_>,
    moments: &SampleMoments,
    ridge: f64,
) -> Result<Solution, SvdError> {
    let (dimensions, width) = (x.width(), y.width());
    let mut r = Mat::<f64>::zeros(dimensions, dimensions);
    let mut z = Mat::<f64>::zeros(dimensions, width);
    for_each_block(x, y, moments, 0..x.len(), |x, y| {
        let qr = faer::concat![[r], [x.transpose()]].qr();
        z = qr.compute_thin_Q().transpose() * faer::concat![[z], [y.transpose()]];
        r = qr.thin_R().to_owned();
    });

    let svd = r.svd()?;
    let singular: Vec<f64> = svd.S().column_vector().iter().copied().collect();
    let largest = singular.iter().copied().fold(0.0, f64::max);
    let kept = |s: f64| s > largest * RESOLUTION;
    let rank = singular.iter().filter(|&&s| kept(s)).count();
    let mut projected = svd.U().transpose() * &z;
    for (i, &s) in singular.iter().enumerate() {
        let factor = if kept(s) { s / (s * s + ridge) } else { 0.0 };
        projected
            .row_mut(i)
            .iter_mut()
            .for_each(|value| *value *= factor);
    }
    let condition = match singular.last() {
        Some(&smallest) if rank == dimensions => Some(largest / smallest),
        _ => None,
    };
    Ok(Solution {
        weights: svd.V() * projected,
        rank,
        condition,
    })
}
