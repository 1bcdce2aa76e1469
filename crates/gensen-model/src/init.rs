//! Initial weights: a pure function of a seed and the parameter's name.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use gensen_encode::initial::uniform;

/// Draws initial weights on a device.
#[derive(Clone, Debug)]
pub struct Initializer {
    seed: u64,
    device: Device,
}

impl Initializer {
    /// An initialiser that draws from `seed` and places weights on `device`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self {
            seed,
            device: device.clone(),
        }
    }

    /// Uniform in `[-bound, bound]`. `name` selects the random stream.
    pub fn uniform<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        bound: f32,
    ) -> Param<Tensor<D>> {
        let numbers = uniform(self.seed, name, shape.iter().product(), bound);
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
