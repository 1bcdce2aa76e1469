//! Initial weights: a pure function of a seed and the parameter's name.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws initial weights on a device.
#[derive(Clone, Debug)]
pub struct Initializer {
    seed: u64,
    device: Device,
}

impl Initializer {
    /// Weights drawn from `seed`, placed on `device`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self {
            seed,
            device: device.clone(),
        }
    }

    /// Uniform in `[-bound, bound]`. `name` tells parameters of one model apart.
    pub fn uniform<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        bound: f32,
    ) -> Param<Tensor<D>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ name_hash(name));
        let size = shape.iter().product();
        let numbers: Vec<f32> = (0..size)
            .map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound)
            .collect();
        Param::from_tensor(Tensor::from_data(
            TensorData::new(numbers, shape),
            &self.device,
        ))
    }

    /// All zeros.
    pub fn zeros<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::zeros(shape, &self.device))
    }
}

/// FNV-1a: the same on every platform and release.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
