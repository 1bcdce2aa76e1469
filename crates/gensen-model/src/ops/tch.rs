//! The recurrence, the loss and Adam on libtorch, in few calls that write in place.
//!
//! Layers run on libtorch's own GRU (`layer`): cuDNN's on CUDA (`cudnn`), else by libtorch's autograd
//! (`autograd`). The recurrence here is only for encoders in one direction. A step is 8 calls
//! forward (21 to 29 with Burn's primitives) and 14 backward (50), into buffers for all steps, so
//! that nothing is concatenated afterwards.

mod autograd;
mod cudnn;
mod layer;
mod script;

use burn::backend::libtorch::{LibTorchDevice, TchTensor};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{LibTorch, TensorMetadata};
use burn::tensor::{DType, TensorData};
use tch::{Device, IValue, Kind, Reduction, Tensor};

use super::AdamState;
use super::OperationBackward;
use super::adam::{AdamKernels, AdamStep};
use super::cross_entropy::{self, CrossEntropy, CrossEntropyKernels, LossGradients};
use super::gru::generic::visits;
use super::gru::{GruGradients, GruInputs, GruKernels, GruTrace, Recurrence};
use super::linear::LinearKernels;
use super::rows::RowKernels;
use crate::packed::Steps;

/// Logits held at a time, 512 MiB of f32.
const LOGITS_PER_CHUNK: usize = 128 << 20;

impl RowKernels for LibTorch {
    fn upload_indices(numbers: &[u32], device: &LibTorchDevice) -> TchTensor {
        TchTensor::new(upload_indices(numbers, (*device).into()))
    }

    fn upload_floats(numbers: TensorData, device: &LibTorchDevice) -> TchTensor {
        let shape: Vec<i64> = numbers.shape().iter().map(|&size| size as i64).collect();
        let numbers = Tensor::from_data_size(numbers.as_bytes(), &shape, Kind::Float);
        TchTensor::new(upload(&numbers, (*device).into()))
    }

    fn sum_rows(values: TchTensor, places: &[u32], rows: usize) -> TchTensor {
        let values = &values.tensor;
        let shape = [rows as i64, values.size()[1]];
        let mut sums = values.new_zeros(shape, (values.kind(), values.device()));
        let places = upload_indices(places, values.device());
        TchTensor::new(sums.index_add_(0, &places, values))
    }
}

fn upload_indices(numbers: &[u32], device: Device) -> Tensor {
    let numbers: Vec<i64> = numbers.iter().map(|&k| i64::from(k)).collect();
    upload(&Tensor::from_slice(&numbers), device)
}

/// The largest copy from pageable memory, in bytes, for which CUDA does not wait for the queued
/// work.
const STAGED: usize = 64 << 10;

/// Copies from the host to a device, without waiting for the queued work. Above [`STAGED`] bytes
/// this requires pinned memory, for which libtorch prints a deprecation warning each time.
fn upload(numbers: &Tensor, device: Device) -> Tensor {
    if !device.is_cuda() {
        return numbers.to_device(device);
    }
    let bytes = numbers.numel() * numbers.kind().elt_size_in_bytes();
    if bytes > STAGED {
        let pinned = numbers.pin_memory(device);
        return pinned.to_device_(device, numbers.kind(), true, false);
    }
    numbers.to_device_(device, numbers.kind(), true, false)
}

/// The tensor itself if it has no other owner, else a copy.
fn own(tensor: TchTensor) -> Tensor {
    if tensor.can_mut() {
        tensor.tensor
    } else {
        tensor.tensor.copy()
    }
}

/// A number of steps at which Adam's bias corrections are 1.
const UNBIASED: f64 = 1e30;

/// PyTorch's fused Adam: one pass, in place; the gradient is overwritten.
///
/// The step includes the bias corrections, so PyTorch's own are turned off by [`UNBIASED`], and
/// `p -= size * m / (sqrt(v) * correction + epsilon)` is passed with the correction divided out.
fn fused_adam(
    [parameter, mean, variance]: [&Tensor; 3],
    gradient: &Tensor,
    scale: &Tensor,
    step: AdamStep,
) {
    let list = |x: &Tensor| IValue::TensorList(vec![x.shallow_clone()]);
    let correction = f64::from(step.variance_correction);
    let steps = Tensor::full([1], UNBIASED, (Kind::Float, parameter.device())).squeeze();
    let arguments = [
        list(parameter),
        list(gradient),
        list(mean),
        list(variance),
        list(&steps),
        IValue::Tensor(scale.reciprocal().reshape([] as [i64; 0])),
        IValue::Double(f64::from(step.step_size) / correction),
        IValue::Double(f64::from(step.beta1)),
        IValue::Double(f64::from(step.beta2)),
        IValue::Double(f64::from(step.epsilon) / correction),
    ];
    script::call("adam", &arguments);
}

