//! The recurrence as a composition of a back end's primitives.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, Slice};

use super::{GruGradients, GruInputs, GruTrace, Recurrence};
use crate::packed::Steps;

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
    // d loss / d initial states of sentences whose first step has been visited.
    let mut carried = B::float_zeros(
        recurrence.initial.shape(),
        &recurrence.initial.device(),
        recurrence.initial.dtype().into(),
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
        carried = B::float_slice_assign(carried, &[Slice::from(0..width), Slice::from(0..h)], back);
        projected[t] = Some(B::float_cat(vec![d_r, d_z, d_n], 1));
        recurrent[t] = Some(to_recurrent);
        previous_states[t] = Some(previous);
    }
    let cat =
        |parts: Vec<Option<FloatTensor<B>>>| B::float_cat(parts.into_iter().flatten().collect(), 0);
    let recurrent = cat(recurrent);
    GruGradients {
        projected: cat(projected),
        weight: B::float_matmul(B::float_transpose(recurrent.clone()), cat(previous_states)),
        bias: B::float_reshape(B::float_sum_dim(recurrent, 0), Shape::new([3 * h])),
        initial: carried,
    }
}
