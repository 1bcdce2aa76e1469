//! A bidirectional layer of a GRU, input projections included.
//!
//! Where a back end's own library has such layers they are one operation with a derivative of its
//! own; elsewhere they are linear maps and a scan of both directions.

use std::fmt;
use std::sync::Arc;

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn::tensor::Shape;

use super::SequenceBackend;
use crate::packed::Steps;

/// Tensors of a layer: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` of the forward direction, then
/// of the reverse one.
pub type LayerWeights<B> = [FloatTensor<B>; 8];

/// What a layer computes.
#[derive(Debug)]
pub struct LayerStates<B: Backend> {
    /// `[rows, 2 * hidden]`
    pub states: FloatTensor<B>,
    /// The derivative, if it was asked for.
    pub backward: Option<LayerBackward<B>>,
}

/// The gradients of the input and of the weights, in the order of [`LayerWeights`].
pub type LayerGradients<B> = [FloatTensor<B>; 9];

/// Turns d loss / d states into the gradients of a layer's input and weights, once.
#[derive(Clone)]
pub struct LayerBackward<B: Backend>(
    Arc<dyn Fn(FloatTensor<B>) -> LayerGradients<B> + Send + Sync>,
);

impl<B: Backend> LayerBackward<B> {
    /// What `backward` computes.
    pub fn new(
        backward: impl Fn(FloatTensor<B>) -> LayerGradients<B> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(backward))
    }

    /// The gradients that d loss / d states `[rows, 2 * hidden]` gives.
    pub fn gradients(&self, states: FloatTensor<B>) -> LayerGradients<B> {
        (self.0)(states)
    }
}

impl<B: Backend> fmt::Debug for LayerBackward<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LayerBackward")
    }
}

/// Layers of a concrete back end.
pub trait GruLayerKernels: Backend {
    /// The layer's states for `x` `[rows, inputs]`; none where the back end has no layers.
    fn gru_layer(
        x: &FloatTensor<Self>,
        weights: &LayerWeights<Self>,
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self>> {
        let _ = (x, weights, steps, differentiate);
        None
    }
}

/// A layer composed of linear maps and a scan.
pub(super) fn composed<B: SequenceBackend>(
    x: FloatTensor<B>,
    weights: LayerWeights<B>,
    steps: Steps,
) -> FloatTensor<B> {
    let [
        f_ih,
        f_hh,
        f_bias_ih,
        f_bias_hh,
        r_ih,
        r_hh,
        r_bias_ih,
        r_bias_hh,
    ] = weights;
    let shape = Shape::new([steps.width(0), f_hh.shape()[1]]);
    let initial = B::float_zeros(shape, &x.device(), x.dtype().into());
    let forward = <B as SequenceBackend>::linear(x.clone(), f_ih, f_bias_ih);
    let reverse = <B as SequenceBackend>::linear(x, r_ih, r_bias_ih);
    B::bigru_scan(
        forward, f_hh, f_bias_hh, reverse, r_hh, r_bias_hh, initial, steps,
    )
}

/// Parents: the input and the weights.
#[derive(Debug)]
struct Layer;

impl<B: Backend> Backward<B, 9> for Layer {
    type State = LayerBackward<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 9>,
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
pub(super) fn differentiable<B: GruLayerKernels, C: CheckpointStrategy>(
    x: &FloatTensor<Autodiff<B, C>>,
    weights: &LayerWeights<Autodiff<B, C>>,
    steps: &Steps,
) -> Option<FloatTensor<Autodiff<B, C>>> {
    let [a, b, c, d, e, f, g, h] = weights.each_ref().map(|weight| weight.node());
    let nodes = [x.node(), a, b, c, d, e, f, g, h];
    let inner = |tensor: &FloatTensor<Autodiff<B, C>>| tensor.clone().into_primitive();
    let (x, weights) = (inner(x), weights.each_ref().map(inner));
    Some(match Layer.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let layer = B::gru_layer(&x, &weights, steps, true)?;
            prepared.finish(layer.backward?, layer.states)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(B::gru_layer(&x, &weights, steps, false)?.states)
        }
    })
}
