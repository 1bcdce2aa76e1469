//! L-BFGS for many smooth convex functions side by side.
//!
//! All functions are evaluated together, so that their evaluations can share one pass over data.

use std::collections::VecDeque;

use rayon::prelude::*;

/// Pairs of steps and gradient differences remembered.
const MEMORY: usize = 8;
/// Armijo's constant: the least share of the predicted decrease.
const SUFFICIENT: f64 = 1e-4;
/// Relative rounding noise of a function value; smaller rises are ignored.
const NOISE: f64 = 1e-7;

/// The result of a minimisation.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    pub point: Vec<f32>,
    /// Euclidean norm of the gradient there.
    pub gradient_norm: f64,
    pub iterations: usize,
}

/// Minimises one function from each of `starts` until its gradient's norm is at most `tolerance`,
/// no step decreases it any more, or after `max_iterations`.
///
/// `evaluate` gets `(function, point)` pairs and returns each one's value and gradient.
pub(crate) fn minimise(
    starts: Vec<Vec<f32>>,
    tolerance: f64,
    max_iterations: usize,
    mut evaluate: impl FnMut(&[(usize, &[f32])]) -> Vec<(f64, Vec<f32>)>,
) -> Vec<Minimum> {
    let points: Vec<(usize, &[f32])> = starts
        .iter()
        .enumerate()
        .map(|(i, start)| (i, start.as_slice()))
        .collect();
    let first = evaluate(&points);
    let mut searches: Vec<LineSearch> = starts
        .into_iter()
        .zip(first)
        .map(|(point, (value, gradient))| LineSearch::new(point, value, gradient))
        .collect();
    loop {
        let mut active: Vec<(usize, &mut LineSearch)> = searches
            .iter_mut()
            .enumerate()
            .filter(|(_, s)| {
                !s.stuck && s.iterations < max_iterations && norm(&s.gradient) > tolerance
            })
            .collect();
        if active.is_empty() {
            break;
        }
        active
            .par_iter_mut()
            .for_each(|(_, search)| search.propose());
        let trials: Vec<(usize, &[f32])> = active
            .iter()
            .map(|(i, search)| (*i, search.trial.as_slice()))
            .collect();
        let results = evaluate(&trials);
        active
            .par_iter_mut()
            .zip(results)
            .for_each(|((_, search), (value, gradient))| {
                search.judge(value, gradient);
            });
    }
    searches
        .into_iter()
        .map(|s| Minimum {
            gradient_norm: norm(&s.gradient),
            point: s.point,
            iterations: s.iterations,
        })
        .collect()
}

struct CurvaturePair {
    step: Vec<f32>,
    change: Vec<f32>,
    /// `1 / (step . change)`
    rho: f64,
}

struct LineSearch {
    point: Vec<f32>,
    value: f64,
    gradient: Vec<f32>,
    history: VecDeque<CurvaturePair>,
    direction: Vec<f32>,
    slope: f64,
    length: f64,
    trial: Vec<f32>,
    iterations: usize,
    stuck: bool,
}

impl LineSearch {
    fn new(point: Vec<f32>, value: f64, gradient: Vec<f32>) -> Self {
        Self {
            point,
            value,
            gradient,
            history: VecDeque::with_capacity(MEMORY),
            direction: Vec::new(),
            slope: 0.0,
            length: 1.0,
            trial: Vec::new(),
            iterations: 0,
            stuck: false,
        }
    }

    /// Sets the next trial point: along a new direction, or closer along the last one.
    fn propose(&mut self) {
        if self.direction.is_empty() {
            self.direction = self.quasi_newton_direction();
            self.slope = dot(&self.direction, &self.gradient);
            if self.slope >= 0.0 {
                self.history.clear();
                self.direction = self.gradient.iter().map(|g| -g).collect();
                self.slope = -dot(&self.gradient, &self.gradient);
            }
            self.length = 1.0;
        }
        let length = self.length as f32;
        self.trial.clear();
        self.trial.extend(
            self.point
                .iter()
                .zip(&self.direction)
                .map(|(p, d)| p + length * d),
        );
    }

