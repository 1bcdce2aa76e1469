//! Building blocks with PyTorch's weight layouts.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::init::Initializer;
use crate::ops::linear;

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
        linear(x, self.weight.val(), self.bias.val())
    }
}

/// Row numbers as a tensor of indices.
pub(crate) fn indices(rows: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.into_iter().map(|row| row as i64).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

/// The embedding rows that a forward pass looked up, as leaves of the graph of their own: the
/// gradient of an embedding of tens of thousands of words is a few hundred rows.
#[derive(Debug)]
pub struct Lookups(Option<Vec<Lookup>>);

/// One use of an embedding.
#[derive(Debug)]
pub struct Lookup {
    /// Which embedding.
    pub embedding: ParamId,
    /// Word ids.
    pub ids: Vec<u32>,
    /// `[ids, size]`: the leaf that holds the gradient after a backward pass.
    pub rows: Tensor<2>,
}

impl Lookups {
    /// Embeddings get dense gradients, as any other parameter.
    pub fn off() -> Self {
        Self(None)
    }

    /// Embeddings get no gradient; the rows kept here do.
    pub fn recorded() -> Self {
        Self(Some(Vec::new()))
    }

    /// What was looked up so far, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Lookup> {
        self.0.iter().flatten()
    }

    /// Rows of an embedding `[words, size]` for word ids: `[ids, size]`.
    pub(crate) fn lookup(&mut self, embedding: &Param<Tensor<2>>, ids: &[u32]) -> Tensor<2> {
        let table = embedding.val();
        let places = indices(ids.iter().map(|&id| id as usize), &table.device());
        let recorded = self.0.as_mut().filter(|_| table.is_require_grad());
        let Some(recorded) = recorded else {
            return table.select(0, places);
        };
        let rows = table.inner().select(0, places).autodiff().require_grad();
        recorded.push(Lookup {
            embedding: embedding.id,
            ids: ids.to_vec(),
            rows: rows.clone(),
        });
        rows
    }
}
