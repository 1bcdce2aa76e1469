//! The output projection and its loss.

use burn::backend::libtorch::TchTensor;
use burn::backend::{LibTorch, TensorMetadata};
use tch::{Kind, Reduction, Tensor};

use super::{rounded, rows, sum_of_rows, upload_indices};
use crate::ops::OperationBackward;
use crate::ops::cross_entropy::{self, CrossEntropy, CrossEntropyKernels, LossGradients};

/// Logits held at a time, 512 MiB of f32.
const LOGITS_PER_CHUNK: usize = 128 << 20;

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
pub(in crate::ops) struct Projection {
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
    pub(in crate::ops) fn new([states, weight, bias]: [&TchTensor; 3], targets: &[u32]) -> Self {
        let targets = upload_indices(targets, states.tensor.device());
        // A weight that needs no rounding is counted as in use until the backward pass has read it.
        let shared = |weight: &TchTensor| {
            TchTensor::from_existing(rounded(weight, states), weight.storage.clone())
        };
        Self {
            states: states.clone(),
            weight: shared(weight),
            bias: shared(bias),
            targets: TchTensor::new(targets),
            weight_kind: weight.tensor.kind(),
        }
    }

    /// The mean loss over positions, `chunk` positions at a time. If all are one chunk, their
    /// log-probabilities are kept for the backward pass, which multiplies them, and not the larger
    /// gradient of the weight, by the upstream gradient.
    pub(in crate::ops) fn cross_entropy(
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
