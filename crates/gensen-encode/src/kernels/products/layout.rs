//! Conversion of values to lines of units.

use half::bf16;
use multiversion::multiversion;

use super::{CacheLine, LANES};

/// The bits of the nearest bf16, ties to even; NaN stays NaN.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if x.is_nan() { quiet } else { rounded }) as u16
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::bf16 {}
}

/// The element type of a matrix to multiply: f32 or bf16.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Converts each value to the bits of an f32.
    fn singles(numbers: &[Self], out: &mut [u32]);

    /// Converts each value to the bits of the nearest bf16. Subnormal values may become zeros: the
    /// instructions that multiply bf16 read them as zeros.
    fn halves(numbers: &[Self], out: &mut [u16]);

    /// Pairs values to units of two bf16, rounded as by `halves`: the first input from `first`, the
    /// second from `second`.
    fn units(first: &[Self], second: &[Self], out: &mut [u32]);
}

impl Element for f32 {
    fn singles(numbers: &[Self], out: &mut [u32]) {
        for (out, x) in out.iter_mut().zip(numbers) {
            *out = x.to_bits();
        }
    }

    fn halves(numbers: &[Self], out: &mut [u16]) {
        rounded(numbers, out);
    }

    fn units(first: &[Self], second: &[Self], out: &mut [u32]) {
        rounded_units(first, second, out);
    }
}

impl Element for bf16 {
    fn singles(numbers: &[Self], out: &mut [u32]) {
        for (out, x) in out.iter_mut().zip(numbers) {
            *out = u32::from(x.to_bits()) << 16;
        }
    }

    fn halves(numbers: &[Self], out: &mut [u16]) {
        for (out, x) in out.iter_mut().zip(numbers) {
            *out = x.to_bits();
        }
    }

    fn units(first: &[Self], second: &[Self], out: &mut [u32]) {
        for (out, (a, b)) in out.iter_mut().zip(first.iter().zip(second)) {
            *out = unit(a.to_bits(), b.to_bits());
        }
    }
}

fn rounded(numbers: &[f32], out: &mut [u16]) {
    #[cfg(target_arch = "x86_64")]
    if avx512_rounds() {
        // SAFETY: the processor has the three sets of instructions.
        return unsafe { rounded_avx512(numbers, out) };
    }
    rounded_portable(numbers, out);
}

