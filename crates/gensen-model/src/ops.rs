//! The operations that training spends its time in, as extensions of Burn's back ends.
//!
//! Each has hand-written derivatives, a generic composition of back-end primitives that works
//! everywhere, and kernels of its own where a back end gains from them: Flex (the CPU), CubeCL's
//! devices, libtorch.
//!
//! An operation computes in the float type of the activations it gets: weights are cast to it on the
//! way in, and their gradients cast back on the way out. So weights in f32 and embeddings looked up
//! in bf16 ([`crate::Lookups::in_float_type`]) are mixed precision, as PyTorch's autocast has it. On a
//! CPU that multiplies bf16 ([`multiplies_bf16`]), kernels round weights themselves, while they lay
//! them out, and their gradients are never rounded.

#![cfg_attr(
    feature = "tch",
    allow(deprecated, reason = "libtorch is asked for, and burn-tch carries it")
)]

mod adam;
#[cfg(test)]
mod agreement;
#[cfg(all(
    test,
    any(
        feature = "cuda",
        feature = "metal",
        feature = "tch",
        feature = "vulkan"
    )
))]
mod agreement_on_devices;
mod backend;
mod cross_entropy;
#[cfg(any(feature = "cuda", feature = "metal", feature = "vulkan"))]
mod cube;
mod flex;
mod gru;
mod gru_layer;
mod linear;
#[cfg(feature = "remote")]
pub(crate) mod remote;
mod rows;
#[cfg(feature = "tch")]
mod tch;

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::{DType, Int, Tensor, TensorData};
// What the operations on the CPU compute with.
use gensen_encode::kernels::{gemm, memory, products, scan, softmax};

pub use adam::{AdamKernels, AdamStep};
pub use backend::{AdamState, OptimizerBackend, SequenceBackend};
pub use cross_entropy::{CrossEntropy, CrossEntropyKernels};
pub use gru::{GruGradients, GruInputs, GruKernels, GruTrace, Recurrence};
pub use gru_layer::{
    AffineWeights, BidirectionalInputs, ConditionalInputs, DirectionWeights, GruLayerKernels,
    LayerBackward, LayerStates,
};
pub use linear::LinearKernels;
pub use rows::RowKernels;

use crate::packed::Steps;

/// `[numbers]`: row numbers on the device of `beside`. Nothing waits until they are there.
pub fn indices<const D: usize>(
    beside: &Tensor<D>,
    numbers: impl IntoIterator<Item = usize>,
) -> Tensor<1, Int> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::upload_indices(
        beside.clone().into_dispatch(),
        numbers.into_iter().map(|k| k as u32).collect(),
    ))
}

/// Numbers in f32, shaped as `beside` is, on its device, as [`indices`].
pub fn floats<const D: usize>(beside: &Tensor<D>, numbers: Vec<f32>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::upload_floats(
        beside.clone().into_dispatch(),
        TensorData::new(numbers, beside.dims()),
    ))
}

/// Rows of `x` `[rows, width]` by their numbers: `[places, width]`.
pub fn gather_rows(x: Tensor<2>, places: impl IntoIterator<Item = usize>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::gather_rows(
        x.into_dispatch(),
        places.into_iter().map(|k| k as u32).collect(),
    ))
}

/// `[rows, width]`: row `k` is the sum of those rows of `values` `[uses, width]` whose place is `k`, in
/// their order (but on libtorch with CUDA). The tensor must not be tracked.
pub fn sum_rows(values: Tensor<2>, places: Arc<[u32]>, rows: usize) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as OptimizerBackend>::sum_rows(
        values.into_dispatch(),
        places,
        rows,
    ))
}

/// `[groups, width]`: row `k` is the sum of those rows of `values` `[rows, width]` whose entry in
/// `group_of` is `k`.
pub fn group_sums(values: Tensor<2>, group_of: Arc<[u32]>, groups: usize) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::group_sums(
        values.into_dispatch(),
        group_of,
        groups,
    ))
}

/// `[groups, width]`: row `k` is the largest of each number among those rows of `values`
/// `[rows, width]` whose entry in `group_of` is `k`; every group has a row. Rows that are equally
/// large share the gradient.
pub fn group_maxima(values: Tensor<2>, group_of: Arc<[u32]>, groups: usize) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::group_maxima(
        values.into_dispatch(),
        group_of,
        groups,
    ))
}

/// Whether the CPU here multiplies bf16, by AMX or AVX512-BF16.
pub fn multiplies_bf16() -> bool {
    products::Bf16Product::best().is_some()
}

