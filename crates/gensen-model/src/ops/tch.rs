//! The operations on libtorch, in few calls that write in place: rows and linear maps here, the others in
//! files of their own.
//!
//! Layers run on libtorch's own GRU (`layer`): cuDNN's on CUDA (`cudnn`), else by libtorch's autograd
//! (`autograd`).

mod adam;
mod autograd;
mod cross_entropy;
mod cudnn;
mod gru;
mod layer;
mod script;

use burn::backend::LibTorch;
use burn::backend::libtorch::{LibTorchDevice, TchTensor};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, TensorData};
#[cfg(test)]
pub(super) use cross_entropy::Projection;
use tch::{Device, Kind, Tensor};

use super::linear::LinearKernels;
use super::rows::RowKernels;

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

/// A view of `count` rows of a matrix from `start`.
fn rows(x: &Tensor, start: usize, count: usize) -> Tensor {
    x.narrow(0, start as i64, count as i64)
}