fn rounded_units(first: &[f32], second: &[f32], out: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    if avx512_rounds() {
        // SAFETY: the processor has the three sets of instructions.
        return unsafe { rounded_units_avx512(first, second, out) };
    }
    rounded_units_portable(first, second, out);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn rounded_portable(numbers: &[f32], out: &mut [u16]) {
    for (out, &x) in out.iter_mut().zip(numbers) {
        *out = bf16_bits(x);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn rounded_units_portable(first: &[f32], second: &[f32], out: &mut [u32]) {
    for (out, (&a, &b)) in out.iter_mut().zip(first.iter().zip(second)) {
        *out = unit(bf16_bits(a), bf16_bits(b));
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512_rounds() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn rounded_avx512(numbers: &[f32], out: &mut [u16]) {
    use std::arch::x86_64::*;
    let (whole, rest) = numbers.as_chunks::<{ 2 * LANES }>();
    let (whole_out, rest_out) = out[..numbers.len()].as_chunks_mut::<{ 2 * LANES }>();
    for (out, x) in whole_out.iter_mut().zip(whole) {
        // SAFETY: 32 numbers are read and 32 halves written; neither needs an alignment. Both types
        // of vector hold 512 bits.
        unsafe {
            let low = _mm512_loadu_ps(x.as_ptr());
            let high = _mm512_loadu_ps(x[LANES..].as_ptr());
            let halves = _mm512_cvtne2ps_pbh(high, low);
            _mm512_storeu_si512(
                out.as_mut_ptr().cast(),
                std::mem::transmute::<__m512bh, __m512i>(halves),
            );
        }
    }
    rounded_portable(rest, rest_out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn rounded_units_avx512(first: &[f32], second: &[f32], out: &mut [u32]) {
    use std::arch::x86_64::*;
    let length = first.len().min(second.len());
    let (firsts, first_rest) = first[..length].as_chunks::<LANES>();
    let (seconds, second_rest) = second[..length].as_chunks::<LANES>();
    let (whole_out, rest_out) = out[..length].as_chunks_mut::<LANES>();
    // Half 2 j is that of the first number j, half 2 j + 1 that of the second.
    let places: [u16; 2 * LANES] = std::array::from_fn(|i| (i / 2 + i % 2 * LANES) as u16);
    // SAFETY: 32 places are read; no alignment is needed.
    let places = unsafe { _mm512_loadu_si512(places.as_ptr().cast()) };
    for (out, (a, b)) in whole_out.iter_mut().zip(firsts.iter().zip(seconds)) {
        // SAFETY: 16 numbers are read of each, and 16 units written; none needs an alignment. Both
        // types of vector hold 512 bits.
        unsafe {
            let halves =
                _mm512_cvtne2ps_pbh(_mm512_loadu_ps(b.as_ptr()), _mm512_loadu_ps(a.as_ptr()));
            let units =
                _mm512_permutexvar_epi16(places, std::mem::transmute::<__m512bh, __m512i>(halves));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), units);
        }
    }
    rounded_units_portable(first_rest, second_rest, rest_out);
}

/// A unit of two inputs, adjacent in memory.
#[inline(always)]
fn unit(first: u16, second: u16) -> u32 {
    if cfg!(target_endian = "little") {
        u32::from(first) | u32::from(second) << 16
    } else {
        u32::from(second) | u32::from(first) << 16
    }
}

/// Sixteen lines, `stride` lines apart.
pub(crate) struct Strided<T> {
    lines: T,
    stride: usize,
}

impl<T: std::ops::Deref<Target = [CacheLine]>> Strided<T> {
    /// Every `stride`-th of `lines`, from the first on.
    pub(crate) fn new(lines: T, stride: usize) -> Self {
        assert!(lines.len() > (LANES - 1) * stride, "sixteen lines");
        Self { lines, stride }
    }
}

/// Transposes 16 x 16 units: unit `j` of line `i` becomes unit `i` of line `j`.
pub(crate) fn transpose(from: &Strided<&[CacheLine]>, to: &mut Strided<&mut [CacheLine]>) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has it.
        return unsafe { transpose_avx512(from, to) };
    }
    transpose_portable(from, to);
}

fn transpose_portable(from: &Strided<&[CacheLine]>, to: &mut Strided<&mut [CacheLine]>) {
    for i in 0..LANES {
        for j in 0..LANES {
            to.lines[j * to.stride].0[i] = from.lines[i * from.stride].0[j];
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn transpose_avx512(from: &Strided<&[CacheLine]>, to: &mut Strided<&mut [CacheLine]>) {
    use std::arch::x86_64::*;
    let load = |line: usize| {
        let line = &from.lines[line * from.stride];
        // SAFETY: a line is 64 bytes and aligned to 64.
        unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
    };
    let mut pairs = [_mm512_setzero_si512(); LANES];
    for (k, pairs) in pairs.chunks_exact_mut(2).enumerate() {
        let (a, b) = (load(2 * k), load(2 * k + 1));
        pairs[0] = _mm512_unpacklo_epi32(a, b);
        pairs[1] = _mm512_unpackhi_epi32(a, b);
    }
    // Of every four entries, quarter `q` of entry `j` holds unit `4 q + j` of the four lines.
    let mut fours = pairs;
    for (fours, pairs) in fours.chunks_exact_mut(4).zip(pairs.chunks_exact(4)) {
        fours[0] = _mm512_unpacklo_epi64(pairs[0], pairs[2]);
        fours[1] = _mm512_unpackhi_epi64(pairs[0], pairs[2]);
        fours[2] = _mm512_unpacklo_epi64(pairs[1], pairs[3]);
        fours[3] = _mm512_unpackhi_epi64(pairs[1], pairs[3]);
    }
    for j in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|i| fours[i + j]);
        let even = [
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0x88>(c, d),
        ];
        let odd = [
            _mm512_shuffle_i32x4::<0xdd>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        ];
        for (quarter, pair) in [(0, even), (4, odd)] {
            let (near, far) = (
                _mm512_shuffle_i32x4::<0x88>(pair[0], pair[1]),
                _mm512_shuffle_i32x4::<0xdd>(pair[0], pair[1]),
            );
            for (line, x) in [(quarter + j, near), (8 + quarter + j, far)] {
                let line = &mut to.lines[line * to.stride];
                // SAFETY: as above.
                unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), x) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::harness::numbers;

    #[test]
    fn rounds_as_the_half_crate_does() {
        let special = [
            0.0,
            -0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            f32::MIN_POSITIVE,
            1e-45,
            -1e-40,
            1.003_906_2, // halfway between two numbers of bf16
            1.011_718_8,
        ];
        let many = numbers(10_000, 1).into_iter().map(|x| x * 1e-3);
        let all: Vec<f32> = many.chain(special).collect();
        let mut found = vec![0; all.len()];
        f32::halves(&all, &mut found);
        for (x, found) in all.iter().zip(found) {
            let nearest = bf16::from_f32(*x).to_bits();
            let zero = x.is_subnormal() && found == nearest & 0x8000;
            assert!(
                found == nearest || zero,
                "{x:e}: {found:x}, not {nearest:x}"
            );
        }
        let mut odd = [0; 2];
        f32::halves(&[f32::NAN, f32::from_bits(0xffff_ffff)], &mut odd);
        assert!(odd.iter().all(|&x| bf16::from_bits(x).is_nan()), "{odd:x?}");
    }

    #[test]
    fn units_hold_the_first_input_first() {
        let (a, b) = (numbers(37, 1), numbers(37, 2));
        let mut found = vec![0; 37];
        f32::units(&a, &b, &mut found);
        for (found, (&a, &b)) in found.iter().zip(a.iter().zip(&b)) {
            let halves: [u16; 2] = bytemuck::cast(*found);
            assert_eq!(halves, [bf16_bits(a), bf16_bits(b)]);
        }
        let mut portable = vec![0; 37];
        rounded_units_portable(&a, &b, &mut portable);
        assert_eq!(portable, found);
        let whole = |x: &[f32]| x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
        let mut of_halves = vec![0; 37];
        bf16::units(&whole(&a), &whole(&b), &mut of_halves);
        assert_eq!(of_halves, found);
    }

    #[test]
    fn transposes_in_every_way() {
        let lines: Vec<CacheLine> = (0..31 * 3)
            .map(|i| CacheLine(std::array::from_fn(|j| (100 * i + j) as u32)))
            .collect();
        for way in [transpose, transpose_portable] {
            let mut turned = vec![CacheLine::ZERO; 31];
            let mut to = Strided::new(&mut turned[..], 2);
            way(&Strided::new(&lines[..], 3), &mut to);
            for i in 0..LANES {
                for j in 0..LANES {
                    assert_eq!(turned[2 * j].0[i], lines[3 * i].0[j]);
                }
            }
        }
    }
}