    /// Accepts the trial point, or shortens the step.
    fn judge(&mut self, value: f64, gradient: Vec<f32>) {
        let allowed = self.value + SUFFICIENT * self.length * self.slope + NOISE * self.value.abs();
        if value.is_nan() || value > allowed {
            // The minimum of the parabola through the value, the slope and the trial.
            let curvature = 2.0 * (value - self.value - self.length * self.slope);
            let least = -self.slope * self.length * self.length / curvature;
            let bounds = (0.1 * self.length, 0.5 * self.length);
            self.length = if least.is_nan() {
                bounds.0
            } else {
                least.clamp(bounds.0, bounds.1)
            };
            self.stuck = self.length < 1e-10;
            return;
        }
        self.iterations += 1;
        let step: Vec<f32> = difference(&self.trial, &self.point);
        let change: Vec<f32> = difference(&gradient, &self.gradient);
        let product = dot(&step, &change);
        if product > 1e-10 * norm(&step) * norm(&change) {
            if self.history.len() == MEMORY {
                self.history.pop_front();
            }
            self.history.push_back(CurvaturePair {
                step,
                change,
                rho: 1.0 / product,
            });
        }
        std::mem::swap(&mut self.point, &mut self.trial);
        self.value = value;
        self.gradient = gradient;
        self.direction.clear();
    }

    /// The two-loop recursion (Nocedal and Wright, algorithm 7.4).
    fn quasi_newton_direction(&self) -> Vec<f32> {
        let mut q: Vec<f32> = self.gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::with_capacity(self.history.len());
        for pair in self.history.iter().rev() {
            let alpha = pair.rho * dot(&pair.step, &q);
            add_scaled(&mut q, -alpha, &pair.change);
            alphas.push(alpha);
        }
        if let Some(last) = self.history.back() {
            let scale = 1.0 / (last.rho * dot(&last.change, &last.change));
            q.iter_mut().for_each(|x| *x *= scale as f32);
        }
        for (pair, alpha) in self.history.iter().zip(alphas.into_iter().rev()) {
            let beta = pair.rho * dot(&pair.change, &q);
            add_scaled(&mut q, alpha - beta, &pair.step);
        }
        q
    }
}

/// Dot product: eight lanes of single-precision sums, added in double precision.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(512).zip(b.chunks(512)) {
        let mut lanes = [0.0f32; 8];
        for (a, b) in a.chunks(8).zip(b.chunks(8)) {
            lanes
                .iter_mut()
                .zip(a.iter().zip(b))
                .for_each(|(lane, (a, b))| *lane += a * b);
        }
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    total
}

fn norm(a: &[f32]) -> f64 {
    dot(a, a).sqrt()
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add_scaled(a: &mut [f32], scale: f64, b: &[f32]) {
    a.iter_mut()
        .zip(b)
        .for_each(|(a, b)| *a += scale as f32 * b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minima_of_quadratics() {
        // Function i: sum over k of (k + 1)^2 / 2 * (x_k - i)^2.
        let minima = minimise(vec![vec![5.0; 6]; 3], 1e-4, 100, |points| {
            points
                .iter()
                .map(|(i, x)| {
                    let scale = |k: usize| ((k + 1) * (k + 1)) as f32;
                    let g: Vec<f32> = x
                        .iter()
                        .enumerate()
                        .map(|(k, x)| scale(k) * (x - *i as f32))
                        .collect();
                    let value = x
                        .iter()
                        .zip(&g)
                        .map(|(x, g)| 0.5 * (x - *i as f32) * g)
                        .sum::<f32>();
                    (f64::from(value), g)
                })
                .collect()
        });
        for (i, minimum) in minima.iter().enumerate() {
            assert!(minimum.gradient_norm <= 1e-4, "{minimum:?}");
            assert!(minimum.iterations < 40, "{minimum:?}");
            for x in &minimum.point {
                assert!(
                    (x - i as f32).abs() < 1e-3,
                    "function {i}: {:?}",
                    minimum.point
                );
            }
        }
    }

    #[test]
    fn a_function_that_is_not_a_number_ends() {
        let minima = minimise(vec![vec![1.0]], 1e-6, 100, |points| {
            points
                .iter()
                .map(|(_, x)| (if x[0] == 1.0 { 1.0 } else { f64::NAN }, vec![1.0]))
                .collect()
        });
        assert_eq!(minima[0].point, [1.0]);
    }
}