/// A weight as an operation takes it beside these activations.
fn beside<const D: usize, const E: usize>(x: &Tensor<D>, weight: Tensor<E>) -> Tensor<E> {
    let dtype = x.dtype();
    let rounded_by_kernels =
        dtype == DType::BF16 && multiplies_bf16() && x.device() == burn::tensor::Device::flex();
    if rounded_by_kernels {
        weight
    } else {
        weight.cast(dtype)
    }
}

/// One direction's weights on the way into a scan.
#[derive(Clone, Debug)]
pub struct GruDirection {
    /// `[rows, 3 * hidden]`: input projections of all words, biases (and context) included.
    pub projected: Tensor<2>,
    /// `[3 * hidden, hidden]`: recurrent weights, gates r, z, n on the rows.
    pub weight: Tensor<2>,
    /// `[3 * hidden]`: recurrent biases.
    pub bias: Tensor<1>,
}

impl GruDirection {
    /// With weights of the projections' float type, and the states before the first step.
    fn into_dispatch(self, initial: Tensor<2>, reverse: bool) -> GruInputs<Dispatch> {
        let weight = beside(&self.projected, self.weight);
        let bias = beside(&self.projected, self.bias);
        GruInputs {
            projected: self.projected.into_dispatch(),
            recurrence: Recurrence {
                weight: weight.into_dispatch(),
                initial: initial.into_dispatch(),
                reverse,
            },
            bias: bias.into_dispatch(),
        }
    }
}

/// GRU states `[rows, hidden]` of a packed batch, from the first word to the last.
///
/// `initial` is `[sentences, hidden]`, sentences in packed (sorted) order.
pub fn gru_scan(direction: GruDirection, initial: Tensor<2>, steps: &Steps) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::gru_scan(
        direction.into_dispatch(initial, false),
        steps.clone(),
    ))
}

/// GRU states `[rows, 2 * hidden]` of a packed batch in both directions, forward states first,
/// each starting from zeros.
pub fn bigru_scan(forward: GruDirection, reverse: GruDirection, steps: &Steps) -> Tensor<2> {
    let hidden = forward.weight.dims()[1];
    let options = (&forward.projected.device(), forward.projected.dtype());
    let initial = Tensor::<2>::zeros([steps.width(0), hidden], options);
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::bigru_scan(
        forward.into_dispatch(initial.clone(), false),
        reverse.into_dispatch(initial, true),
        steps.clone(),
    ))
}

/// One direction of a layer.
#[derive(Clone, Debug)]
pub struct GruLayerDirection {
    /// `[3 * hidden, inputs]`: gates r, z, n on the rows.
    pub weight_ih: Tensor<2>,
    /// `[3 * hidden, hidden]`
    pub weight_hh: Tensor<2>,
    /// `[3 * hidden]`
    pub bias_ih: Tensor<1>,
    /// `[3 * hidden]`
    pub bias_hh: Tensor<1>,
}

impl GruLayerDirection {
    fn into_dispatch(self, x: &Tensor<2>) -> DirectionWeights<Dispatch> {
        DirectionWeights {
            weight_ih: beside(x, self.weight_ih).into_dispatch(),
            weight_hh: beside(x, self.weight_hh).into_dispatch(),
            bias_ih: beside(x, self.bias_ih).into_dispatch(),
            bias_hh: beside(x, self.bias_hh).into_dispatch(),
        }
    }
}

/// A layer's states `[rows, 2 * hidden]` in both directions for `x` `[rows, inputs]`, forward states
/// first, each direction starting from zeros.
pub fn gru_layer(
    x: Tensor<2>,
    forward: GruLayerDirection,
    reverse: GruLayerDirection,
    steps: &Steps,
) -> Tensor<2> {
    let inputs = BidirectionalInputs {
        forward: forward.into_dispatch(&x),
        reverse: reverse.into_dispatch(&x),
        x: x.into_dispatch(),
    };
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::gru_layer(
        inputs,
        steps.clone(),
    ))
}

/// A weight `[outputs, inputs]` and a bias `[outputs]`.
#[derive(Clone, Debug)]
pub struct Affine {
    /// `[outputs, inputs]`
    pub weight: Tensor<2>,
    /// `[outputs]`
    pub bias: Tensor<1>,
}

impl Affine {
    fn into_dispatch(self, x: &Tensor<2>) -> AffineWeights<Dispatch> {
        AffineWeights {
            weight: beside(x, self.weight).into_dispatch(),
            bias: beside(x, self.bias).into_dispatch(),
        }
    }
}