impl AdamKernels for LibTorch {
    fn adam(
        parameter: TchTensor,
        mean: TchTensor,
        variance: TchTensor,
        gradient: TchTensor,
        scale: TchTensor,
        step: AdamStep,
    ) -> AdamState<Self> {
        let [parameter, mean, variance, gradient] = [parameter, mean, variance, gradient].map(own);
        let state = [&parameter, &mean, &variance];
        fused_adam(state, &gradient.contiguous(), &scale.tensor, step);
        let [parameter, mean, variance] = [parameter, mean, variance].map(TchTensor::new);
        AdamState {
            parameter,
            mean,
            variance,
        }
    }

    /// The moments of all rows decay, so that the dense gradient costs only two passes more.
    fn adam_rows(
        [parameter, mean, variance]: [TchTensor; 3],
        values: TchTensor,
        rows: &[u32],
        scale: TchTensor,
        step: AdamStep,
    ) -> AdamState<Self> {
        let values = &values.tensor;
        let width = values.size()[1];
        let gradient = parameter.tensor.zeros_like();
        let rows = upload_indices(rows, values.device());
        let _ = gradient.view([-1, width]).index_copy_(0, &rows, values);
        Self::adam(
            parameter,
            mean,
            variance,
            TchTensor::new(gradient),
            scale,
            step,
        )
    }

    /// Avoids an array of squares.
    fn squared_norm(tensor: TchTensor) -> TchTensor {
        let numbers = tensor.tensor.reshape([-1]).to_kind(Kind::Float);
        TchTensor::new(numbers.dot(&numbers).reshape([1]))
    }
}

impl LinearKernels for LibTorch {
    fn linear_forward(x: TchTensor, weight: TchTensor, bias: TchTensor) -> TchTensor {
        let [weight, bias] = [&weight, &bias].map(|weight| rounded(weight, &x));
        TchTensor::new(bias.addmm(&x.tensor, &weight.tr()))
    }

    fn linear_input_gradient(gradient: TchTensor, weight: TchTensor) -> TchTensor {
        TchTensor::new(gradient.tensor.mm(&rounded(&weight, &gradient)))
    }

    fn linear_weight_gradients(gradient: TchTensor, x: TchTensor, weight: DType) -> [TchTensor; 2] {
        let bias = sum_of_rows(&gradient.tensor);
        [gradient.tensor.tr().mm(&x.tensor), bias].map(|gradient| {
            <Self as FloatTensorOps<Self>>::float_cast(TchTensor::new(gradient), weight.into())
        })
    }
}

/// A weight in the float type of activations.
fn rounded(weight: &TchTensor, activations: &TchTensor) -> Tensor {
    weight.tensor.to_kind(activations.tensor.kind())
}

/// The sum of a matrix's rows.
fn sum_of_rows(x: &Tensor) -> Tensor {
    x.sum_dim_intlist([0_i64].as_slice(), false, None)
}

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

