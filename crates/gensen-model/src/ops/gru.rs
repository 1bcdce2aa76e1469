//! The GRU recurrence over a packed batch as one differentiable operation.
//!
//! `gru_scan` runs one direction, `bigru_scan` both at once. The input projections
//! `W_ih x + b_ih` are computed beforehand for all words in one product; a conditional GRU adds its
//! context term to them. The backward pass is back-propagation through time written by hand, with
//! the recurrent weights' gradient as one product.
//!
//! Gates follow PyTorch's `nn.GRU`: r, z, n stacked on the rows of the weights,
//! `h' = (1 - z) n + z h` with `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`.

use burn::backend::{
    Autodiff, Backend, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn::tensor::{Shape, Slice};
use rayon::prelude::*;

use super::flex::{slice, tensor};
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

/// The recurrence composed of a back end's primitives.
pub(super) mod generic {
    use super::*;

    /// `count` rows from `start`.
    pub(in crate::ops) fn rows<B: Backend>(
        x: &FloatTensor<B>,
        start: usize,
        count: usize,
    ) -> FloatTensor<B> {
        let width = x.shape()[1];
        B::float_slice(
            x.clone(),
            &[Slice::from(start..start + count), Slice::from(0..width)],
        )
    }

    fn columns<B: Backend>(x: &FloatTensor<B>, index: usize, width: usize) -> FloatTensor<B> {
        let rows = x.shape()[0];
        let columns = Slice::from(index * width..(index + 1) * width);
        B::float_slice(x.clone(), &[Slice::from(0..rows), columns])
    }

    fn one_minus<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
        B::float_add_scalar(B::float_neg(x), 1.0_f32.into())
    }

    /// The time steps in the order in which the recurrence visits them.
    pub(in crate::ops) fn visits(steps: &Steps, reverse: bool) -> Vec<usize> {
        let mut times: Vec<usize> = (0..steps.len()).collect();
        if reverse {
            times.reverse();
        }
        times
    }

    /// The states that step `t` starts from, given the states of the step visited before.
    fn previous<B: Backend>(
        before: Option<&FloatTensor<B>>,
        initial: &FloatTensor<B>,
        width: usize,
    ) -> FloatTensor<B> {
        match before {
            None => rows::<B>(initial, 0, width),
            Some(states) => {
                let known = states.shape()[0];
                if known >= width {
                    rows::<B>(states, 0, width)
                } else {
                    let fresh = rows::<B>(initial, known, width - known);
                    B::float_cat(vec![states.clone(), fresh], 0)
                }
            }
        }
    }

    pub(in crate::ops) fn forward<B: Backend>(
        inputs: GruInputs<B>,
        steps: &Steps,
        save: bool,
    ) -> GruTrace<B> {
        let GruInputs {
            projected,
            recurrence,
            bias,
        } = inputs;
        let h = recurrence.weight.shape()[1];
        let transposed = B::float_transpose(recurrence.weight);
        let bias = B::float_reshape(bias, Shape::new([1, 3 * h]));
        let mut states: Vec<Option<FloatTensor<B>>> = vec![None; steps.len()];
        let mut gates: Vec<Option<FloatTensor<B>>> = vec![None; steps.len()];
        let mut before: Option<FloatTensor<B>> = None;
        for t in visits(steps, recurrence.reverse) {
            let width = steps.width(t);
            let previous = previous::<B>(before.as_ref(), &recurrence.initial, width);
            let x = rows::<B>(&projected, steps.start(t), width);
            let y = B::float_matmul(previous.clone(), transposed.clone());
            let y = B::float_add(y, bias.clone());
            let gate = |i| B::float_add(columns::<B>(&x, i, h), columns::<B>(&y, i, h));
            let (r, z) = (B::sigmoid(gate(0)), B::sigmoid(gate(1)));
            let hn = columns::<B>(&y, 2, h);
            let n = B::float_mul(r.clone(), hn.clone());
            let n = B::float_tanh(B::float_add(columns::<B>(&x, 2, h), n));
            let change = B::float_mul(z.clone(), B::float_sub(previous, n.clone()));
            let state = B::float_add(n.clone(), change);
            if save {
                gates[t] = Some(B::float_cat(vec![r, z, n, hn], 1));
            }
            states[t] = Some(state.clone());
            before = Some(state);
        }
        GruTrace {
            states: B::float_cat(states.into_iter().flatten().collect(), 0),
            gates: save.then(|| B::float_cat(gates.into_iter().flatten().collect(), 0)),
        }
    }

    pub(in crate::ops) fn backward<B: Backend>(
        gradient: FloatTensor<B>,
        trace: GruTrace<B>,
        recurrence: Recurrence<B>,
        steps: &Steps,
    ) -> GruGradients<B> {
        let h = recurrence.weight.shape()[1];
        let gates = trace.gates.unwrap_or_else(|| trace.states.clone());
        let order = visits(steps, recurrence.reverse);
        let step_states = |t: usize| rows::<B>(&trace.states, steps.start(t), steps.width(t));
        let mut projected: Vec<Option<FloatTensor<B>>> = vec![None; steps.len()];
        let mut recurrent = projected.clone();
        let mut previous_states = projected.clone();
        // d loss / d initial states of sentences whose scan has been walked back to its start.
        let mut carried = B::float_zeros(
            recurrence.initial.shape(),
            &recurrence.initial.device(),
            burn::backend::DType::F32.into(),
        );
        for (k, &t) in order.iter().enumerate().rev() {
            let width = steps.width(t);
            let before = (k > 0).then(|| step_states(order[k - 1]));
            let previous = previous::<B>(before.as_ref(), &recurrence.initial, width);
            let saved = rows::<B>(&gates, steps.start(t), width);
            let [r, z, n, hn] = [0, 1, 2, 3].map(|i| columns::<B>(&saved, i, h));
            let d = rows::<B>(&gradient, steps.start(t), width);
            let d = B::float_add(d, rows::<B>(&carried, 0, width));
            let d_n = B::float_mul(
                B::float_mul(d.clone(), one_minus::<B>(z.clone())),
                one_minus::<B>(B::float_mul(n.clone(), n.clone())),
            );
            let to_z = B::float_mul(d.clone(), B::float_sub(previous.clone(), n));
            let d_z = B::sigmoid_backward(z.clone(), to_z);
            let d_r = B::sigmoid_backward(r.clone(), B::float_mul(d_n.clone(), hn));
            let d_hn = B::float_mul(d_n.clone(), r);
            let to_recurrent = B::float_cat(vec![d_r.clone(), d_z.clone(), d_hn], 1);
            let through = B::float_matmul(to_recurrent.clone(), recurrence.weight.clone());
            let back = B::float_add(B::float_mul(d, z), through);
            carried =
                B::float_slice_assign(carried, &[Slice::from(0..width), Slice::from(0..h)], back);
            projected[t] = Some(B::float_cat(vec![d_r, d_z, d_n], 1));
            recurrent[t] = Some(to_recurrent);
            previous_states[t] = Some(previous);
        }
        let cat = |parts: Vec<Option<FloatTensor<B>>>| {
            B::float_cat(parts.into_iter().flatten().collect(), 0)
        };
        let recurrent = cat(recurrent);
        GruGradients {
            projected: cat(projected),
            weight: B::float_matmul(B::float_transpose(recurrent.clone()), cat(previous_states)),
            bias: B::float_reshape(B::float_sum_dim(recurrent, 0), Shape::new([3 * h])),
            initial: carried,
        }
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
