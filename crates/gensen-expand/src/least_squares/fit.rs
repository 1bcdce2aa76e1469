//! Ordinary least squares with intercept, optionally with a ridge.

use faer::{Mat, Side, linalg::solvers::SelfAdjointEigen};
use ndarray::{Array1, Array2};

use super::{
    FitReport, LinearMap, MapError, RowSelection, Solver, moments::SampleMoments, streamed_qr,
};
use crate::vectors::CaseOverlap;

/// Options of the fit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FitOptions {
    /// The weight of the squared coefficients (without the intercept) in the loss; at least 0,
    /// which is ordinary least squares. Needed only if there are fewer shared words than
    /// dimensions.
    pub ridge: f64,
}

/// The smallest ratio of eigenvalues for which normal equations are used. They square the condition
/// number: up to 1e5 they lose ten of the sixteen digits of 64-bit arithmetic, and the result is
/// exact in 32 bits.
const SMALLEST_EIGENVALUE: f64 = 1e-10;

/// The solution for centred samples; `weights` is `[dimensions, width]`.
pub(super) struct Solution {
    pub(super) weights: Mat<f64>,
    pub(super) rank: usize,
    pub(super) condition: Option<f64>,
}

/// Fits `y = coefficients x + intercept`; row i of `x` and row i of `y` are a sample.
pub(crate) fn fit(
    x: &RowSelection<'_>,
    y: &RowSelection<'_>,
    overlap: CaseOverlap,
    options: &FitOptions,
) -> Result<LinearMap, MapError> {
    let ridge = options.ridge;
    if !ridge.is_finite() || ridge < 0.0 {
        return Err(MapError::Ridge(ridge));
    }
    let moments = SampleMoments::of(x, y);
    let (solver, solution) = match solve_normal_equations(&moments, ridge) {
        Some(solution) => (Solver::NormalEquations, solution),
        None => {
            let solution =
                streamed_qr::solve(x, y, &moments, ridge).map_err(|_| MapError::NoConvergence)?;
            (Solver::StreamedQr, solution)
        }
    };
    let (r_squared, residual) = goodness(&moments, &solution.weights, ridge, x.len());
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

/// Solves `(G + ridge I) W = C` by an eigendecomposition; `None` if the problem is ill-conditioned.
fn solve_normal_equations(moments: &SampleMoments, ridge: f64) -> Option<Solution> {
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
/// For centred samples the squared residual is `Σy² - 2 w·c + wᵀ G w`, and at the optimum `(G +
/// ridge I) w = c`.
fn goodness(
    moments: &SampleMoments,
    weights: &Mat<f64>,
    ridge: f64,
    samples: usize,
) -> (Vec<f64>, Vec<f64>) {
    let explained = weights
        .col_iter()
        .zip(moments.cross.col_iter())
        .map(|(w, c)| {
            w.iter()
                .zip(c.iter())
                .map(|(w, c)| w * (c + ridge * w))
                .sum::<f64>()
        });
    moments
        .squares_y
        .iter()
        .zip(explained)
        .map(|(&total, explained)| {
            let left = (total - explained).max(0.0);
            // The intercept fits a constant dimension exactly.
            let r_squared = if total > 0.0 { 1.0 - left / total } else { 1.0 };
            (r_squared, (left / samples as f64).sqrt())
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, concatenate};

    use super::*;

    /// Samples that no linear map fits exactly.
    fn samples(count: usize, dimensions: usize, width: usize) -> (Array2<f32>, Array2<f32>) {
        let mut state = 7u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let x = Array2::from_shape_simple_fn((count, dimensions), &mut number);
        let noise = Array2::from_shape_simple_fn((count, width), &mut number);
        let truth = Array2::from_shape_simple_fn((dimensions, width), &mut number);
        let y = x.dot(&truth) + 0.3 * noise + 2.0;
        (x, y)
    }

    fn fitted(x: &Array2<f32>, y: &Array2<f32>, ridge: f64) -> LinearMap {
        fit(
            &RowSelection::all(x.view()),
            &RowSelection::all(y.view()),
            CaseOverlap::default(),
            &FitOptions { ridge },
        )
        .unwrap()
    }

    /// Asserts that the gradient of the loss is zero: residuals sum to zero and, minus the ridge's
    /// term, are orthogonal to each centred dimension.
    fn assert_optimal(map: &LinearMap, x: &Array2<f32>, y: &Array2<f32>, ridge: f64) {
        let (x, y) = (x.mapv(f64::from), y.mapv(f64::from));
        let residual = y - x.dot(&map.coefficients.t()) - &map.intercept;
        let largest = residual
            .sum_axis(Axis(0))
            .iter()
            .fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(largest < 1e-8, "the residuals sum to {largest:e}");
        let centred = &x - &x.mean_axis(Axis(0)).unwrap();
        let gradient = residual.t().dot(&centred) - ridge * &map.coefficients;
        let largest = gradient.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(largest < 1e-7, "gradient {largest:e}");

        let squares = (&residual * &residual).mean_axis(Axis(0)).unwrap();
        for (found, expected) in map.report.residual.iter().zip(squares.mapv(f64::sqrt)) {
            assert!(
                (found - expected).abs() < 1e-7,
                "residual: found {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn both_solvers_find_the_optimum() {
        let (x, y) = samples(1500, 12, 5);
        let map = fitted(&x, &y, 0.0);
        assert_eq!(
            (map.report.solver, map.report.rank),
            (Solver::NormalEquations, 12)
        );
        assert_optimal(&map, &x, &y, 0.0);

        let (rows_x, rows_y) = (RowSelection::all(x.view()), RowSelection::all(y.view()));
        let moments = SampleMoments::of(&rows_x, &rows_y);
        let solution = streamed_qr::solve(&rows_x, &rows_y, &moments, 0.0).unwrap();
        assert_eq!(solution.rank, 12);
        let condition = map.report.condition.unwrap();
        assert!((solution.condition.unwrap() - condition).abs() < 1e-9 * condition);
        for ((j, i), &coefficient) in map.coefficients.indexed_iter() {
            assert!(
                (coefficient - solution.weights[(i, j)]).abs() < 1e-12,
                "coefficient [{j}, {i}]"
            );
        }
    }

    #[test]
    fn ridge() {
        let (x, y) = samples(300, 12, 5);
        let map = fitted(&x, &y, 3.0);
        assert_eq!(map.report.solver, Solver::NormalEquations);
        assert_optimal(&map, &x, &y, 3.0);
        // With a ridge, fewer samples than dimensions are enough.
        let (x, y) = samples(8, 12, 5);
        let map = fitted(&x, &y, 0.5);
        assert_eq!((map.report.rank, map.report.condition), (7, None));
        assert_optimal(&map, &x, &y, 0.5);
    }

    #[test]
    fn dependent_dimensions_give_the_solution_of_least_norm() {
        let (x, y) = samples(1500, 6, 3);
        // A repeated, a doubled and a constant dimension.
        let constant = Array2::from_elem((1500, 1), 7.0f32);
        let twice = x.slice(ndarray::s![.., 1..2]).mapv(|v| 2.0 * v);
        let wide = concatenate![Axis(1), x, x.slice(ndarray::s![.., 0..1]), twice, constant];
        let map = fitted(&wide, &y, 0.0);
        assert_eq!(
            (map.report.solver, map.report.rank, map.report.condition),
            (Solver::StreamedQr, 6, None)
        );
        assert_optimal(&map, &wide, &y, 0.0);
        let plain = fitted(&x, &y, 0.0);
        for j in 0..3 {
            let (c, p) = (map.coefficients.row(j), plain.coefficients.row(j));
            // The least norm distributes a coefficient in proportion to the scales; the constant
            // gets 0.
            for (found, expected) in [
                (c[0], p[0] / 2.0),
                (c[6], p[0] / 2.0),
                (c[1], p[1] / 5.0),
                (c[7], p[1] * 2.0 / 5.0),
                (c[8], 0.0),
            ] {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "found {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn nearly_dependent_dimensions_keep_their_digits() {
        // A condition number of about 1e6: normal equations would keep four digits.
        let (mut x, y) = samples(1500, 4, 2);
        let nudged = &x.column(0) + &(3e-6 * &x.column(2));
        x.column_mut(2).assign(&nudged);
        let map = fitted(&x, &y, 0.0);
        assert_eq!(map.report.solver, Solver::StreamedQr);
        assert_eq!(map.report.rank, 4, "condition {:?}", map.report.condition);
        assert_optimal(&map, &x, &y, 0.0);
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (x, y) = samples(5000, 20, 9);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| fitted(&x, &y, 0.0))
        };
        let one = with(1);
        for threads in [2, 3, 7] {
            assert_eq!(with(threads), one, "{threads} threads");
        }
    }
}