/// A view of `count` rows of a matrix from `start`.
fn rows(x: &Tensor, start: usize, count: usize) -> Tensor {
    x.narrow(0, start as i64, count as i64)
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

impl CrossEntropyKernels for LibTorch {
    fn cross_entropy(
        states: TchTensor,
        weight: TchTensor,
        bias: TchTensor,
        targets: &[u32],
        gradients: Option<f32>,
    ) -> CrossEntropy<Self> {
        let chunk = (LOGITS_PER_CHUNK / weight.shape()[0].max(1)).max(16);
        Projection::new([&states, &weight, &bias], targets).cross_entropy(chunk, gradients)
    }

    /// In place; libtorch multiplies in f32.
    fn scaled(mut gradient: TchTensor, upstream: TchTensor) -> TchTensor {
        if !gradient.can_mut() {
            return cross_entropy::generic_scaled::<Self>(gradient, upstream);
        }
        let _ = gradient.tensor.g_mul_(&upstream.tensor);
        gradient
    }
}

/// States, and the map from them to the logits of words.
pub(super) struct Projection {
    /// `[positions, hidden]`
    states: TchTensor,
    /// `[words, hidden]` and `[words]`, in the float type of the states.
    weight: TchTensor,
    bias: TchTensor,
    /// One word a position.
    targets: TchTensor,
    /// The float type of the gradients of weight and bias.
    weight_kind: Kind,
}

impl Projection {
    pub(super) fn new([states, weight, bias]: [&TchTensor; 3], targets: &[u32]) -> Self {
        let targets = upload_indices(targets, states.tensor.device());
        Self {
            states: states.clone(),
            weight: TchTensor::new(rounded(weight, states)),
            bias: TchTensor::new(rounded(bias, states)),
            targets: TchTensor::new(targets),
            weight_kind: weight.tensor.kind(),
        }
    }

    /// The mean loss over positions, `chunk` positions at a time. If all are one chunk, their
    /// log-probabilities are kept for the backward pass, which multiplies them, and not the larger
    /// gradient of the weight, by the upstream gradient.
    pub(super) fn cross_entropy(
        self,
        chunk: usize,
        gradients: Option<f32>,
    ) -> CrossEntropy<LibTorch> {
        let positions = self.targets.shape()[0];
        let mean = 1.0 / positions.max(1) as f64;
        if positions <= chunk {
            let (logs, loss) = self.log_probabilities(0, positions);
            let logs = TchTensor::new(logs);
            return CrossEntropy {
                loss: TchTensor::new((loss * mean).reshape([1])),
                gradients: gradients.filter(|_| positions > 0).map(|scale| {
                    let backward = move |upstream: TchTensor| {
                        let logs = &logs;
                        let factor = upstream.tensor * f64::from(scale);
                        let logs = logs.tensor.shallow_clone();
                        self.gradients(0, logs, &factor).map(TchTensor::new)
                    };
                    LossGradients::Deferred(OperationBackward::new(backward))
                }),
            };
        }
        let single = (Kind::Float, self.states.tensor.device());
        let mut loss = Tensor::zeros([1], single);
        let mut of_states = Vec::new();
        let mut sums: Option<[Tensor; 2]> = None;
        for first in (0..positions).step_by(chunk) {
            let (logs, sum) = self.log_probabilities(first, chunk.min(positions - first));
            let _ = loss.g_add_(&sum);
            if let Some(scale) = gradients {
                let factor = Tensor::full([1], f64::from(scale), single);
                let [states, weight, bias] = self.gradients(first, logs, &factor);
                of_states.push(states);
                sums = Some(match sums {
                    None => [weight, bias],
                    Some([mut sum, mut bias_sum]) => [sum.g_add_(&weight), bias_sum.g_add_(&bias)],
                });
            }
        }
        CrossEntropy {
            loss: TchTensor::new(loss.g_mul_scalar_(mean)),
            gradients: sums.map(|[weight, bias]| {
                let states = Tensor::cat(&of_states, 0);
                LossGradients::Ready([states, weight, bias].map(TchTensor::new))
            }),
        }
    }

    /// The log-probabilities `[count, words]` of words at positions from `first` on, and the sum of
    /// the losses, in f32.
    fn log_probabilities(&self, first: usize, count: usize) -> (Tensor, Tensor) {
        let states = rows(&self.states.tensor, first, count);
        let logits = self.bias.tensor.addmm(&states, &self.weight.tensor.tr());
        let logs = logits.log_softmax(-1, Kind::Float);
        let targets = rows(&self.targets.tensor, first, count);
        let loss = logs.g_nll_loss::<Tensor>(&targets, None, Reduction::Sum, -100);
        (logs, loss)
    }

    /// The gradients of the loss's sum times `factor`, `[1]` in f32, at the positions from `first` on,
    /// whose log-probabilities are overwritten. The factor multiplies states, which are smaller than
    /// logits.
    fn gradients(&self, first: usize, mut logs: Tensor, factor: &Tensor) -> [Tensor; 3] {
        let of = |x: &TchTensor| x.tensor.narrow(0, first as i64, logs.size()[0]);
        let (states, targets) = (of(&self.states), of(&self.targets).unsqueeze(1));
        let kind = states.kind();
        // softmax(x) - one at target
        let minus_ones = Tensor::full(targets.size(), -1.0, (Kind::Float, targets.device()));
        let gradient = logs
            .exp_()
            .scatter_add_(1, &targets, &minus_ones)
            .to_kind(kind);
        let times_factor = |x: Tensor| (x * factor).to_kind(kind);
        let [of_states, of_bias] = [gradient.mm(&self.weight.tensor), sum_of_rows(&gradient)];
        let of_weight = gradient.tr().mm(&times_factor(states));
        [
            times_factor(of_states),
            of_weight.to_kind(self.weight_kind),
            (of_bias * factor).to_kind(self.weight_kind),
        ]
    }
}
