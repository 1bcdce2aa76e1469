//! PyTorch's fused Adam, and squared norms.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::{IValue, Kind, Tensor};

use super::{script, upload_indices};
use crate::ops::AdamState;
use crate::ops::adam::{AdamKernels, AdamStep};

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
