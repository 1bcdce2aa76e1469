//! The instructions in plain Rust, rounding included, as their manuals describe them.

use super::{CacheLine, Factors, LANES};

/// `x`, or zero if it is subnormal.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() {
        0.0_f32.copysign(x)
    } else {
        x
    }
}

/// `a b + c` with one rounding.
fn fused(a: f32, b: f32, c: f32) -> f32 {
    flushed(flushed(a).mul_add(flushed(b), flushed(c)))
}

fn halves(unit: u32) -> [f32; 2] {
    [unit << 16, unit & 0xffff_0000].map(f32::from_bits)
}

fn bytes(unit: u32) -> [u8; 4] {
    unit.to_le_bytes()
}

/// `vdpbf16ps` of one lane.
pub(super) fn vdpbf16ps(sum: f32, a: u32, b: u32) -> f32 {
    let (a, b) = (halves(a), halves(b));
    fused(a[0], b[0], fused(a[1], b[1], sum))
}

/// `tdpbf16ps` of one row and one column, given as pairs of units.
pub(super) fn tdpbf16ps(sum: f32, units: impl Iterator<Item = (u32, u32)>) -> f32 {
    let mut parts = [0.0; 2];
    for (a, b) in units {
        let (a, b) = (halves(a), halves(b));
        for (k, part) in parts.iter_mut().enumerate() {
            *part = fused(a[k], b[k], *part);
        }
    }
    let both = flushed(flushed(parts[0]) + flushed(parts[1]));
    flushed(flushed(sum) + both)
}

/// `vpdpbusd` of one lane, and `tdpbusd` of one unit.
pub(super) fn dpbusd(sum: i32, a: u32, b: u32) -> i32 {
    let products = std::iter::zip(bytes(a), bytes(b));
    let products = products.map(|(a, b)| i32::from(a) * i32::from(b as i8));
    products.fold(sum, i32::wrapping_add)
}

/// Computes each sum from its value in `start`: `step` adds the products of a line of 16 units.
fn each<T: Copy>(
    factors: &Factors<'_>,
    start: &[CacheLine<T>],
    step: impl Fn(T, [(u32, u32); LANES]) -> T,
) -> Vec<CacheLine<T>> {
    let mut sums = start[..factors.rows * factors.panels].to_vec();
    for (place, sums) in sums.iter_mut().enumerate() {
        let (row, panel) = (place / factors.panels, place % factors.panels);
        for d in 0..factors.depth {
            let left = factors.left[(row / LANES * factors.depth + d) * LANES + row % LANES];
            for (lane, sum) in sums.0.iter_mut().enumerate() {
                let units = std::array::from_fn(|unit| {
                    let right = factors.right[(d * LANES + unit) * factors.panels + panel];
                    (left.0[unit], right.0[lane])
                });
                *sum = step(*sum, units);
            }
        }
    }
    sums
}

/// The product by AVX512-BF16.
pub(super) fn avx512_bf16(factors: &Factors<'_>, start: &[CacheLine<f32>]) -> Vec<CacheLine<f32>> {
    each(factors, start, |sum, units| {
        units
            .into_iter()
            .fold(sum, |sum, (a, b)| vdpbf16ps(sum, a, b))
    })
}

/// The product by AMX in bf16.
pub(super) fn amx_bf16(factors: &Factors<'_>, start: &[CacheLine<f32>]) -> Vec<CacheLine<f32>> {
    each(factors, start, |sum, units| {
        tdpbf16ps(sum, units.into_iter())
    })
}

/// The product of bytes.
pub(super) fn of_bytes(factors: &Factors<'_>) -> Vec<CacheLine<i32>> {
    let start = vec![CacheLine([0; LANES]); factors.sums()];
    each(factors, &start, |sum, units| {
        units.into_iter().fold(sum, |sum, (a, b)| dpbusd(sum, a, b))
    })
}
