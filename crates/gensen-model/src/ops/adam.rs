//! Adam's update and the gradient's square norm, each one pass over memory.

use burn::backend::{Backend, Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;
use gensen_encode::kernels::adam::{sum_squares, update};
use rayon::prelude::*;

use super::AdamState;
use super::flex::{slice, tensor};
use super::rows::RowKernels;

pub use gensen_encode::kernels::adam::AdamStep;

/// Numbers per task of a parallel loop; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 1 << 16;

/// Added to the norm before dividing by it, as in PyTorch's `clip_grad_norm_`.
const CLIP_EPSILON: f64 = 1e-6;

/// The operations for a concrete back end; the defaults compose the back end's own primitives.
pub trait AdamKernels: RowKernels {
    /// See [`super::adam_step`].
    fn adam(
        parameter: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self> {
        generic::<Self>(parameter, mean, variance, gradient, scale, step)
    }

    /// See [`super::adam_rows_step`]; `state` is the flattened parameter, mean and variance.
    fn adam_rows(
        state: [FloatTensor<Self>; 3],
        values: FloatTensor<Self>,
        rows: &[u32],
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self> {
        let [parameter, mean, variance] = state;
        let gradient = dense::<Self>(values, rows, parameter.shape()[0]);
        Self::adam(parameter, mean, variance, gradient, scale, step)
    }

    /// `[1]`: the sum of the squares of a tensor's numbers.
    fn squared_norm(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        let sum = Self::float_sum(Self::float_mul(tensor.clone(), tensor));
        Self::float_reshape(sum, Shape::new([1]))
    }

    /// See [`super::clip_factor`].
    fn clip_factor(squares: FloatTensor<Self>, clip_norm: f64) -> FloatTensor<Self> {
        let norm = Self::float_sqrt(Self::float_sum(squares));
        let norm = Self::float_add_scalar(norm, CLIP_EPSILON.into());
        let factor = Self::float_mul_scalar(Self::float_recip(norm), clip_norm.into());
        let factor = Self::float_clamp_max(factor, 1.0_f64.into());
        Self::float_reshape(factor, Shape::new([1]))
    }
}

impl AdamKernels for Flex {
    fn adam(
        mut parameter: FloatTensor<Self>,
        mut mean: FloatTensor<Self>,
        mut variance: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self> {
        if ![&parameter, &mean, &variance].into_iter().all(is_whole) {
            return generic::<Self>(parameter, mean, variance, gradient, scale, step);
        }
        let (gradient, scale) = (slice(gradient), number(scale));
        // In place: `storage_mut` copies only storage with another owner.
        parameter
            .storage_mut::<f32>()
            .par_chunks_mut(CHUNK)
            .zip(mean.storage_mut::<f32>().par_chunks_mut(CHUNK))
            .zip(variance.storage_mut::<f32>().par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK))
            .for_each(|(((p, m), v), g)| update(p, m, v, g, scale, step));
        gradient.give();
        AdamState {
            parameter,
            mean,
            variance,
        }
    }

    fn adam_rows(
        [mut parameter, mut mean, mut variance]: [FloatTensor<Self>; 3],
        values: FloatTensor<Self>,
        rows: &[u32],
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self> {
        let width = values.shape()[1];
        if width == 0 || ![&parameter, &mean, &variance].into_iter().all(is_whole) {
            let gradient = dense::<Self>(values, rows, parameter.shape()[0]);
            return generic::<Self>(parameter, mean, variance, gradient, scale, step);
        }
        let (values, scale) = (slice(values), number(scale));
        let zeros = vec![0.0; width];
        let rows_per_task = (CHUNK / width).max(1);
        let task = rows_per_task * width;
        parameter
            .storage_mut::<f32>()
            .par_chunks_mut(task)
            .zip(mean.storage_mut::<f32>().par_chunks_mut(task))
            .zip(variance.storage_mut::<f32>().par_chunks_mut(task))
            .enumerate()
            .for_each(|(k, ((p, m), v))| {
                let first = k * rows_per_task;
                let mut place = rows.partition_point(|&row| (row as usize) < first);
                let state = p.chunks_mut(width).zip(m.chunks_mut(width));
                for (row, ((p, m), v)) in (first..).zip(state.zip(v.chunks_mut(width))) {
                    let touched = rows.get(place).is_some_and(|&next| next as usize == row);
                    let gradient = if touched {
                        place += 1;
                        &values[(place - 1) * width..place * width]
                    } else {
                        &zeros
                    };
                    update(p, m, v, gradient, scale, step);
                }
            });
        AdamState {
            parameter,
            mean,
            variance,
        }
    }

    fn squared_norm(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let sums: Vec<f64> = slice(input).par_chunks(CHUNK).map(sum_squares).collect();
        tensor(vec![sums.iter().sum::<f64>() as f32], [1])
    }

    fn clip_factor(squares: FloatTensor<Self>, clip_norm: f64) -> FloatTensor<Self> {
        let squares = slice(squares);
        let norm = squares.iter().copied().map(f64::from).sum::<f64>().sqrt();
        let factor = (clip_norm / (norm + CLIP_EPSILON)).min(1.0);
        tensor(vec![factor as f32], [1])
    }
}

/// The number of a tensor `[1]`.
fn number(x: FloatTensor<Flex>) -> f32 {
    slice(x)[0]
}

/// Whether a tensor covers its storage in order.
fn is_whole(x: &FloatTensor<Flex>) -> bool {
    x.is_contiguous() && x.bytes().len() == size_of::<f32>() * x.layout().num_elements()
}

/// `values` at their `rows` and zeros elsewhere, flattened to `size` numbers.
pub(super) fn dense<B: RowKernels>(
    values: FloatTensor<B>,
    rows: &[u32],
    size: usize,
) -> FloatTensor<B> {
    let width = values.shape()[1];
    let dense = B::sum_rows(values, rows, size / width.max(1));
    B::float_reshape(dense, Shape::new([size]))
}

pub(super) fn generic<B: Backend>(
    parameter: FloatTensor<B>,
    mean: FloatTensor<B>,
    variance: FloatTensor<B>,
    gradient: FloatTensor<B>,
    scale: FloatTensor<B>,
    step: AdamStep,
) -> AdamState<B> {
    let blend = |moment, beta: f32, value| {
        B::float_add(
            B::float_mul_scalar(moment, beta.into()),
            B::float_mul_scalar(value, (1.0 - beta).into()),
        )
    };
    let ones = vec![1; gradient.shape().num_dims()];
    let gradient = B::float_mul(gradient, B::float_reshape(scale, Shape::from(ones)));
    let mean = blend(mean, step.beta1, gradient.clone());
    let variance = blend(
        variance,
        step.beta2,
        B::float_mul(gradient.clone(), gradient),
    );
    let root = B::float_mul_scalar(
        B::float_sqrt(variance.clone()),
        step.variance_correction.into(),
    );
    let root = B::float_add_scalar(root, step.epsilon.into());
    let change = B::float_mul_scalar(B::float_div(mean.clone(), root), step.step_size.into());
    AdamState {
        parameter: B::float_sub(parameter, change),
        mean,
        variance,
    }
}
