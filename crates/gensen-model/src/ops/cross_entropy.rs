//! Output projection and cross-entropy in one operation.
//!
//! A decoder's softmax over tens of thousands of words is most of a training step. Logits and
//! their gradient exist only for a chunk of positions at a time; both passes happen while a chunk
//! is in the cache, so the `[positions, words]` matrix is never held.

use std::sync::Arc;

use burn::backend::{
    Autodiff, Backend, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn::tensor::{DType, IndexingUpdateOp, Shape, Slice, TensorData};
use rayon::prelude::*;

use super::OperationBackward;
use super::flex::{Arithmetic, Numbers, single, slice, tensor};
use super::gemm::{MatrixView, add_column_sums};
use super::memory::{self, Buffer};
use super::rows::RowKernels;
use super::softmax::{scale, softmax_row};

/// Logits held at a time by back ends, about 32 MiB of f32.
const LOGITS_PER_CHUNK: usize = 8 << 20;
/// The same on the CPU, where each chunk rereads the weight's gradient, which exceeds the caches.
const LOGITS_ON_CPU: usize = 32 << 20;

/// Positions per chunk. It depends on sizes alone, so that the order of additions does not depend
/// on the number of threads.
fn chunk_rows(words: usize, logits: usize) -> usize {
    (logits / words.max(1)).clamp(16, 1024)
}

/// The loss and, if requested, its gradients.
#[derive(Clone, Debug)]
pub struct CrossEntropy<B: Backend> {
    /// `[1]`: the mean over positions, in nats and f32.
    pub loss: FloatTensor<B>,
    /// Gradients of states, weight and bias, each in its own float type.
    pub gradients: Option<LossGradients<B>>,
}

/// Gradients of states, weight and bias, before they are multiplied by the upstream gradient.
#[derive(Clone, Debug)]
pub enum LossGradients<B: Backend> {
    /// They are computed.
    Ready([FloatTensor<B>; 3]),
    /// The backward pass computes them from the upstream gradient, `[1]` in f32.
    Deferred(OperationBackward<B, 3>),
}

impl<B: CrossEntropyKernels> LossGradients<B> {
    /// The gradients times the upstream gradient, `[1]` in f32.
    pub fn times(self, upstream: FloatTensor<B>) -> [FloatTensor<B>; 3] {
        match self {
            Self::Ready(gradients) => {
                gradients.map(|gradient| B::scaled(gradient, upstream.clone()))
            }
            Self::Deferred(backward) => backward.gradients(upstream),
        }
    }

    /// The gradients for an upstream gradient of one.
    #[cfg(any(test, feature = "remote"))]
    pub(super) fn computed(self, device: &B::Device) -> [FloatTensor<B>; 3] {
        match self {
            Self::Ready(gradients) => gradients,
            Self::Deferred(_) => {
                self.times(B::float_ones(Shape::new([1]), device, DType::F32.into()))
            }
        }
    }
}

/// The operation for a concrete back end; the default composes the back end's own primitives.
pub trait CrossEntropyKernels: RowKernels {
    /// `states` is `[positions, hidden]`, `weight` `[words, hidden]`, `bias` `[words]`, `targets`
    /// one word id a position. With `gradients`, the gradients of the sum over positions times this
    /// number are computed too.
    fn cross_entropy(
        states: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: &[u32],
        gradients: Option<f32>,
    ) -> CrossEntropy<Self> {
        generic::<Self>(states, weight, bias, targets, gradients)
    }

    /// A gradient of any float type times the upstream gradient, `[1]` in f32.
    fn scaled(gradient: FloatTensor<Self>, upstream: FloatTensor<Self>) -> FloatTensor<Self> {
        generic_scaled::<Self>(gradient, upstream)
    }
}

impl CrossEntropyKernels for Flex {
    fn cross_entropy(
        states: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: &[u32],
        gradients: Option<f32>,
    ) -> CrossEntropy<Self> {
        let Some(arithmetic) = Arithmetic::of(&states, weight.dtype()) else {
            return generic::<Self>(states, weight, bias, targets, gradients);
        };
        let (words, hidden) = (weight.shape()[0], weight.shape()[1]);
        let positions = targets.len();
        let (states, weight, bias) = (Numbers::new(states), slice(weight), slice(bias));
        let differentiate = gradients.is_some();
        let scale = gradients.unwrap_or_default();
        let rows = chunk_rows(words, LOGITS_ON_CPU);
        let mut logits = Buffer::new(rows.min(positions) * words);
        let size = |n: usize| if differentiate { n } else { 0 };
        let mut d_states = memory::take(size(positions * hidden));
        let mut d_weight = memory::take(size(words * hidden));
        let mut d_bias = vec![0.0; size(words)];
        let mut loss = 0.0_f64;
        for (k, targets) in targets.chunks(rows).enumerate() {
            let n = targets.len();
            let states = MatrixView::new(&states[k * rows * hidden..], n, hidden);
            let weight = MatrixView::new(&weight, words, hidden);
            let logits = &mut logits[..n * words];
            arithmetic.multiply(logits, states, weight.transposed(), false);
            let losses: Vec<f32> = logits
                .par_chunks_mut(words)
                .zip(targets)
                .map(|(row, &target)| softmax_row(row, &bias, target as usize, scale))
                .collect();
            loss += losses.iter().copied().map(f64::from).sum::<f64>();
            if differentiate {
                let gradient = MatrixView::new(logits, n, words);
                let d_states = &mut d_states[k * rows * hidden..][..n * hidden];
                arithmetic.multiply(d_states, gradient, weight, false);
                arithmetic.multiply(&mut d_weight, gradient.transposed(), states, k > 0);
                add_column_sums(&mut d_bias, logits);
            }
        }
        let loss = (loss / positions.max(1) as f64) as f32;
        CrossEntropy {
            loss: tensor(vec![loss], [1]),
            gradients: differentiate.then(|| {
                LossGradients::Ready([
                    arithmetic.activations(d_states, [positions, hidden]),
                    tensor(d_weight, [words, hidden]),
                    tensor(d_bias, [words]),
                ])
            }),
        }
    }

    fn scaled(mut gradient: FloatTensor<Self>, upstream: FloatTensor<Self>) -> FloatTensor<Self> {
        if !single(&gradient) {
            return generic_scaled::<Self>(gradient, upstream);
        }
        let factor = slice(upstream)[0];
        // The loss itself is differentiated: nothing to do.
        if factor != 1.0 {
            let numbers = gradient.storage_mut::<f32>();
            let parts = numbers.par_chunks_mut(1 << 16);
            parts.for_each(|part| scale(part, factor));
        }
        gradient
    }
}

/// The operation composed of a back end's primitives, chunk by chunk.
pub(super) fn generic<B: RowKernels>(
    states: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    targets: &[u32],
    gradients: Option<f32>,
) -> CrossEntropy<B> {
    let (device, dtype) = (states.device(), states.dtype());
    let (words, hidden) = (weight.shape()[0], weight.shape()[1]);
    let bias = B::float_reshape(bias, Shape::new([1, words]));
    let mut losses = Vec::new();
    let mut d_states = Vec::new();
    let mut d_weight: Option<FloatTensor<B>> = None;
    let mut d_bias: Option<FloatTensor<B>> = None;
    let add = |sum: Option<FloatTensor<B>>, x| {
        Some(match sum {
            Some(sum) => B::float_add(sum, x),
            None => x,
        })
    };
    let rows = chunk_rows(words, LOGITS_PER_CHUNK);
    for (k, targets) in targets.chunks(rows).enumerate() {
        let n = targets.len();
        let range = Slice::from(k * rows..k * rows + n);
        let states = B::float_slice(states.clone(), &[range, Slice::from(0..hidden)]);
        let logits = B::float_matmul(states.clone(), B::float_transpose(weight.clone()));
        let logits = cast::<B>(B::float_add(logits, bias.clone()), DType::F32);
        let shifted = B::float_sub(logits.clone(), B::float_max_dim(logits, 1));
        let exponentials = B::float_exp(shifted.clone());
        let sum = B::float_sum_dim(exponentials.clone(), 1);
        let indices = B::upload_indices(targets, &device);
        let indices = B::int_reshape(indices, Shape::new([n, 1]));
        let at_target = B::float_gather(1, shifted, indices.clone());
        losses.push(B::float_sub(B::float_log(sum.clone()), at_target));
        if let Some(scale) = gradients {
            let softmax = B::float_mul_scalar(B::float_div(exponentials, sum), scale.into());
            let ones = TensorData::new(vec![-scale; n], [n, 1]);
            let ones = B::float_from_data(ones, &device);
            let gradient = B::float_scatter(1, softmax, indices, ones, IndexingUpdateOp::Add);
            let gradient = cast::<B>(gradient, dtype);
            d_states.push(B::float_matmul(gradient.clone(), weight.clone()));
            let products = B::float_matmul(B::float_transpose(gradient.clone()), states);
            d_weight = add(d_weight, products);
            d_bias = add(d_bias, B::float_sum_dim(gradient, 0));
        }
    }
    let mean = 1.0 / targets.len().max(1) as f32;
    let loss = B::float_mul_scalar(B::float_sum(B::float_cat(losses, 0)), mean.into());
    CrossEntropy {
        loss: B::float_reshape(loss, Shape::new([1])),
        gradients: d_weight.zip(d_bias).map(|(weight, bias)| {
            let bias = B::float_reshape(bias, Shape::new([words]));
            LossGradients::Ready([B::float_cat(d_states, 0), weight, bias])
        }),
    }
}

/// `gradient * upstream`, multiplied in f32.
pub(super) fn generic_scaled<B: Backend>(
    gradient: FloatTensor<B>,
    upstream: FloatTensor<B>,
) -> FloatTensor<B> {
    let ones = vec![1; gradient.shape().num_dims()];
    let (dtype, upstream) = (gradient.dtype(), B::float_reshape(upstream, ones.into()));
    let product = B::float_mul(cast::<B>(gradient, DType::F32), upstream);
    cast::<B>(product, dtype)
}

fn cast<B: Backend>(x: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if x.dtype() == dtype {
        x
    } else {
        B::float_cast(x, dtype.into())
    }
}

/// Splits the factor of a mean, one over its size, into a part that is applied when gradients are
/// computed and a part for the backward pass.
///
/// The smallest f16 is 6e-8, little below one over the words of a batch. In f16 the whole factor is
/// left to the backward pass, which also multiplies by the loss scale.
fn parts_of_mean(positions: usize, dtype: DType) -> (f32, f32) {
    let mean = 1.0 / positions.max(1) as f32;
    match dtype {
        DType::F16 => (1.0, mean),
        _ => (mean, 1.0),
    }
}

/// Parents: states, weight, bias.
#[derive(Debug)]
struct ProjectionCrossEntropy;

impl<B: CrossEntropyKernels> Backward<B, 3> for ProjectionCrossEntropy {
    /// The gradients, and the factor left to the backward pass.
    type State = (LossGradients<B>, f32);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (own, left) = ops.state;
        let mut upstream = gradients.consume::<B>(&ops.node);
        if left != 1.0 {
            upstream = B::float_mul_scalar(upstream, left.into());
        }
        for (parent, gradient) in ops.parents.into_iter().zip(own.times(upstream)) {
            let Some(node) = parent else { continue };
            gradients.register::<B>(node.id, gradient);
        }
    }
}

/// [`super::SequenceBackend::projection_cross_entropy`] with gradients.
pub(super) fn differentiable<B: CrossEntropyKernels, C: CheckpointStrategy>(
    states: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: FloatTensor<Autodiff<B, C>>,
    targets: Arc<[u32]>,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [states.node(), weight.node(), bias.node()];
    let (states, weight, bias) = (
        states.into_primitive(),
        weight.into_primitive(),
        bias.into_primitive(),
    );
    match ProjectionCrossEntropy
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let (scale, left) = parts_of_mean(targets.len(), states.dtype());
            let result = B::cross_entropy(states.clone(), weight, bias, &targets, Some(scale));
            // Without positions there are no gradients, and nothing depends on them.
            let gradients = result
                .gradients
                .unwrap_or_else(|| LossGradients::Ready([states.clone(), states.clone(), states]));
            prepared.finish((gradients, left), result.loss)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(B::cross_entropy(states, weight, bias, &targets, None).loss)
        }
    }
}
