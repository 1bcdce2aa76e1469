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
    Autodiff, Backend, ExtensionType, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn::tensor::Slice;
use rayon::prelude::*;

use super::flex::{Arithmetic, Numbers, slice, tensor};
use super::gemm::Threads;
use super::gru_layer::GruLayerKernels;
use super::scan::Scan;
use crate::packed::Steps;

/// One direction's inputs.
#[derive(Clone, Debug, ExtensionType)]
pub struct GruInputs<B: Backend> {
    /// `[rows, 3 * hidden]`: the input projections, biases included.
    pub projected: FloatTensor<B>,
    /// The recurrence.
    #[extension_type]
    pub recurrence: Recurrence<B>,
    /// `[3 * hidden]`: the recurrent biases.
    pub bias: FloatTensor<B>,
}

impl<B: Backend> GruInputs<B> {
    /// All tensors, in the order of a scan's parents.
    pub(super) fn tensors(&self) -> [&FloatTensor<B>; 4] {
        let Recurrence {
            weight, initial, ..
        } = &self.recurrence;
        [&self.projected, weight, &self.bias, initial]
    }
}

/// The recurrence of one direction: weights and initial states.
#[derive(Clone, Debug, ExtensionType)]
pub struct Recurrence<B: Backend> {
    /// `[3 * hidden, hidden]`
    pub weight: FloatTensor<B>,
    /// `[sentences, hidden]` in sorted order: the states before the first step.
    pub initial: FloatTensor<B>,
    /// From the last word to the first.
    pub reverse: bool,
}

/// The results of one direction's forward pass that its backward pass needs.
#[derive(Clone, Debug)]
pub struct GruTrace<B: Backend> {
    /// `[rows, hidden]`
    pub states: FloatTensor<B>,
    /// `[rows, 4 * hidden]`: r, z, n and the candidate's recurrent term; absent if nothing will be
    /// differentiated.
    pub gates: Option<FloatTensor<B>>,
}

/// The gradients of one direction's inputs.
#[derive(Clone, Debug)]
pub struct GruGradients<B: Backend> {
    /// The gradient of [`GruInputs::projected`].
    pub projected: FloatTensor<B>,
    /// Of [`Recurrence::weight`].
    pub weight: FloatTensor<B>,
    /// Of [`GruInputs::bias`].
    pub bias: FloatTensor<B>,
    /// The gradient of [`Recurrence::initial`].
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
            let weight = inputs.recurrence.weight.dtype();
            let Some(arithmetic) = Arithmetic::of(&inputs.projected, weight) else {
                return generic::forward::<Self>(inputs, steps, save);
            };
            let hidden = inputs.recurrence.weight.shape()[1];
            let weight = slice(inputs.recurrence.weight);
            let initial = Numbers::new(inputs.recurrence.initial);
            let scan = Scan {
                steps,
                reverse: inputs.recurrence.reverse,
                threads,
                product: arithmetic.product(),
                weight: &weight,
                initial: &initial,
                hidden,
            };
            let projected = Numbers::new(inputs.projected);
            let (states, gates) = scan.forward(&projected, &slice(inputs.bias), save);
            GruTrace {
                states: arithmetic.activations(states, [steps.rows(), hidden]),
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
            let Some(arithmetic) = Arithmetic::of(&gradient, recurrence.weight.dtype()) else {
                return generic::backward::<Self>(gradient, trace, recurrence, steps);
            };
            let hidden = recurrence.weight.shape()[1];
            let sentences = recurrence.initial.shape()[0];
            let weight = slice(recurrence.weight);
            let initial = Numbers::new(recurrence.initial);
            let scan = Scan {
                steps,
                reverse: recurrence.reverse,
                threads,
                product: arithmetic.product(),
                weight: &weight,
                initial: &initial,
                hidden,
            };
            #[allow(
                clippy::expect_used,
                reason = "`traced` saves the gates of what is differentiated"
            )]
            let gates = slice(trace.gates.expect("gates of the forward pass"));
            let (gradient, states) = (Numbers::new(gradient), Numbers::new(trace.states));
            let gradients = scan.backward(&gradient, &states, &gates);
            GruGradients {
                projected: arithmetic.activations(gradients.projected, [steps.rows(), 3 * hidden]),
                weight: tensor(gradients.weight, [3 * hidden, hidden]),
                bias: tensor(gradients.bias, [3 * hidden]),
                initial: arithmetic.activations(gradients.initial, [sentences, hidden]),
            }
        };
        directions.into_par_iter().map(run).collect()
    }
}

/// With no more threads than directions, each direction uses one thread: the products of a single
/// time step are too small to split.
fn threads_for(directions: usize) -> Threads {
    if rayon::current_num_threads() <= directions {
        Threads::One
    } else {
        Threads::All
    }
}

/// The state kept for a scan's backward pass.
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

/// Runs the scan and keeps the gates for its derivative.
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

/// One or two directions side by side; parents: the tensors of [`GruInputs`] of each.
#[derive(Debug)]
struct GruScan;

impl<B: GruKernels, const N: usize> Backward<B, N> for GruScan {
    type State = Walked<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let of_directions = match ops.state.traces.len() {
            1 => vec![gradient],
            directions => {
                let (rows, width) = (gradient.shape()[0], gradient.shape()[1] / directions);
                let columns = (0..directions).map(|k| k * width..(k + 1) * width);
                let part = |columns| [Slice::from(0..rows), Slice::from(columns)];
                columns
                    .map(|columns| B::float_slice(gradient.clone(), &part(columns)))
                    .collect()
            }
        };
        let directions = ops.state.backward(of_directions);
        for (parents, g) in ops.parents.chunks(4).zip(directions) {
            for (parent, value) in parents
                .iter()
                .zip([g.projected, g.weight, g.bias, g.initial])
            {
                if let Some(node) = parent {
                    gradients.register::<B>(node.id, value);
                }
            }
        }
    }
}

/// One or two directions' states side by side, with gradients; `N` tensors, four a direction.
pub(super) fn differentiable<B: GruKernels, C: CheckpointStrategy, const N: usize>(
    directions: Vec<GruInputs<Autodiff<B, C>>>,
    steps: &Steps,
) -> FloatTensor<Autodiff<B, C>> {
    let tensors = directions.iter().flat_map(GruInputs::tensors);
    let nodes: Vec<_> = tensors.map(|x| x.node()).collect();
    let Ok(nodes) = <[_; N]>::try_from(nodes) else {
        unreachable!("{N} tensors of {} directions", directions.len())
    };
    let untracked = |inputs: GruInputs<Autodiff<B, C>>| GruInputs {
        projected: inputs.projected.into_primitive(),
        recurrence: Recurrence {
            weight: inputs.recurrence.weight.into_primitive(),
            initial: inputs.recurrence.initial.into_primitive(),
            reverse: inputs.recurrence.reverse,
        },
        bias: inputs.bias.into_primitive(),
    };
    let directions = directions.into_iter().map(untracked).collect();
    match GruScan.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (walked, states) = traced::<B>(directions, steps);
            prepared.finish(walked, states)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(states::<B>(directions, steps)),
    }
}
