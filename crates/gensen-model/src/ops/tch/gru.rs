//! The recurrence, for encoders in one direction.
//!
//! A step is 8 calls forward (21 to 29 with Burn's primitives) and 14 backward (50), into buffers for
//! all steps, so that nothing is concatenated afterwards.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::Tensor;

use super::{rounded, rows, sum_of_rows};
use crate::ops::gru::generic::visits;
use crate::ops::gru::{GruGradients, GruInputs, GruKernels, GruTrace, Recurrence};
use crate::packed::Steps;

impl GruKernels for LibTorch {
    fn gru_forward(
        directions: Vec<GruInputs<Self>>,
        steps: &Steps,
        save: bool,
    ) -> Vec<GruTrace<Self>> {
        let run = |inputs| forward(inputs, steps, save);
        directions.into_iter().map(run).collect()
    }

    fn gru_backward(
        directions: Vec<(TchTensor, GruTrace<Self>, Recurrence<Self>)>,
        steps: &Steps,
    ) -> Vec<GruGradients<Self>> {
        let run = |(gradient, trace, recurrence)| backward(gradient, trace, recurrence, steps);
        directions.into_iter().map(run).collect()
    }
}

/// A view of the `index`-th block of `width` columns of a matrix.
fn columns(x: &Tensor, index: i64, width: i64) -> Tensor {
    x.narrow(1, index * width, width)
}

/// An uninitialised matrix on the device of `like`.
fn empty(like: &Tensor, rows: usize, columns: i64) -> Tensor {
    like.new_empty([rows as i64, columns], (like.kind(), like.device()))
}

/// The previous states of the `k`-th step in `order`, in two parts: of sentences that were running,
/// and of sentences that start.
fn previous(
    states: &Tensor,
    initial: &Tensor,
    steps: &Steps,
    order: &[usize],
    k: usize,
) -> [Option<Tensor>; 2] {
    let width = steps.width(order[k]);
    let before = k.checked_sub(1).map(|k| order[k]);
    let known = before.map_or(0, |t| steps.width(t).min(width));
    [
        before.map(|t| rows(states, steps.start(t), known)),
        (known < width).then(|| rows(initial, known, width - known)),
    ]
}

fn forward(inputs: GruInputs<LibTorch>, steps: &Steps, save: bool) -> GruTrace<LibTorch> {
    let weight = rounded(&inputs.recurrence.weight, &inputs.projected).tr();
    let h = weight.size()[0];
    let projected = &inputs.projected.tensor;
    let bias = &rounded(&inputs.bias, &inputs.projected);
    let initial = &inputs.recurrence.initial.tensor;
    let states = empty(projected, steps.rows(), h);
    let widest = if steps.is_empty() { 0 } else { steps.width(0) };
    let gates = empty(projected, if save { steps.rows() } else { widest }, 4 * h);
    let recurrent = empty(projected, widest, 3 * h);
    let order = visits(steps, inputs.recurrence.reverse);
    for (k, &t) in order.iter().enumerate() {
        let (start, width) = (steps.start(t), steps.width(t));
        let previous = previous(&states, initial, steps, &order, k);
        // y = W_hh h + b_hh
        let y = rows(&recurrent, 0, width);
        let mut row = 0;
        for part in previous.iter().flatten() {
            let count = part.size()[0];
            let _ = bias.addmm_out(&y.narrow(0, row, count), part, &weight);
            row += count;
        }
        let x = rows(projected, start, width);
        let saved = rows(&gates, if save { start } else { 0 }, width);
        let [r, z, n, y_n] = [0, 1, 2, 3].map(|gate| columns(&saved, gate, h));
        // r = s(x_r + y_r), z = s(x_z + y_z)
        let mut r_z = columns(&saved, 0, 2 * h);
        let _ = columns(&x, 0, 2 * h).add_out(&r_z, &columns(&y, 0, 2 * h));
        let _ = r_z.sigmoid_();
        // n = tanh(x_n + r y_n)
        let recurrent_n = columns(&y, 2, h);
        let mut n_place = n.shallow_clone();
        let _ = columns(&x, 2, h).addcmul_out(&n, &r, &recurrent_n);
        let _ = n_place.tanh_();
        if save {
            let mut place = y_n;
            place.copy_(&recurrent_n);
        }
        // h' = (1 - z) n + z h
        let mut row = 0;
        for part in previous.iter().flatten() {
            let count = part.size()[0];
            let of = |x: &Tensor| x.narrow(0, row, count);
            let state = of(&rows(&states, start, width));
            let _ = of(&n).lerp_tensor_out(&state, part, &of(&z));
            row += count;
        }
    }
    GruTrace {
        states: TchTensor::new(states),
        gates: save.then(|| TchTensor::new(gates)),
    }
}

