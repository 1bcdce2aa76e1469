//! Elementary functions of f32 from additions, products and bit operations.
//!
//! On CUDA, CubeCL's own functions need libdevice, which is part of NVIDIA's toolkit: a machine
//! with only a driver would lack exponentials. These are as exact, the same on every device, and
//! cost little beside the memory traffic of kernels.
#![allow(
    clippy::manual_clamp,
    reason = "a device's clamp may turn NaN into a bound"
)]

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// `exp` saturates below this: the result would be subnormal.
const LEAST: f32 = -87.0;
const MOST: f32 = 88.0;
const LOG2_E: f32 = std::f32::consts::LOG2_E;
const SQRT_2: f32 = std::f32::consts::SQRT_2;
const LN_2_HIGH: f32 = 0.693_359_4; // 355 / 512, exact
const LN_2_LOW: f32 = -2.121_944_4e-4;
const THIRD: f32 = 1.0 / 3.0;
const SEVENTH: f32 = 1.0 / 7.0;
const NINTH: f32 = 1.0 / 9.0;

/// `e^x` within about 2 units in the last place; saturates outside of [-87, 88]. NaN stays NaN.
///
/// Reduction to |r| <= ln(2)/2 with a two-part ln(2), then a degree-6 polynomial (Cephes `expf`).
#[cube]
pub(super) fn exp(x: f32) -> f32 {
    let mut x = x;
    if x < LEAST {
        x = LEAST;
    }
    if x > MOST {
        x = MOST;
    }
    let whole = (x * LOG2_E + 0.5).floor();
    let r = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    let mut p = 1.987_569_1e-4f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let fraction = p * r * r + r + 1.0;
    let exponent = u32::cast_from(i32::cast_from(whole) + 127);
    fraction * f32::reinterpret(exponent << 23)
}

/// The natural logarithm of a positive number of full precision, within about 2 units in the last
/// place. NaN and infinity are kept.
///
/// `x = 2^k m` with m between the roots of 1/2 and 2, and `ln m = 2 artanh((m - 1) / (m + 1))`.
#[cube]
pub(super) fn ln(x: f32) -> f32 {
    let mut result = x;
    if x > 0.0 && x < f32::MAX {
        let bits = u32::reinterpret(x);
        let mut k = f32::cast_from(i32::cast_from(bits >> 23) - 127);
        let mut m = f32::reinterpret((bits & 0x007f_ffff) | 0x3f80_0000);
        if m > SQRT_2 {
            m *= 0.5;
            k += 1.0;
        }
        let s = (m - 1.0) / (m + 1.0);
        let z = s * s;
        let mut series = z * NINTH + SEVENTH;
        series = series * z + 0.2;
        series = series * z + THIRD;
        let of_m = 2.0 * s + 2.0 * s * z * series;
        result = k * LN_2_HIGH + (k * LN_2_LOW + of_m);
    }
    result
}

/// The logistic function.
#[cube]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, absolute error below 3e-7.
#[cube]
pub(super) fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

#[cfg(test)]
mod tests {
    use burn::backend::Cube;
    use burn::backend::ops::FloatTensorOps;
    use burn::tensor::{TensorData, read_sync};
    use burn_cubecl::CubeDevice;

    use super::*;
    use crate::ops::cube::{devices_to_test, empty, one_unit_each};

    #[cube(launch)]
    fn all(x: &[f32], results: &mut [f32], count: usize) {
        if ABSOLUTE_POS < count {
            let x = x[ABSOLUTE_POS];
            results[ABSOLUTE_POS] = exp(x);
            results[count + ABSOLUTE_POS] = ln(x);
            results[2 * count + ABSOLUTE_POS] = tanh(x);
        }
    }

    /// `e^x`, `ln x` and `tanh x` of each number, by the kernels.
    fn on(device: &CubeDevice, numbers: &[f32]) -> [Vec<f32>; 3] {
        let count = numbers.len();
        let x = Cube::float_from_data(TensorData::new(numbers.to_vec(), [count]), device);
        let results = empty(&x, [3 * count], x.dtype);
        let (cubes, dim) = one_unit_each(&x.client, count);
        all::launch(
            &results.client,
            cubes,
            dim,
            x.clone().into_buffer_arg(),
            results.clone().into_buffer_arg(),
            count,
        );
        let results = read_sync(Cube::float_into_data(results)).unwrap();
        let results: Vec<f32> = results.iter().collect();
        [0, 1, 2].map(|k| results[k * count..(k + 1) * count].to_vec())
    }

    #[test]
    fn agree_with_double_precision() {
        let numbers: Vec<f32> = (-20_000..=20_000).map(|i| i as f32 * 4e-3).collect();
        for device in devices_to_test() {
            let [exp, ln, tanh] = on(&device, &numbers);
            for (k, x) in numbers.iter().map(|&x| f64::from(x)).enumerate() {
                let of_exp = (f64::from(exp[k]) / x.exp() - 1.0).abs();
                assert!(of_exp < 4e-7, "exp({x}) is off by {of_exp:e}");
                let of_tanh = (f64::from(tanh[k]) - x.tanh()).abs();
                assert!(of_tanh < 3e-7, "tanh({x}) is off by {of_tanh:e}");
                if x > 0.0 {
                    let of_ln = (f64::from(ln[k]) - x.ln()).abs() / x.ln().abs().max(1e-2);
                    assert!(of_ln < 3e-7, "ln({x}) is off by {of_ln:e}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for device in devices_to_test() {
            let [exp, ln, tanh] = on(&device, &[f32::NAN, f32::INFINITY, -1e30]);
            assert!(exp[0].is_nan() && ln[0].is_nan() && tanh[0].is_nan());
            assert!(ln[1].is_infinite());
            assert!(exp[1].is_finite() && exp[2] < 1e-30);
            assert_eq!((tanh[1], tanh[2]), (1.0, -1.0));
        }
    }
}
