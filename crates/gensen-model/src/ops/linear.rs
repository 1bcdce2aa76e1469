//! A matrix product with a bias, `y = x W^T + b`, as one operation.
//!
//! The weights' gradient comes out in the weights' own layout: differentiated as a product with a
//! transposed matrix, it would be transposed, and copied once more before the optimiser uses it.

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

use super::flex::{Numbers, halves, mixed, rounded, single, slice, tensor};
use super::gemm::{Matrix, Threads, add_column_sums, matmul};
use super::memory::{self, Buffer};
use super::products::{Left, multiply_matrix};

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

    /// A gradient `[rows, outputs]` times `weight`: that of `x`.
    fn linear_input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        generic::input_gradient::<Self>(gradient, weight)
    }

    /// The gradients of weight and bias, which are of this float type.
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
        let (rows, [outputs, inputs]) = (x.shape()[0], sizes(&weight));
        if let Some(way) = mixed(&x, weight.dtype()) {
            let (x, weight, bias) = (halves(x), slice(weight), slice(bias));
            let mut y = Buffer::new(rows * outputs);
            let x = Left::new(way, Matrix::new(&x, rows, inputs), Threads::All);
            let weight = Matrix::new(&weight, outputs, inputs).transposed();
            multiply_matrix(&mut y, &x, weight, false, Threads::All);
            y.par_chunks_mut(outputs.max(1)).for_each(|row| {
                row.iter_mut().zip(&*bias).for_each(|(y, b)| *y += b);
            });
            return rounded(&y, [rows, outputs]);
        }
        if !single(&x) {
            return generic::forward::<Self>(x, weight, bias);
        }
        let (x, weight, bias) = (slice(x), slice(weight), slice(bias));
        let mut y = vec![0.0; rows * outputs];
        let weight = Matrix::new(&weight, outputs, inputs).transposed();
        matmul(
            &mut y,
            Matrix::new(&x, rows, inputs),
            weight,
            false,
            Threads::All,
        );
        y.par_chunks_mut(outputs.max(1)).for_each(|row| {
            row.iter_mut().zip(&*bias).for_each(|(y, b)| *y += b);
        });
        tensor(y, [rows, outputs])
    }

    fn linear_input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (rows, [outputs, inputs]) = (gradient.shape()[0], sizes(&weight));
        if let Some(way) = mixed(&gradient, weight.dtype()) {
            let (gradient, weight) = (halves(gradient), slice(weight));
            let mut d_x = Buffer::new(rows * inputs);
            let gradient = Left::new(way, Matrix::new(&gradient, rows, outputs), Threads::All);
            let weight = Matrix::new(&weight, outputs, inputs);
            multiply_matrix(&mut d_x, &gradient, weight, false, Threads::All);
            return rounded(&d_x, [rows, inputs]);
        }
        if !single(&gradient) {
            return generic::input_gradient::<Self>(gradient, weight);
        }
        let (gradient, weight) = (slice(gradient), slice(weight));
        let mut d_x = vec![0.0; rows * inputs];
        let gradient = Matrix::new(&gradient, rows, outputs);
        let weight = Matrix::new(&weight, outputs, inputs);
        matmul(&mut d_x, gradient, weight, false, Threads::All);
        tensor(d_x, [rows, inputs])
    }

    fn linear_weight_gradients(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: DType,
    ) -> [FloatTensor<Self>; 2] {
        let ([rows, outputs], inputs) = (sizes(&gradient), x.shape()[1]);
        if let Some(way) = mixed(&gradient, weight) {
            let wide = Numbers::new(gradient.clone());
            let (gradient, x) = (halves(gradient), halves(x));
            let mut d_weight = memory::take(outputs * inputs);
            let mut d_bias = vec![0.0; outputs];
            let factor = Matrix::new(&gradient, rows, outputs).transposed();
            let factor = Left::new(way, factor, Threads::All);
            let x = Matrix::new(&x, rows, inputs);
            multiply_matrix(&mut d_weight, &factor, x, false, Threads::All);
            add_column_sums(&mut d_bias, &wide);
            return [
                tensor(d_weight, [outputs, inputs]),
                tensor(d_bias, [outputs]),
            ];
        }
        if !single(&gradient) {
            return generic::weight_gradients::<Self>(gradient, x);
        }
        let (gradient, x) = (slice(gradient), slice(x));
        let mut d_weight = memory::take(outputs * inputs);
        let mut d_bias = vec![0.0; outputs];
        let factor = Matrix::new(&gradient, rows, outputs).transposed();
        let x = Matrix::new(&x, rows, inputs);
        matmul(&mut d_weight, factor, x, false, Threads::All);
        add_column_sums(&mut d_bias, &gradient);
        [
            tensor(d_weight, [outputs, inputs]),
            tensor(d_bias, [outputs]),
        ]
    }
}

/// The operation composed of a back end's primitives.
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

/// Parents: x, weight, bias. What the backward pass needs of the forward pass: x and weight.
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
