//! Layers of GRUs, input projections included: an encoder's bidirectional layer and a decoder's layer
//! with a context.
//!
//! Where a back end's library has such layers, each is one operation with its own derivative;
//! elsewhere it is composed of linear maps and scans.

use std::fmt;
use std::sync::Arc;

use burn::backend::{
    Autodiff, Backend, ExtensionType, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn::tensor::Shape;

use super::SequenceBackend;
use super::gru::{GruInputs, Recurrence};
use crate::packed::Steps;

/// The inputs of a bidirectional layer.
#[derive(Clone, Debug, ExtensionType)]
pub struct BidirectionalInputs<B: Backend> {
    /// Words `[rows, inputs]`.
    pub x: FloatTensor<B>,
    /// From the first word to the last.
    #[extension_type]
    pub forward: DirectionWeights<B>,
    /// From the last word to the first.
    #[extension_type]
    pub reverse: DirectionWeights<B>,
}

/// One direction's weights in PyTorch's layout: gates r, z, n stacked on the rows.
#[derive(Clone, Debug, ExtensionType)]
pub struct DirectionWeights<B: Backend> {
    /// `[3 * hidden, inputs]`
    pub weight_ih: FloatTensor<B>,
    /// `[3 * hidden, hidden]`
    pub weight_hh: FloatTensor<B>,
    /// `[3 * hidden]`
    pub bias_ih: FloatTensor<B>,
    /// `[3 * hidden]`
    pub bias_hh: FloatTensor<B>,
}

/// The inputs of a layer with a context.
#[derive(Clone, Debug, ExtensionType)]
pub struct ConditionalInputs<B: Backend> {
    /// Words `[rows, inputs]`.
    pub x: FloatTensor<B>,
    /// `[sentences, hidden]` in packed order.
    pub context: FloatTensor<B>,
    /// From words to gates.
    #[extension_type]
    pub words: AffineWeights<B>,
    /// From contexts to gates.
    #[extension_type]
    pub contexts: AffineWeights<B>,
    /// From states to gates.
    #[extension_type]
    pub states: AffineWeights<B>,
}

/// A weight `[outputs, inputs]` and a bias `[outputs]`.
#[derive(Clone, Debug, ExtensionType)]
pub struct AffineWeights<B: Backend> {
    /// `[outputs, inputs]`
    pub weight: FloatTensor<B>,
    /// `[outputs]`
    pub bias: FloatTensor<B>,
}

impl<B: Backend> BidirectionalInputs<B> {
    /// The words, then the weights of each direction.
    pub(super) fn tensors(&self) -> [FloatTensor<B>; 9] {
        let (f, r) = (&self.forward, &self.reverse);
        [
            &self.x,
            &f.weight_ih,
            &f.weight_hh,
            &f.bias_ih,
            &f.bias_hh,
            &r.weight_ih,
            &r.weight_hh,
            &r.bias_ih,
            &r.bias_hh,
        ]
        .map(Clone::clone)
    }
}

impl<B: Backend> ConditionalInputs<B> {
    /// The words and contexts, then weight and bias of words, contexts and states.
    pub(super) fn tensors(&self) -> [FloatTensor<B>; 8] {
        let (words, contexts, states) = (&self.words, &self.contexts, &self.states);
        [
            &self.x,
            &self.context,
            &words.weight,
            &words.bias,
            &contexts.weight,
            &contexts.bias,
            &states.weight,
            &states.bias,
        ]
        .map(Clone::clone)
    }
}

/// The results of a layer with `N` inputs.
#[derive(Debug)]
pub struct LayerStates<B: Backend, const N: usize> {
    /// `[rows, width]`
    pub states: FloatTensor<B>,
    /// The derivative, if requested.
    pub backward: Option<OperationBackward<B, N>>,
}

/// Turns the gradient of an operation's result into those of its `N` inputs, once.
#[derive(Clone)]
pub struct OperationBackward<B: Backend, const N: usize>(
    Arc<dyn Fn(FloatTensor<B>) -> [FloatTensor<B>; N] + Send + Sync>,
);

impl<B: Backend, const N: usize> OperationBackward<B, N> {
    /// A derivative from the closure that computes it.
    pub fn new(
        backward: impl Fn(FloatTensor<B>) -> [FloatTensor<B>; N] + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(backward))
    }

    /// The gradients of the inputs for that of the result.
    pub fn gradients(&self, result: FloatTensor<B>) -> [FloatTensor<B>; N] {
        (self.0)(result)
    }
}

