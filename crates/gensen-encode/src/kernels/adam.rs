//! Adam's update and squared norms, each in one pass over memory.

use multiversion::multiversion;

/// The scalars of one Adam step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// The learning rate divided by the first moment's bias correction: `rate / (1 - beta1^t)`.
    pub step_size: f32,
    /// Decay of the first moment, usually 0.9.
    pub beta1: f32,
    /// Decay of the second moment, usually 0.999.
    pub beta2: f32,
    /// `1 / sqrt(1 - beta2^t)`, the second moment's bias correction.
    pub variance_correction: f32,
    /// Added to the square root of the corrected second moment, usually 1e-8.
    pub epsilon: f32,
}

/// One Adam step on a slice of parameters, rounded as PyTorch 1.x and 2.x do: `p -= step_size * m /
/// (sqrt(v) * variance_correction + epsilon)`. `scale` multiplies the gradient.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn update(
    parameter: &mut [f32],
    mean: &mut [f32],
    variance: &mut [f32],
    gradient: &[f32],
    scale: f32,
    step: AdamStep,
) {
    let moments = mean.iter_mut().zip(variance).zip(gradient);
    for (p, ((m, v), g)) in parameter.iter_mut().zip(moments) {
        let g = g * scale;
        *m = step.beta1 * *m + (1.0 - step.beta1) * g;
        *v = step.beta2 * *v + (1.0 - step.beta2) * g * g;
        *p -= step.step_size * *m / (v.sqrt() * step.variance_correction + step.epsilon);
    }
}

/// The sum of squares, in double precision.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn sum_squares(numbers: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    for chunk in numbers.chunks(8) {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    sums.iter().sum()
}
