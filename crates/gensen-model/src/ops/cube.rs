//! Kernels of our own for Burn's `Cube` back end: CUDA, Metal and Vulkan through CubeCL.
//!
//! A GPU's time goes to launches and memory traffic, so each operation is cut into matrix products,
//! which Burn tunes for the device, and as few passes of our own as possible. Nothing is read back
//! to the host: sizes are known beforehand, and losses and norms stay on the device until the
//! caller reads them.
//!
//! `docs/gpu.md` counts the launches and the traffic.
//!
//! Kernels read and write numbers of any float type and compute in f32, so that a model in bf16
//! runs through the same code; Adam's parameter and moments are f32 (the master copy).

mod adam;
mod cross_entropy;
mod gru;
#[cfg(test)]
mod launches;
mod math;
mod rows;

use burn::backend::{Cube, DType, cubecl::dtype_to_elem_type};
use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::gru_layer::GruLayerKernels;
use super::linear::LinearKernels;

impl GruLayerKernels for Cube {}
impl LinearKernels for Cube {}

/// All devices to test on; reports if there are none.
#[cfg(test)]
pub(super) fn devices_to_test() -> Vec<burn_cubecl::CubeDevice> {
    let devices = burn_cubecl::CubeDevice::enumerate_all();
    if devices.is_empty() {
        eprintln!("SKIPPED: no device of the Cube back end is present");
    }
    devices
}

/// Units (threads) of a cube (a block of threads): what every device can run.
const UNITS: u32 = 256;

/// Enough cubes for a unit per number.
fn one_unit_each(client: &Client, count: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(UNITS);
    (calculate_cube_count_elemwise(client, count, dim), dim)
}

/// An uninitialised contiguous tensor on the device of `like`.
fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D], dtype: DType) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::new(shape), dtype)
}

/// A tensor that a kernel may overwrite: itself if it has no other owner, else a copy.
fn owned(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() {
        tensor
    } else {
        into_contiguous(tensor.copy())
    }
}

/// The index type that can address every number of `tensors`.
fn addresses(tensors: &[&CubeTensor]) -> AddressType {
    let types = tensors.iter().map(|x| x.required_address_type());
    types.max().unwrap_or_default()
}

/// The element type by which a kernel is compiled for a tensor.
fn element(tensor: &CubeTensor) -> ElemType {
    dtype_to_elem_type(tensor.dtype)
}

/// The sum of `x` over the units of a cube, in a fixed order.
#[cube]
fn cube_sum(x: f32) -> f32 {
    let mut partial = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let unit = UNIT_POS as usize;
    partial[unit] = x;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            let other = partial[unit + half];
            partial[unit] += other;
        }
        sync_cube();
        half /= 2;
    }
    partial[0]
}

/// The largest `x` of the units of a cube.
#[cube]
fn cube_max(x: f32) -> f32 {
    let mut partial = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let unit = UNIT_POS as usize;
    partial[unit] = x;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            let other = partial[unit + half];
            if other > partial[unit] {
                partial[unit] = other;
            }
        }
        sync_cube();
        half /= 2;
    }
    partial[0]
}
