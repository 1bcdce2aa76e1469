//! A matrix product with a bias, `y = x W^T + b`, as one operation.
//!
//! The weights' gradient has the weights' own layout: differentiating a product with a transposed
//! matrix would give a transposed gradient, copied once more for the optimiser.

use burn::backend::{
    Autodiff, Backend, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn::tensor::{DType, Shape};
use rayon::prelude::*;

use super::flex::{Arithmetic, Numbers, slice, tensor};
use super::gemm::{MatrixView, add_column_sums};
use super::memory;

/// The operation for a concrete back end; the defaults compose the back end's own primitives.
pub trait LinearKernels: Backend {
    /// `x W^T + b`: `x` is `[rows, inputs]`, `weight` `[outputs, inputs]`, `bias` `[outputs]`.
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        generic::forward::<Self>(x, weight, bias)
    }

    /// The gradient of `x`: a gradient `[rows, outputs]` times `weight`.
    fn linear_input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        generic::input_gradient::<Self>(gradient, weight)
    }

    /// The gradients of weight and bias, in the float type of the weight.
    fn linear_weight_gradients(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        _weight: DType,
    ) -> [FloatTensor<Self>; 2] {
        generic::weight_gradients::<Self>(gradient, x)
    }
}

impl LinearKernels for Flex {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let Some(arithmetic) = Arithmetic::of(&x, weight.dtype()) else {
            return generic::forward::<Self>(x, weight, bias);
        };
        let (rows, [outputs, inputs]) = (x.shape()[0], sizes(&weight));
        let (x, weight, bias) = (Numbers::new(x), slice(weight), slice(bias));
        let mut y = arithmetic.numbers(rows * outputs);
        let x = MatrixView::new(&x, rows, inputs);
        let weight = MatrixView::new(&weight, outputs, inputs).transposed();
        arithmetic.multiply(&mut y, x, weight, false);
        y.par_chunks_mut(outputs.max(1)).for_each(|row| {
            row.iter_mut().zip(&*bias).for_each(|(y, b)| *y += b);
        });
        arithmetic.activations(y, [rows, outputs])
    }

    fn linear_input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let Some(arithmetic) = Arithmetic::of(&gradient, weight.dtype()) else {
            return generic::input_gradient::<Self>(gradient, weight);
        };
        let (rows, [outputs, inputs]) = (gradient.shape()[0], sizes(&weight));
        let (gradient, weight) = (Numbers::new(gradient), slice(weight));
        let mut d_x = arithmetic.numbers(rows * inputs);
        let gradient = MatrixView::new(&gradient, rows, outputs);
        let weight = MatrixView::new(&weight, outputs, inputs);
        arithmetic.multiply(&mut d_x, gradient, weight, false);
        arithmetic.activations(d_x, [rows, inputs])
    }

    fn linear_weight_gradients(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: DType,
    ) -> [FloatTensor<Self>; 2] {
        let Some(arithmetic) = Arithmetic::of(&gradient, weight) else {
            return generic::weight_gradients::<Self>(gradient, x);
        };
        let ([rows, outputs], inputs) = (sizes(&gradient), x.shape()[1]);
        let (gradient, x) = (Numbers::new(gradient), Numbers::new(x));
        let mut d_weight = memory::take(outputs * inputs);
        let mut d_bias = vec![0.0; outputs];
        let factor = MatrixView::new(&gradient, rows, outputs).transposed();
        let x = MatrixView::new(&x, rows, inputs);
        arithmetic.multiply(&mut d_weight, factor, x, false);
        add_column_sums(&mut d_bias, &gradient);
        [
            tensor(d_weight, [outputs, inputs]),
            tensor(d_bias, [outputs]),
        ]
    }
}

/// The operation as a composition of a back end's primitives.
pub(super) mod generic {
    use super::*;

    pub(in crate::ops) fn forward<B: Backend>(
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        bias: FloatTensor<B>,
    ) -> FloatTensor<B> {
        let bias = B::float_reshape(bias, Shape::new([1, weight.shape()[0]]));
        B::float_add(B::float_matmul(x, B::float_transpose(weight)), bias)
    }

    pub(in crate::ops) fn input_gradient<B: Backend>(
        gradient: FloatTensor<B>,
        weight: FloatTensor<B>,
    ) -> FloatTensor<B> {
        B::float_matmul(gradient, weight)
    }

    pub(in crate::ops) fn weight_gradients<B: Backend>(
        gradient: FloatTensor<B>,
        x: FloatTensor<B>,
    ) -> [FloatTensor<B>; 2] {
        let outputs = gradient.shape()[1];
        let bias = B::float_sum_dim(gradient.clone(), 0);
        [
            B::float_matmul(B::float_transpose(gradient), x),
            B::float_reshape(bias, Shape::new([outputs])),
        ]
    }
}

fn sizes(matrix: &FloatTensor<Flex>) -> [usize; 2] {
    [matrix.shape()[0], matrix.shape()[1]]
}

/// Parents: x, weight, bias. Kept for the backward pass: x and weight.
#[derive(Debug)]
struct Linear;

impl<B: LinearKernels> Backward<B, 3> for Linear {
    type State = [FloatTensor<B>; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [to_x, to_weight, to_bias] = ops.parents;
        let [x, weight] = ops.state;
        let weight_type = weight.dtype();
        if let Some(node) = to_x {
            gradients.register::<B>(node.id, B::linear_input_gradient(gradient.clone(), weight));
        }
        if to_weight.is_some() || to_bias.is_some() {
            let values = B::linear_weight_gradients(gradient, x, weight_type);
            for (node, value) in [to_weight, to_bias].into_iter().zip(values) {
                if let Some(node) = node {
                    gradients.register::<B>(node.id, value);
                }
            }
        }
    }
}

/// [`super::SequenceBackend::linear`] with gradients.
pub(super) fn differentiable<B: LinearKernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [x.node(), weight.node(), bias.node()];
    let (x, weight) = (x.into_primitive(), weight.into_primitive());
    let y = B::linear_forward(x.clone(), weight.clone(), bias.into_primitive());
    match Linear.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish([x, weight], y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}
