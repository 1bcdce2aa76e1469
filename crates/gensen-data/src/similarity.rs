//! Measures of similarity: cosine, and Pearson's and Spearman's correlation.

use serde::{Deserialize, Serialize};

/// Pearson's correlation. `None` if it is undefined: for fewer than two pairs, slices of different
/// lengths, a constant slice, or values that are not finite.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len();
    if n < 2 || n != y.len() {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    // The variance of constant values may differ from 0 by rounding, in proportion to their size.
    let constant = |variance: f64, mean: f64| variance <= n as f64 * (mean * 1e-13).powi(2);
    if constant(xx, mean_x) || constant(yy, mean_y) {
        return None;
    }
    let r = xy / (xx.sqrt() * yy.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// Spearman's rank correlation; equal values share their mean rank. `None` as for [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    pearson(&average_ranks(x), &average_ranks(y))
}

/// Ranks from 1; equal values share their mean rank.
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for &i in tied {
            ranks[i] = rank;
        }
        start += tied.len();
    }
    ranks
}

/// Pearson's and Spearman's correlation of the same pairs; `None` where undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Correlations {
    /// Pearson's correlation.
    pub pearson: Option<f64>,
    /// Spearman's correlation.
    pub spearman: Option<f64>,
}

/// Computes [`pearson`] and [`spearman`].
pub fn correlations(x: &[f64], y: &[f64]) -> Correlations {
    Correlations {
        pearson: pearson(x, y),
        spearman: spearman(x, y),
    }
}

/// The cosine of two vectors; 0 if one of them is zero, as in SentEval.
pub fn cosine(u: &[f32], v: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    let norms = (dot(u, u) * dot(v, v)).sqrt();
    if norms > 0.0 { dot(u, v) / norms } else { 0.0 }
}