impl<B: Backend, const N: usize> fmt::Debug for OperationBackward<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperationBackward")
    }
}

/// Layers of a concrete back end; `None` where its library has no such layer.
pub trait GruLayerKernels: Backend {
    /// States `[rows, 2 * hidden]`, forward states first, each direction starting from zeros. `inputs` are
    /// those of [`BidirectionalInputs`], in its order.
    fn bidirectional_layer(
        inputs: &[FloatTensor<Self>; 9],
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self, 9>> {
        let _ = (inputs, steps, differentiate);
        None
    }

    /// States `[rows, hidden]`; contexts are the initial states, and a term in each gate. `inputs`
    /// are those of [`ConditionalInputs`], in its order.
    fn conditional_layer(
        inputs: &[FloatTensor<Self>; 8],
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self, 8>> {
        let _ = (inputs, steps, differentiate);
        None
    }
}

/// A bidirectional layer composed of linear maps and a scan.
pub(super) fn bidirectional<B: SequenceBackend>(
    inputs: BidirectionalInputs<B>,
    steps: Steps,
) -> FloatTensor<B> {
    let BidirectionalInputs {
        x,
        forward,
        reverse,
    } = inputs;
    let shape = Shape::new([steps.width(0), forward.weight_hh.shape()[1]]);
    let initial = B::float_zeros(shape, &x.device(), x.dtype().into());
    let direction = |weights: DirectionWeights<B>, reverse| GruInputs {
        projected: <B as SequenceBackend>::linear(x.clone(), weights.weight_ih, weights.bias_ih),
        recurrence: Recurrence {
            weight: weights.weight_hh,
            initial: initial.clone(),
            reverse,
        },
        bias: weights.bias_hh,
    };
    B::bigru_scan(direction(forward, false), direction(reverse, true), steps)
}

/// A layer with a context composed of linear maps and a scan: the context's term is computed once for
/// all words of a sentence.
pub(super) fn conditional<B: SequenceBackend>(
    inputs: ConditionalInputs<B>,
    steps: Steps,
) -> FloatTensor<B> {
    let ConditionalInputs {
        x,
        context,
        words,
        contexts,
        states,
    } = inputs;
    let linear =
        |x, part: AffineWeights<B>| <B as SequenceBackend>::linear(x, part.weight, part.bias);
    let (words, contexts) = (linear(x, words), linear(context.clone(), contexts));
    let contexts = B::gather_rows(contexts, steps.ranks().collect());
    let inputs = GruInputs {
        projected: B::float_add(words, contexts),
        recurrence: Recurrence {
            weight: states.weight,
            initial: context,
            reverse: false,
        },
        bias: states.bias,
    };
    B::gru_scan(inputs, steps)
}

/// Parents: the layer's inputs.
#[derive(Debug)]
struct GruLayerOperation;

impl<B: Backend, const N: usize> Backward<B, N> for GruLayerOperation {
    type State = OperationBackward<B, N>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let values = ops.state.gradients(gradient);
        for (parent, value) in ops.parents.into_iter().zip(values) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, value);
            }
        }
    }
}

/// The back end's own layer with gradients, if it has one.
pub(super) fn differentiable<B: Backend, C: CheckpointStrategy, const N: usize>(
    inputs: &[FloatTensor<Autodiff<B, C>>; N],
    layer: impl Fn(&[FloatTensor<B>; N], bool) -> Option<LayerStates<B, N>>,
) -> Option<FloatTensor<Autodiff<B, C>>> {
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs = inputs
        .each_ref()
        .map(|input| input.clone().into_primitive());
    Some(
        match GruLayerOperation
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => {
                let layer = layer(&inputs, true)?;
                prepared.finish(layer.backward?, layer.states)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(layer(&inputs, false)?.states),
        },
    )
}
