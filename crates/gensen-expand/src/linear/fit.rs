//! Ordinary least squares with intercept, optionally with a ridge.

use faer::{Mat, Side, linalg::solvers::SelfAdjointEigen};
use ndarray::{Array1, Array2};

use super::{FitReport, LinearMap, MapError, Rows, Solver, moments::Moments, streamed_qr};
use crate::vectors::CaseOverlap;

/// How the map is fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FitOptions {
    /// The weight of the squared coefficients in the loss (the intercept is free), 0 or more. Needed
    /// only when there are fewer shared words than dimensions; 0 is ordinary least squares.
    pub ridge: f64,
}

/// Normal equations lose twice the digits of the samples' condition number. Up to a condition number of
/// 1e5, ten of 64-bit arithmetic's sixteen digits, the result is still exact in 32 bits.
const SMALLEST_EIGENVALUE: f64 = 1e-10;

/// The coefficients for centred samples, [dimensions, width].
pub(super) struct Solution {
    pub(super) weights: Mat<f64>,
    pub(super) rank: usize,
    pub(super) condition: Option<f64>,
}

/// Fits `y = coefficients x + intercept` to samples that are the rows of `x` and `y`, equally many.
pub(crate) fn fit(
    x: &Rows<'_>,
    y: &Rows<'_>,
    overlap: CaseOverlap,
    options: &FitOptions,
) -> Result<LinearMap, MapError> {
    let ridge = options.ridge;
    if !ridge.is_finite() || ridge < 0.0 {
        return Err(MapError::Ridge(ridge));
    }
    let moments = Moments::of(x, y);
    let (solver, solution) = match solve_normal_equations(&moments, ridge) {
        Some(solution) => (Solver::NormalEquations, solution),
        None => {
            let solution =
                streamed_qr::solve(x, y, &moments, ridge).map_err(|_| MapError::NoConvergence)?;
            (Solver::StreamedQr, solution)
        }
    };
    let (r_squared, residual) = goodness(&moments, &solution.weights, x.len());
    let weights = &solution.weights;
    let coefficients = Array2::from_shape_fn((y.width(), x.width()), |(i, j)| *weights.get(j, i));
    let intercept = Array1::from(moments.mean_y) - coefficients.dot(&Array1::from(moments.mean_x));
    let report = FitReport {
        overlap,
        dimensions: x.width(),
        width: y.width(),
        ridge,
        solver,
        rank: solution.rank,
        condition: solution.condition,
        r_squared,
        residual,
    };
    Ok(LinearMap {
        coefficients,
        intercept,
        report,
    })
}

/// `(G + ridge I) W = C` by eigenvalues; `None` if it is too ill-conditioned for that.
fn solve_normal_equations(moments: &Moments, ridge: f64) -> Option<Solution> {
    let eigen = SelfAdjointEigen::new(moments.gram.as_ref(), Side::Lower).ok()?;
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let well_conditioned = smallest + ridge > SMALLEST_EIGENVALUE * (largest + ridge);
    if !well_conditioned {
        return None;
    }
    let mut projected = eigen.U().transpose() * &moments.cross;
    for (i, value) in values.iter().enumerate() {
        projected
            .row_mut(i)
            .iter_mut()
            .for_each(|p| *p /= value + ridge);
    }
    let resolved = smallest > SMALLEST_EIGENVALUE * largest;
    Some(Solution {
        weights: eigen.U() * projected,
        rank: values
            .iter()
            .filter(|&&value| value > SMALLEST_EIGENVALUE * largest)
            .count(),
        condition: resolved.then(|| (largest / smallest).sqrt()),
    })
}

/// R² and the root mean square of the residual in each dimension of the embedding.
///
/// With centred sums, the squared residual is `Σy² - 2 w·c + wᵀ G w`.
fn goodness(moments: &Moments, weights: &Mat<f64>, samples: usize) -> (Vec<f64>, Vec<f64>) {
    let gram = Mat::from_fn(weights.nrows(), weights.nrows(), |i, j| {
        *moments.gram.get(i.max(j), i.min(j))
    });
    let gram_weights = gram * weights;
    let columns = weights
        .col_iter()
        .zip(moments.cross.col_iter())
        .zip(gram_weights.col_iter());
    let residual_squares = columns.map(|((w, c), gw)| {
        w.iter()
            .zip(c.iter())
            .zip(gw.iter())
            .map(|((w, c), gw)| w * (gw - 2.0 * c))
            .sum::<f64>()
    });
    moments
        .squares_y
        .iter()
        .zip(residual_squares)
        .map(|(&total, change)| {
            let left = (total + change).max(0.0);
            // A constant dimension is met exactly by the intercept.
            let r_squared = if total > 0.0 { 1.0 - left / total } else { 1.0 };
            (r_squared, (left / samples as f64).sqrt())
        })
        .unzip()
}
