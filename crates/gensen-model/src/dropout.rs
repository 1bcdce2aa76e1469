//! Dropout whose masks are a pure function of a seed and a step.

use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The dropout masks of one training step, or none at all.
///
/// Masks are drawn on the host from (seed, step), so that a resumed run draws what an
/// uninterrupted one would have, on every back end.
#[derive(Debug)]
pub struct Dropout(Option<ChaCha8Rng>);

impl Dropout {
    /// No dropout: validation and encoding.
    pub fn off() -> Self {
        Self(None)
    }

    /// The masks of a training step.
    pub fn for_step(seed: u64, step: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        Self(Some(rng))
    }

    /// Zeroes each number with probability `rate` and scales the others by `1 / (1 - rate)`.
    pub fn apply<const D: usize>(&mut self, x: Tensor<D>, rate: f64) -> Tensor<D> {
        let Some(rng) = self.0.as_mut().filter(|_| rate > 0.0) else {
            return x;
        };
        let kept = (1.0 / (1.0 - rate)) as f32;
        let shape = x.dims();
        let mask: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                if rng.random::<f64>() < rate {
                    0.0
                } else {
                    kept
                }
            })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device());
        x * mask
    }
}
