//! The operations that training spends its time in, as extensions of Burn's back ends.
//!
//! Each has a hand-written derivative, a composition of primitives that works on every back end,
//! and kernels of its own where they are faster: Flex (the CPU), CubeCL's devices, libtorch.
//!
//! An operation computes in the float type of its activations: weights are cast to it, and their
//! gradients cast back. So weights in f32 and embeddings looked up in bf16
//! ([`crate::Lookups::in_float_type`]) give mixed precision like PyTorch's autocast. On libtorch, and
//! on a CPU that multiplies bf16 ([`multiplies_bf16`]), kernels round weights while laying them out;
//! the CPU's do not round gradients of weights.

#![cfg_attr(
    feature = "tch",
    allow(
        deprecated,
        reason = "burn-tch is deprecated but the only way to libtorch"
    )
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

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Int, Tensor, TensorData};
// The kernels of the operations on the CPU.
use gensen_encode::kernels::{gemm, memory, products, scan, softmax};

pub use adam::{AdamKernels, AdamStep};
pub use backend::{AdamState, OptimizerBackend, SequenceBackend};
pub use cross_entropy::{CrossEntropy, CrossEntropyKernels, LossGradients};
pub use gru::{GruGradients, GruInputs, GruKernels, GruTrace, Recurrence};
pub use gru_layer::{
    AffineWeights, BidirectionalInputs, ConditionalInputs, DirectionWeights, GruLayerKernels,
    LayerStates, OperationBackward,
};
pub use linear::LinearKernels;
pub use rows::RowKernels;

use crate::packed::Steps;

/// Copies row numbers `[numbers]` to the device of `beside`, without waiting for it.
pub fn indices<const D: usize>(
    beside: &Tensor<D>,
    numbers: impl IntoIterator<Item = usize>,
) -> Tensor<1, Int> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::upload_indices(
        beside.clone().into_dispatch(),
        numbers.into_iter().map(|k| k as u32).collect(),
    ))
}

/// Copies f32 numbers to the device of `beside`, in its shape, without waiting.
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

/// `[rows, width]`: row `k` is the sum of those rows of `values` `[uses, width]` whose place is
/// `k`, in their order (except on libtorch with CUDA). The tensor must not be tracked.
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

/// `[groups, width]`: row `k` is the element-wise maximum of those rows of `values` `[rows, width]`
/// whose entry in `group_of` is `k`; every group has a row. Equal maxima share the gradient.
pub fn group_maxima(values: Tensor<2>, group_of: Arc<[u32]>, groups: usize) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as SequenceBackend>::group_maxima(
        values.into_dispatch(),
        group_of,
        groups,
    ))
}

/// Whether this CPU multiplies bf16, by AMX or AVX512-BF16.
pub fn multiplies_bf16() -> bool {
    products::Bf16Product::best().is_some()
}

/// Casts a weight to the type that operations expect for these activations.
fn beside<const D: usize, const E: usize>(x: &Tensor<D>, weight: Tensor<E>) -> Tensor<E> {
    let rounded_by_kernels = match x.device().inner().as_dispatch() {
        #[cfg(feature = "tch")]
        DispatchDevice::LibTorch(_) => true,
        DispatchDevice::Flex(_) => x.dtype() == DType::BF16 && multiplies_bf16(),
        #[allow(unreachable_patterns, reason = "a build may have no other back end")]
        _ => false,
    };
    if rounded_by_kernels {
        weight
    } else {
        weight.cast(x.dtype())
    }
}

/// The inputs of a scan in one direction.
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
    /// Converts to the scan's inputs, with weights in the projections' float type.
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

/// GRU states `[rows, hidden]` of a packed batch, conditioned on a context `[sentences, hidden]` in
/// packed order: the initial state, and a term in each gate (Kiros et al., 2015).
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
/// one word id per position. Logits exist for a chunk of positions at a time. The loss is in f32.
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

/// One Adam step on a parameter, in place if the tensors have no other owner; returns the parameter
/// and its two moments. The gradient is first multiplied by `scale` `[1]`, the [`clip_factor`]. The
/// tensors must not be tracked.
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

/// [`adam_step`] on a flattened matrix (and its moments) whose gradient is `values`
/// `[rows, columns]` at `rows` (ascending, each once) and zero elsewhere.
///
/// The result equals that of the dense gradient bit for bit: the moments of all rows decay, in one
/// fused pass. (Updating a row only when it is next used would save the pass, but every reader of
/// the weights would have to handle stale rows.)
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

/// `[1]`: the factor that scales gradients to a norm, the root of the sum of `squares`, of at most
/// `clip_norm`. It stays on the device. The tensor must not be tracked.
pub fn clip_factor(squares: Tensor<1>, clip_norm: f64) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as OptimizerBackend>::clip_factor(
        squares.into_dispatch(),
        clip_norm,
    ))
}
