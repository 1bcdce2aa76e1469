//! Building blocks with PyTorch's weight layouts.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::init::Initializer;

/// `y = x W^T + b`, weights `[outputs, inputs]` as PyTorch's `nn.Linear`.
#[derive(Module, Debug)]
pub struct Dense {
    /// `[outputs, inputs]`
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`
    pub bias: Param<Tensor<1>>,
}

impl Dense {
    /// Weights and biases uniform in `[-bound, bound]`.
    pub fn new(init: &Initializer, name: &str, [outputs, inputs]: [usize; 2], bound: f32) -> Self {
        Self {
            weight: init.uniform(&format!("{name}.weight"), [outputs, inputs], bound),
            bias: init.uniform(&format!("{name}.bias"), [outputs], bound),
        }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}

/// Row numbers as a tensor of indices.
pub(crate) fn indices(rows: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.into_iter().map(|row| row as i64).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

/// Rows of an embedding `[words, size]` for word ids: `[ids, size]`.
pub(crate) fn lookup(embedding: &Param<Tensor<2>>, ids: &[u32]) -> Tensor<2> {
    let embedding = embedding.val();
    let device = embedding.device();
    embedding.select(0, indices(ids.iter().map(|&id| id as usize), &device))
}