fn backward(
    gradient: TchTensor,
    trace: GruTrace<LibTorch>,
    recurrence: Recurrence<LibTorch>,
    steps: &Steps,
) -> GruGradients<LibTorch> {
    let weight_kind = recurrence.weight.tensor.kind();
    let weight = &rounded(&recurrence.weight, &gradient);
    let (gradient, states) = (&gradient.tensor, &trace.states.tensor);
    let initial = &recurrence.initial.tensor;
    let gates = trace.gates.as_ref().map_or(states, |gates| &gates.tensor);
    let h = weight.size()[1];
    let projected = empty(gradient, steps.rows(), 3 * h);
    let recurrent = empty(gradient, steps.rows(), 3 * h);
    let all_previous = empty(gradient, steps.rows(), h);
    let carried = initial.zeros_like();
    let straight = initial.empty_like();
    let order = visits(steps, recurrence.reverse);
    for (k, &t) in order.iter().enumerate().rev() {
        let (start, width) = (steps.start(t), steps.width(t));
        let of = |x: &Tensor| rows(x, start, width);
        let saved = of(gates);
        let [r, z, n, y_n] = [0, 1, 2, 3].map(|gate| columns(&saved, gate, h));
        let previous = of(&all_previous);
        let mut row = 0;
        for part in self::previous(states, initial, steps, &order, k)
            .into_iter()
            .flatten()
        {
            let count = part.size()[0];
            previous.narrow(0, row, count).copy_(&part);
            row += count;
        }
        // d = d loss / d h' + gradient from later steps
        let mut d = rows(&carried, 0, width);
        let _ = d.g_add_(&of(gradient));
        let (to_projected, to_recurrent) = (of(&projected), of(&recurrent));
        let [d_r, d_z, d_n] = [0, 1, 2].map(|gate| columns(&to_projected, gate, h));
        let [mut y_r, mut y_z, y_h] = [0, 1, 2].map(|gate| columns(&to_recurrent, gate, h));
        // d z = d (h - n) z (1 - z)
        let _ = previous.sub_out(&y_z, &n);
        let _ = y_z.g_mul_(&d);
        let _ = Tensor::sigmoid_backward_grad_input(&d_z, &y_z, &z);
        // d n = d (1 - z) (1 - n^2), and d z goes straight to h
        let straight = rows(&straight, 0, width);
        let _ = d.mul_out(&straight, &z);
        let _ = d.sub_out(&y_h, &straight);
        let _ = Tensor::tanh_backward_grad_input(&d_n, &y_h, &n);
        let _ = d_n.mul_out(&y_h, &r);
        // d r = d n y_n r (1 - r)
        let _ = d_n.mul_out(&y_r, &y_n);
        let _ = Tensor::sigmoid_backward_grad_input(&d_r, &y_r, &r);
        y_r.copy_(&d_r);
        y_z.copy_(&d_z);
        // d h = d z + W_hh^T d y
        let _ = straight.addmm_out(&d, &to_recurrent, weight);
    }
    GruGradients {
        weight: TchTensor::new(recurrent.tr().mm(&all_previous).to_kind(weight_kind)),
        bias: TchTensor::new(sum_of_rows(&recurrent).to_kind(weight_kind)),
        projected: TchTensor::new(projected),
        initial: TchTensor::new(carried),
    }
}
