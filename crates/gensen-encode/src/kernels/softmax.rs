//! The loss of a row of logits and its gradient.

use multiversion::multiversion;

use super::math::exp;

/// Multiplies each value by `factor`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn scale(numbers: &mut [f32], factor: f32) {
    numbers.iter_mut().for_each(|x| *x *= factor);
}

/// Adds `bias` to the logits, replaces them with `scale` times the gradient of
/// `-log softmax(logits)[target]`, and returns that negative log-likelihood.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn softmax_row(logits: &mut [f32], bias: &[f32], target: usize, scale: f32) -> f32 {
    const LANES: usize = 16;
    let mut largest = [f32::NEG_INFINITY; LANES];
    for (row, bias) in logits.chunks_mut(LANES).zip(bias.chunks(LANES)) {
        for ((x, b), m) in row.iter_mut().zip(bias).zip(&mut largest) {
            *x += b;
            *m = if *x > *m { *x } else { *m };
        }
    }
    let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let at_target = logits[target];
    let mut sums = [0.0_f32; LANES];
    for row in logits.chunks_mut(LANES) {
        for (x, sum) in row.iter_mut().zip(&mut sums) {
            *x = exp(*x - largest);
            *sum += *x;
        }
    }
    let sum: f32 = sums.iter().sum();
    let factor = scale / sum;
    logits.iter_mut().for_each(|x| *x *= factor);
    logits[target] -= scale;
    sum.ln() + largest - at_target
}