/// GRU states `[rows, hidden]` of a packed batch whose sentences have a context `[sentences, hidden]`, in
/// packed order: their first state, and a term in each gate (Kiros et al., 2015).
///
/// `words`, `contexts` and `states` map words `x` `[rows, inputs]`, contexts and previous states to the
/// gates r, z, n, which are stacked on the rows of their weights.
pub fn conditional_gru(
    x: Tensor<2>,
    context: Tensor<2>,
    [words, contexts, states]: [Affine; 3],
    steps: &Steps,
) -> Tensor<2> {
    let inputs = ConditionalInputs {
        words: words.into_dispatch(&x),
        contexts: contexts.into_dispatch(&x),
        states: states.into_dispatch(&x),
        x: x.into_dispatch(),
        context: context.into_dispatch(),
    };
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::conditional_gru(
        inputs,
        steps.clone(),
    ))
}

/// `x W^T + b`, `[rows, outputs]`, for `x` `[rows, inputs]`, `weight` `[outputs, inputs]` and `bias`
/// `[outputs]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let (weight, bias) = (beside(&x, weight), beside(&x, bias));
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// Mean cross-entropy `[1]`, in nats, of `softmax(states weight^T + bias)` against `targets`.
///
/// `states` is `[positions, hidden]`, `weight` `[words, hidden]`, `bias` `[words]`; `targets` holds
/// one word id a position. Logits exist for a chunk of positions at a time. The loss is in f32,
/// whatever the states are in.
pub fn projection_cross_entropy(
    states: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    targets: Arc<[u32]>,
) -> Tensor<1> {
    let (weight, bias) = (beside(&states, weight), beside(&states, bias));
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::projection_cross_entropy(
        states.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        targets,
    ))
}

/// One Adam step on a parameter, in place where nobody else holds the tensors; returns the
/// parameter and its two moments. `scale` `[1]` is what the gradient is multiplied by first: the
/// [`clip_factor`]. The tensors must not be tracked.
pub fn adam_step<const D: usize>(
    parameter: Tensor<D>,
    mean: Tensor<D>,
    variance: Tensor<D>,
    gradient: Tensor<D>,
    scale: Tensor<1>,
    step: AdamStep,
) -> [Tensor<D>; 3] {
    let state = <Dispatch as OptimizerBackend>::adam_step(
        AdamState::from_tensors([parameter, mean, variance]),
        gradient.into_dispatch(),
        scale.into_dispatch(),
        step,
    );
    state.into_tensors()
}

/// [`adam_step`] on a flattened matrix (and its moments) whose gradient is zero but for `rows`,
/// ascending, each once, which have `values` `[rows, columns]`.
///
/// The result is, bit for bit, that of the dense gradient: moments of all rows decay. One fused pass
/// does it without the dense gradient. (Catching up on a row when it is next used would save the
/// pass, but every reader of the weights would have to know which rows are behind.)
pub fn adam_rows_step(
    state: [Tensor<1>; 3],
    values: Tensor<2>,
    rows: Arc<[u32]>,
    scale: Tensor<1>,
    step: AdamStep,
) -> [Tensor<1>; 3] {
    let state = <Dispatch as OptimizerBackend>::adam_rows_step(
        AdamState::from_tensors(state),
        values.into_dispatch(),
        rows,
        scale.into_dispatch(),
        step,
    );
    state.into_tensors()
}

impl AdamState<Dispatch> {
    fn from_tensors<const D: usize>(tensors: [Tensor<D>; 3]) -> Self {
        let [parameter, mean, variance] = tensors.map(Tensor::into_dispatch);
        Self {
            parameter,
            mean,
            variance,
        }
    }

    fn into_tensors<const D: usize>(self) -> [Tensor<D>; 3] {
        [self.parameter, self.mean, self.variance].map(Tensor::from_dispatch)
    }
}

/// `[1]`: the sum of the squares of a tensor's numbers. The tensor must not be tracked.
pub fn sum_of_squares<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as OptimizerBackend>::sum_of_squares(
        tensor.into_dispatch(),
    ))
}

/// `[1]`: what gradients are multiplied by so that their norm, the root of the sum of `squares`, is
/// at most `clip_norm`. It stays on the device. The tensor must not be tracked.
pub fn clip_factor(squares: Tensor<1>, clip_norm: f64) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as OptimizerBackend>::clip_factor(
        squares.into_dispatch(),
        clip_norm,
    ))
}
