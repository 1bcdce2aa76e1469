//! The GRU recurrence over a packed batch as one differentiable operation.
//!
//! `gru_scan` runs one direction, `bigru_scan` both at once. The input projections
//! `W_ih x + b_ih` are computed beforehand for all words in one product; a conditional GRU adds its
//! context term to them. The backward pass is back-propagation through time written by hand, with
//! the recurrent weights' gradient as one product.
//!
//! Gates follow PyTorch's `nn.GRU`: r, z, n stacked on the rows of the weights,
//! `h' = (1 - z) n + z h` with `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`.

pub(super) mod generic;

use burn::backend::{
    Autodiff, Backend, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn::tensor::Slice;
use rayon::prelude::*;

use super::flex::{single, slice, tensor};
use super::gemm::Threads;
use super::gru_kernels::Scan;
use super::gru_layer::GruLayerKernels;
use crate::packed::Steps;

/// One direction's inputs.
#[derive(Clone, Debug)]
pub struct GruInputs<B: Backend> {
    /// `[rows, 3 * hidden]`: the input projections, biases included.
    pub projected: FloatTensor<B>,
    /// How the states follow from each other.
    pub recurrence: Recurrence<B>,
    /// `[3 * hidden]`: the recurrent biases.
    pub bias: FloatTensor<B>,
}

/// How the states of one direction follow from each other.
#[derive(Clone, Debug)]
pub struct Recurrence<B: Backend> {
    /// `[3 * hidden, hidden]`
    pub weight: FloatTensor<B>,
    /// `[sentences, hidden]` in sorted order: the states before the first step.
    pub initial: FloatTensor<B>,
    /// From the last word to the first.
    pub reverse: bool,
}

/// What one direction's forward pass leaves for its backward pass.
#[derive(Clone, Debug)]
pub struct GruTrace<B: Backend> {
    /// `[rows, hidden]`
    pub states: FloatTensor<B>,
    /// `[rows, 4 * hidden]`: r, z, n and the candidate's recurrent term; absent when nothing will
    /// be differentiated.
    pub gates: Option<FloatTensor<B>>,
}

/// The gradients of one direction's inputs.
#[derive(Clone, Debug)]
pub struct GruGradients<B: Backend> {
    /// Of [`GruInputs::projected`].
    pub projected: FloatTensor<B>,
    /// Of [`Recurrence::weight`].
    pub weight: FloatTensor<B>,
    /// Of [`GruInputs::bias`].
    pub bias: FloatTensor<B>,
    /// Of [`Recurrence::initial`].
    pub initial: FloatTensor<B>,
}

/// The recurrence for a concrete back end, one or two directions at a time. The default composes
/// the back end's own primitives.
pub trait GruKernels: Backend {
    /// States, and with `save` the gates, of each direction.
    fn gru_forward(
        directions: Vec<GruInputs<Self>>,
        steps: &Steps,
        save: bool,
    ) -> Vec<GruTrace<Self>> {
        let run = |inputs| generic::forward::<Self>(inputs, steps, save);
        directions.into_iter().map(run).collect()
    }

    /// Back-propagation through time for d loss / d states of each direction.
    fn gru_backward(
        directions: Vec<(FloatTensor<Self>, GruTrace<Self>, Recurrence<Self>)>,
        steps: &Steps,
    ) -> Vec<GruGradients<Self>> {
        let run = |(gradient, trace, recurrence)| {
            generic::backward::<Self>(gradient, trace, recurrence, steps)
        };
        directions.into_iter().map(run).collect()
    }
}

impl GruLayerKernels for Flex {}

impl GruKernels for Flex {
    fn gru_forward(
        directions: Vec<GruInputs<Self>>,
        steps: &Steps,
        save: bool,
    ) -> Vec<GruTrace<Self>> {
        let threads = threads_for(directions.len());
        let run = |inputs: GruInputs<Self>| {
            if !single(&inputs.projected) {
                return generic::forward::<Self>(inputs, steps, save);
            }
            let hidden = inputs.recurrence.weight.shape()[1];
            let (weight, initial) = (
                slice(inputs.recurrence.weight),
                slice(inputs.recurrence.initial),
            );
            let scan = Scan {
                steps,
                reverse: inputs.recurrence.reverse,
                threads,
                weight: &weight,
                initial: &initial,
                hidden,
            };
            let (states, gates) = scan.forward(&slice(inputs.projected), &slice(inputs.bias), save);
            GruTrace {
                states: tensor(states, [steps.rows(), hidden]),
                gates: save.then(|| tensor(gates, [steps.rows(), 4 * hidden])),
            }
        };
        directions.into_par_iter().map(run).collect()
    }

    fn gru_backward(
        directions: Vec<(FloatTensor<Self>, GruTrace<Self>, Recurrence<Self>)>,
        steps: &Steps,
    ) -> Vec<GruGradients<Self>> {
        let threads = threads_for(directions.len());
        let run = |(gradient, trace, recurrence): (_, GruTrace<Self>, Recurrence<Self>)| {
            if !single(&gradient) {
                return generic::backward::<Self>(gradient, trace, recurrence, steps);
            }
            let hidden = recurrence.weight.shape()[1];
            let sentences = recurrence.initial.shape()[0];
            let (weight, initial) = (slice(recurrence.weight), slice(recurrence.initial));
            let scan = Scan {
                steps,
                reverse: recurrence.reverse,
                threads,
                weight: &weight,
                initial: &initial,
                hidden,
            };
            let gates = trace.gates.map(slice);
            let gates = gates.as_deref().unwrap_or_default();
            let gradients = scan.backward(&slice(gradient), &slice(trace.states), gates);
            GruGradients {
                projected: tensor(gradients.projected, [steps.rows(), 3 * hidden]),
                weight: tensor(gradients.weight, [3 * hidden, hidden]),
                bias: tensor(gradients.bias, [3 * hidden]),
                initial: tensor(gradients.initial, [sentences, hidden]),
            }
        };
        directions.into_par_iter().map(run).collect()
    }
}

/// With no more threads than directions, each direction keeps to one: matrix products of a single
/// time step are too small to be worth splitting.
fn threads_for(directions: usize) -> Threads {
    if rayon::current_num_threads() <= directions {
        Threads::One
    } else {
        Threads::All
    }
}

/// What the backward pass of a scan remembers.
#[derive(Clone, Debug)]
struct Walked<B: Backend> {
    traces: Vec<(GruTrace<B>, Recurrence<B>)>,
    steps: Steps,
}

impl<B: GruKernels> Walked<B> {
    fn backward(self, gradients: Vec<FloatTensor<B>>) -> Vec<GruGradients<B>> {
        let directions = self.traces.into_iter().zip(gradients);
        let directions = directions
            .map(|((trace, recurrence), gradient)| (gradient, trace, recurrence))
            .collect();
        B::gru_backward(directions, &self.steps)
    }
}

/// One direction's inputs from (projected, weight, bias).
pub(super) fn inputs<B: Backend>(
    [projected, weight, bias]: [FloatTensor<B>; 3],
    initial: FloatTensor<B>,
    reverse: bool,
) -> GruInputs<B> {
    GruInputs {
        projected,
        recurrence: Recurrence {
            weight,
            initial,
            reverse,
        },
        bias,
    }
}

/// Runs the scan without saving anything: `[rows, directions * hidden]`.
pub(super) fn states<B: GruKernels>(
    directions: Vec<GruInputs<B>>,
    steps: &Steps,
) -> FloatTensor<B> {
    let traces = B::gru_forward(directions, steps, false);
    side_by_side::<B>(traces.into_iter().map(|trace| trace.states).collect())
}

/// The directions' states in one matrix.
fn side_by_side<B: Backend>(mut states: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    if states.len() == 1 {
        states.remove(0)
    } else {
        B::float_cat(states, 1)
    }
}

/// Runs the scan and keeps what its derivative needs.
fn traced<B: GruKernels>(
    directions: Vec<GruInputs<B>>,
    steps: &Steps,
) -> (Walked<B>, FloatTensor<B>) {
    let recurrences: Vec<_> = directions.iter().map(|d| d.recurrence.clone()).collect();
    let traces = B::gru_forward(directions, steps, true);
    let states: Vec<_> = traces.iter().map(|trace| trace.states.clone()).collect();
    let walked = Walked {
        traces: traces.into_iter().zip(recurrences).collect(),
        steps: steps.clone(),
    };
    (walked, side_by_side::<B>(states))
}

/// One direction; parents: projected, weight, bias, initial.
#[derive(Debug)]
struct GruScan;

impl<B: GruKernels> Backward<B, 4> for GruScan {
    type State = Walked<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        for g in ops.state.backward(vec![gradient]) {
            let values = [g.projected, g.weight, g.bias, g.initial];
            for (parent, value) in ops.parents.iter().zip(values) {
                if let Some(node) = parent {
                    gradients.register::<B>(node.id, value);
                }
            }
        }
    }
}

