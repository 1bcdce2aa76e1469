//! Building blocks with PyTorch's weight layouts.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{FloatDType, Tensor};

use crate::init::Initializer;
use crate::ops::{Affine, indices, linear};

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

    /// Its weight and bias, for an operation that includes it.
    pub fn values(&self) -> Affine {
        Affine {
            weight: self.weight.val(),
            bias: self.bias.val(),
        }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.weight.val(), self.bias.val())
    }
}

/// The embedding rows that a forward pass looked up, each as a leaf of the graph: only a few
/// hundred rows of a large embedding have a gradient.
///
/// Words are looked up in the float type of the pass: every later operation computes in the type of
/// its input.
#[derive(Debug)]
pub struct Lookups {
    recorded: Option<Vec<Lookup>>,
    float_type: Option<FloatDType>,
}

/// One use of an embedding.
#[derive(Debug)]
pub struct Lookup {
    /// The embedding's parameter.
    pub embedding: ParamId,
    /// Word ids.
    pub ids: Vec<u32>,
    /// `[ids, size]`, in the embedding's float type: the leaf whose gradient a backward pass
    /// computes.
    pub rows: Tensor<2>,
}

impl Lookups {
    /// Embeddings get dense gradients, like any other parameter.
    pub fn off() -> Self {
        Self {
            recorded: None,
            float_type: None,
        }
    }

    /// The recorded rows get gradients; embeddings get none.
    pub fn recorded() -> Self {
        Self {
            recorded: Some(Vec::new()),
            float_type: None,
        }
    }

    /// Looks words up in `float_type` instead of the embedding's own type.
    #[must_use]
    pub fn in_float_type(mut self, float_type: FloatDType) -> Self {
        self.float_type = Some(float_type);
        self
    }

    /// The lookups so far, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Lookup> {
        self.recorded.iter().flatten()
    }

    /// Rows of an embedding `[words, size]` for word ids: `[ids, size]`.
    pub(crate) fn lookup(&mut self, embedding: &Param<Tensor<2>>, ids: &[u32]) -> Tensor<2> {
        let rows = self.rows(embedding, ids);
        match self.float_type {
            Some(float_type) => rows.cast(float_type),
            None => rows,
        }
    }

    fn rows(&mut self, embedding: &Param<Tensor<2>>, ids: &[u32]) -> Tensor<2> {
        let table = embedding.val();
        let places = indices(&table, ids.iter().map(|&id| id as usize));
        let recorded = self.recorded.as_mut().filter(|_| table.is_require_grad());
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
