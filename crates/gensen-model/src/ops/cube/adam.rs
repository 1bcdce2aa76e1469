//! Adam's update in one pass over memory, where the parameter and its moments lie, and the
//! gradient's square norm in one pass over the gradient.

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::{Cube, DType, TensorMetadata};
use burn::tensor::{Shape, TensorData};
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{UNITS, addresses, cube_sum, element, empty, one_unit_each, owned};
use crate::ops::AdamState;
use crate::ops::adam::{AdamKernels, AdamStep, dense, generic};

/// The maximum number of cubes that share a norm; fixed, so that the order of additions depends on
/// sizes alone.
const CUBES_PER_NORM: usize = 1024;

/// [`AdamStep`] on the device.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
struct Scalars {
    step_size: f32,
    beta1: f32,
    beta2: f32,
    variance_correction: f32,
    epsilon: f32,
}

fn scalars(step: AdamStep) -> ScalarsLaunch {
    ScalarsLaunch::new(
        step.step_size,
        step.beta1,
        step.beta2,
        step.variance_correction,
        step.epsilon,
    )
}

impl AdamKernels for Cube {
    fn adam(
        parameter: CubeTensor,
        mean: CubeTensor,
        variance: CubeTensor,
        gradient: CubeTensor,
        scale: CubeTensor,
        step: AdamStep,
    ) -> AdamState<Self> {
        if parameter.dtype != DType::F32 {
            return generic::<Self>(parameter, mean, variance, gradient, scale, step);
        }
        let [parameter, mean, variance] = [parameter, mean, variance].map(owned);
        let numbers = parameter.shape().num_elements();
        let (count, dim) = one_unit_each(&parameter.client, numbers);
        let element = element(&gradient);
        adam_dense::launch(
            &parameter.client,
            count,
            dim,
            addresses(&[&parameter]),
            parameter.clone().into_buffer_arg(),
            mean.clone().into_buffer_arg(),
            variance.clone().into_buffer_arg(),
            into_contiguous(gradient).into_buffer_arg(),
            scale.into_buffer_arg(),
            scalars(step),
            numbers,
            element,
        );
        AdamState {
            parameter,
            mean,
            variance,
        }
    }

    fn adam_rows(
        [parameter, mean, variance]: [CubeTensor; 3],
        values: CubeTensor,
        rows: &[u32],
        scale: CubeTensor,
        step: AdamStep,
    ) -> AdamState<Self> {
        let (numbers, width) = (parameter.shape().num_elements(), values.shape()[1]);
        if parameter.dtype != DType::F32 || rows.is_empty() || width == 0 {
            let gradient = dense::<Self>(values, rows, numbers);
            return Self::adam(parameter, mean, variance, gradient, scale, step);
        }
        let [parameter, mean, variance] = [parameter, mean, variance].map(owned);
        // The index of each row's gradient in `values`, counted from one; zero: no gradient.
        let mut slots = vec![0_u32; numbers / width];
        for (slot, &row) in (1..).zip(rows) {
            slots[row as usize] = slot;
        }
        let slots = TensorData::new(slots, [numbers / width]);
        let slots = Self::int_from_data(slots, &parameter.device());
        let (count, dim) = one_unit_each(&parameter.client, numbers);
        let element = element(&values);
        adam_by_rows::launch(
            &parameter.client,
            count,
            dim,
            addresses(&[&parameter]),
            parameter.clone().into_buffer_arg(),
            mean.clone().into_buffer_arg(),
            variance.clone().into_buffer_arg(),
            into_contiguous(values).into_buffer_arg(),
            slots.into_buffer_arg(),
            scale.into_buffer_arg(),
            scalars(step),
            numbers,
            width,
            element,
        );
        AdamState {
            parameter,
            mean,
            variance,
        }
    }

    fn squared_norm(tensor: CubeTensor) -> CubeTensor {
        let tensor = into_contiguous(tensor);
        let numbers = tensor.shape().num_elements();
        let cubes = numbers.div_ceil(UNITS as usize).clamp(1, CUBES_PER_NORM);
        let sums = empty(&tensor, [cubes], DType::F32);
        let element = element(&tensor);
        sums_of_squares::launch(
            &sums.client,
            CubeCount::Static(cubes as u32, 1, 1),
            CubeDim::new_1d(UNITS),
            addresses(&[&tensor]),
            tensor.into_buffer_arg(),
            sums.clone().into_buffer_arg(),
            numbers,
            element,
        );
        Self::float_reshape(Self::float_sum(sums), Shape::new([1]))
    }
}

/// One Adam step on the number at `i`.
#[cube]
fn update(
    parameter: &mut [f32],
    mean: &mut [f32],
    variance: &mut [f32],
    i: usize,
    g: f32,
    step: Scalars,
) {
    // m = b1 m + (1 - b1) g
    let m = step.beta1 * mean[i] + (1.0 - step.beta1) * g;
    // v = b2 v + (1 - b2) g^2
    let v = step.beta2 * variance[i] + (1.0 - step.beta2) * g * g;
    mean[i] = m;
    variance[i] = v;
    // p = p - a m / (sqrt(v) c + e)
    parameter[i] -= step.step_size * m / (v.sqrt() * step.variance_correction + step.epsilon);
}

/// A unit updates a number.
#[cube(launch, address_type = "dynamic")]
fn adam_dense<G: Float>(
    parameter: &mut [f32],
    mean: &mut [f32],
    variance: &mut [f32],
    gradient: &[G],
    scale: &[f32], // [1]
    step: Scalars,
    count: usize,
    #[define(G)] _dtype: ElemType,
) {
    if ABSOLUTE_POS < count {
        let g = f32::cast_from(gradient[ABSOLUTE_POS]) * scale[0];
        update(parameter, mean, variance, ABSOLUTE_POS, g, step);
    }
}

/// The same with a gradient that is zero except at some rows.
#[cube(launch, address_type = "dynamic")]
fn adam_by_rows<G: Float>(
    parameter: &mut [f32],
    mean: &mut [f32],
    variance: &mut [f32],
    values: &[G],  // [slots, width]
    slots: &[u32], // [rows]: which of `values`, counted from one, or zero
    scale: &[f32], // [1]
    step: Scalars,
    count: usize,
    #[comptime] width: usize,
    #[define(G)] _dtype: ElemType,
) {
    if ABSOLUTE_POS < count {
        let slot = slots[ABSOLUTE_POS / width] as usize;
        let mut g = 0.0f32;
        if slot > 0 {
            g = f32::cast_from(values[(slot - 1) * width + ABSOLUTE_POS % width]) * scale[0];
        }
        update(parameter, mean, variance, ABSOLUTE_POS, g, step);
    }
}

/// The sum of the squares of each cube's numbers: every `CUBE_COUNT`-th stretch of a cube's size.
#[cube(launch, address_type = "dynamic")]
fn sums_of_squares<F: Float>(
    numbers: &[F],
    sums: &mut [f32], // [cubes]
    count: usize,
    #[define(F)] _dtype: ElemType,
) {
    let mut sum = 0.0f32;
    let mut i = ABSOLUTE_POS;
    while i < count {
        let x = f32::cast_from(numbers[i]);
        sum += x * x;
        i += CUBE_COUNT_X as usize * CUBE_DIM as usize;
    }
    let sum = cube_sum(sum);
    if UNIT_POS == 0 {
        sums[CUBE_POS_X as usize] = sum;
    }
}