/// Both directions side by side; parents: projected, weight, bias of each.
#[derive(Debug)]
struct BiGruScan;

impl<B: GruKernels> Backward<B, 6> for BiGruScan {
    type State = Walked<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 6>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (rows, width) = (gradient.shape()[0], gradient.shape()[1]);
        let half = |range: std::ops::Range<usize>| {
            B::float_slice(
                gradient.clone(),
                &[Slice::from(0..rows), Slice::from(range)],
            )
        };
        let halves = vec![half(0..width / 2), half(width / 2..width)];
        let directions = ops.state.backward(halves);
        for (parents, g) in ops.parents.chunks(3).zip(directions) {
            for (parent, value) in parents.iter().zip([g.projected, g.weight, g.bias]) {
                if let Some(node) = parent {
                    gradients.register::<B>(node.id, value);
                }
            }
        }
    }
}

/// [`super::SequenceBackend::gru_scan`] with gradients.
pub(super) fn scan<B: GruKernels, C: CheckpointStrategy>(
    tensors: [FloatTensor<Autodiff<B, C>>; 3],
    initial: FloatTensor<Autodiff<B, C>>,
    steps: Steps,
) -> FloatTensor<Autodiff<B, C>> {
    let [projected, weight, bias] = &tensors;
    let nodes = [projected.node(), weight.node(), bias.node(), initial.node()];
    let tensors = tensors.map(|x| x.into_primitive());
    let directions = vec![inputs::<B>(tensors, initial.into_primitive(), false)];
    match GruScan.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (walked, states) = traced::<B>(directions, &steps);
            prepared.finish(walked, states)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(states::<B>(directions, &steps)),
    }
}

/// [`super::SequenceBackend::bigru_scan`] with gradients.
pub(super) fn bidirectional_scan<B: GruKernels, C: CheckpointStrategy>(
    forward: [FloatTensor<Autodiff<B, C>>; 3],
    reverse: [FloatTensor<Autodiff<B, C>>; 3],
    initial: FloatTensor<Autodiff<B, C>>,
    steps: Steps,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = {
        let [a, b, c] = &forward;
        let [d, e, f] = &reverse;
        [a.node(), b.node(), c.node(), d.node(), e.node(), f.node()]
    };
    let initial = initial.into_primitive();
    let directions = vec![
        inputs::<B>(forward.map(|x| x.into_primitive()), initial.clone(), false),
        inputs::<B>(reverse.map(|x| x.into_primitive()), initial, true),
    ];
    match BiGruScan.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (walked, states) = traced::<B>(directions, &steps);
            prepared.finish(walked, states)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(states::<B>(directions, &steps)),
    }
}
