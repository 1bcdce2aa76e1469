//! Products with weights as 8-bit integers.
//!
//! Each row of the matrix has a scale, its largest magnitude divided by 127. Inputs in [-1, 1], or
//! divided by the largest of their row, become integers of up to 14 bits, so that nearly all of the
//! rounding error is that of the weights. Sums of products are exact, in 32 bits: every kernel
//! gives the same integers.

use rayon::prelude::*;

use super::{GROUP, Gates, InputRows, NO_GATES, PackedWeights, UNITS, lanes, largest};

/// Rows per tile: their sums of three gates, the weights, an input and a product take fourteen of
/// sixteen registers.
const ROWS: usize = 3;

/// The largest magnitude of a weight.
pub(super) const LARGEST: f32 = 127.0;

/// The weights of two inputs for eight units, `[unit][input]`.
type Pairs = [i8; 2 * UNITS];
/// The sums of gates r, z, n of eight units.
type GateSums = [[i32; UNITS]; 3];

/// Two inputs of 16 bits for each row of a tile; the first in the lower half.
type InputPairs = [i32; ROWS];

/// Weights as integers.
pub(crate) struct Integers {
    /// `[panel][pair of inputs]`.
    weights: Vec<[Pairs; 3]>,
    /// The scales of sums, for each panel.
    scales: Vec<Gates>,
    /// Pairs of inputs per panel.
    depth: usize,
    /// The scale of inputs: 1.0 becomes this integer.
    levels: f32,
}

impl PackedWeights for Integers {
    type Block = [InputPairs; UNITS / 2];
    const BLOCK: Self::Block = [[0; ROWS]; UNITS / 2];
    const ROWS: usize = ROWS;

    fn new(matrix: &[f32], hidden: usize, inputs: usize) -> Self {
        let columns = inputs.next_multiple_of(UNITS);
        let (panels, depth) = (hidden.div_ceil(UNITS), columns / 2);
        // The largest scale at which no sum can overflow 32 bits.
        let most = i32::MAX as usize / (LARGEST as usize * columns);
        let levels = most.clamp(1, (1 << 14) - 1) as f32;
        let mut weights = vec![[[0; 2 * UNITS]; 3]; panels * depth];
        let mut scales = vec![NO_GATES; panels];
        let packed = weights.par_chunks_mut(depth).zip(&mut scales).enumerate();
        packed.for_each(|(panel, (weights, scales))| {
            for gate in 0..3 {
                for unit in 0..UNITS.min(hidden - panel * UNITS) {
                    let row = gate * hidden + panel * UNITS + unit;
                    let row = &matrix[row * inputs..(row + 1) * inputs];
                    let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                    if largest == 0.0 {
                        continue;
                    }
                    scales[gate].0[unit] = largest / LARGEST / levels;
                    for (k, &weight) in row.iter().enumerate() {
                        let weight = round(weight / largest * LARGEST);
                        weights[k / 2][gate][2 * unit + k % 2] = weight as i8;
                    }
                }
            }
        });
        Self {
            weights,
            scales,
            depth,
            levels,
        }
    }

    fn panels(&self) -> usize {
        self.scales.len()
    }

    fn set(&self, tile: &mut [Self::Block], row: usize, inputs: &[f32], bounded: bool) -> f32 {
        let scale = if bounded { 1.0 } else { largest(inputs) };
        for (block, inputs) in tile.iter_mut().zip(inputs.chunks(UNITS)) {
            let x = lanes(inputs).0.map(|x| round(x / scale * self.levels));
            for (inputs, x) in block.iter_mut().zip(x.as_chunks::<2>().0) {
                inputs[row] = (x[0] & 0xffff) | (x[1] << 16);
            }
        }
        scale
    }

    fn product(&self, group: usize, rows: &InputRows<Self>, gates: &mut [Gates]) {
        let count = rows.count();
        let panels = group * GROUP..group * GROUP + gates.len() / count;
        let scales = &self.scales[panels.clone()];
        let weights = &self.weights[panels.start * self.depth..panels.end * self.depth];
        if count == 1 && scales.len() == GROUP {
            let sums = tile::<GROUP, 1>(weights, rows.tile(0).as_flattened());
            return scale(sums, scales, &rows.scales, gates);
        }
        let panels = weights.chunks_exact(self.depth).zip(scales);
        for ((weights, scales), gates) in panels.zip(gates.chunks_exact_mut(count)) {
            let scales = std::slice::from_ref(scales);
            for (k, gates) in gates.chunks_mut(ROWS).enumerate() {
                let inputs = rows.tile(k).as_flattened();
                let of_rows = &rows.scales[k * ROWS..];
                match gates.len() {
                    1 => scale(tile::<1, 1>(weights, inputs), scales, of_rows, gates),
                    2 => scale(tile::<1, 2>(weights, inputs), scales, of_rows, gates),
                    _ => scale(tile::<1, ROWS>(weights, inputs), scales, of_rows, gates),
                }
            }
        }
    }
}

/// The nearest integer, ties to even; |x| must be below 2^22.
#[inline(always)]
pub(super) fn round(x: f32) -> i32 {
    /// Adding it rounds, and leaves the integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
    (x + ROUND).to_bits() as i32 - ROUND.to_bits() as i32
}

/// Scales integer sums to gates, `[panel][row]`.
fn scale<const P: usize, const R: usize>(
    sums: [[GateSums; R]; P],
    scales: &[Gates],
    of_rows: &[f32],
    gates: &mut [Gates],
) {
    for ((sums, scales), gates) in sums.iter().zip(scales).zip(gates.chunks_exact_mut(R)) {
        for ((sums, gates), of_row) in sums.iter().zip(gates).zip(of_rows) {
            for ((sums, scales), gates) in sums.iter().zip(scales).zip(gates) {
                for ((&sum, scale), gate) in sums.iter().zip(&scales.0).zip(&mut gates.0) {
                    *gate = sum as f32 * scale * of_row;
                }
            }
        }
    }
}

/// The sums of products of a tile's first `R` rows and `P` panels.
fn tile<const P: usize, const R: usize>(
    weights: &[[Pairs; 3]],
    inputs: &[InputPairs],
) -> [[GateSums; R]; P] {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avxvnni") {
            // SAFETY: the processor has it, and with it AVX2.
            return unsafe { tile_avx_vnni::<P, R>(weights, inputs) };
        }
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the processor has both, and with them AVX2.
            return unsafe { tile_avx512_vnni::<P, R>(weights, inputs) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has it.
            return unsafe { tile_avx2::<P, R>(weights, inputs) };
        }
    }
    tile_portable::<P, R>(weights, inputs)
}

/// In plain Rust, which the compiler vectorises.
fn tile_portable<const P: usize, const R: usize>(
    weights: &[[Pairs; 3]],
    inputs: &[InputPairs],
) -> [[GateSums; R]; P] {
    let mut sums = [[[[0; UNITS]; 3]; R]; P];
    for (sums, weights) in sums.iter_mut().zip(weights.chunks_exact(inputs.len())) {
        for (weights, inputs) in weights.iter().zip(inputs) {
            for (sums, &pair) in sums.iter_mut().zip(inputs) {
                let (first, second) = (i32::from(pair as i16), pair >> 16);
                for (sums, weights) in sums.iter_mut().zip(weights) {
                    let (weights, _) = weights.as_chunks::<2>();
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum += i32::from(weights[0]) * first + i32::from(weights[1]) * second;
                    }
                }
            }
        }
    }
    sums
}

/// Defines [`tile`] by `$step`, one or two instructions that add a product of two pairs of 16-bit
/// integers to each of eight sums.
#[cfg(target_arch = "x86_64")]
macro_rules! tile_on {
    ($name:ident, $features:literal, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        #[target_feature(enable = $features)]
        fn $name<const P: usize, const R: usize>(
            weights: &[[Pairs; 3]],
            inputs: &[InputPairs],
        ) -> [[GateSums; R]; P] {
            use std::arch::x86_64::*;
            let panels: [&[[Pairs; 3]]; P] =
                std::array::from_fn(|p| &weights[p * inputs.len()..][..inputs.len()]);
            let mut sums = [[[_mm256_setzero_si256(); 3]; R]; P];
            for (k, inputs) in inputs.iter().enumerate() {
                for p in 0..P {
                    // SAFETY: 16 bytes are read, the size of `Pairs`.
                    let load = |pairs: &Pairs| unsafe { _mm_loadu_si128(pairs.as_ptr().cast()) };
                    let weights = panels[p][k].each_ref().map(load);
                    let weights = weights.map(|pairs| _mm256_cvtepi8_epi16(pairs));
                    for r in 0..R {
                        let $b = _mm256_set1_epi32(inputs[r]);
                        for gate in 0..3 {
                            let ($sum, $a) = (sums[p][r][gate], weights[gate]);
                            sums[p][r][gate] = $step;
                        }
                    }
                }
            }
            let mut found = [[[[0; UNITS]; 3]; R]; P];
            for (found, sum) in found
                .as_flattened_mut()
                .as_flattened_mut()
                .iter_mut()
                .zip(sums.as_flattened().as_flattened())
            {
                // SAFETY: 32 bytes are written, the size of eight integers.
                unsafe { _mm256_storeu_si256(found.as_mut_ptr().cast(), *sum) };
            }
            found
        }
    };
}

#[cfg(target_arch = "x86_64")]
tile_on!(tile_avx2, "avx2", |sum, a, b| _mm256_add_epi32(
    sum,
    _mm256_madd_epi16(a, b)
));
#[cfg(target_arch = "x86_64")]
tile_on!(tile_avx_vnni, "avx2,avxvnni", |sum, a, b| {
    _mm256_dpwssd_avx_epi32(sum, a, b)
});
#[cfg(target_arch = "x86_64")]
tile_on!(tile_avx512_vnni, "avx2,avx512vnni,avx512vl", |sum, a, b| {
    _mm256_dpwssd_epi32(sum, a, b)
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::pack;
    use super::*;
    use crate::kernels::harness::numbers;

    /// The results of all kernels that this processor can run.
    fn ways<const P: usize, const R: usize>(
        weights: &[[Pairs; 3]],
        inputs: &[InputPairs],
    ) -> Vec<(&'static str, [[GateSums; R]; P])> {
        let mut found = vec![("portable", tile_portable(weights, inputs))];
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: the processor has the features.
            unsafe {
                if is_x86_feature_detected!("avx2") {
                    found.push(("AVX2", tile_avx2(weights, inputs)));
                }
                if is_x86_feature_detected!("avxvnni") {
                    found.push(("AVX-VNNI", tile_avx_vnni(weights, inputs)));
                }
                if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl") {
                    found.push(("AVX-512 VNNI", tile_avx512_vnni(weights, inputs)));
                }
            }
        }
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        eprintln!("{}", names.join(", "));
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_way_gives_the_same_integers(seed: u32, blocks in 1..70_usize, extreme: bool) {
            let inputs = blocks * UNITS;
            let number = |x: f32| if extreme { x.signum() } else { x };
            let matrix: Vec<f32> = numbers(3 * 32 * inputs, seed).into_iter().map(number).collect();
            let values: Vec<f32> = numbers(ROWS * inputs, !seed).into_iter().map(number).collect();
            let weights = Integers::new(&matrix, 32, inputs);
            let rows = pack(&weights, &values, inputs);
            let whole = |x: f32, levels: f32| i64::from((x * levels).round_ties_even() as i32);
            let tiles = ways::<1, ROWS>(&weights.weights, rows.tile(0).as_flattened());
            for (row, values) in values.chunks_exact(inputs).enumerate() {
                for unit in 0..UNITS {
                    for gate in 0..3 {
                        let line = &matrix[(gate * 32 + unit) * inputs..][..inputs];
                        let largest = line.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                        let naive: i64 = std::iter::zip(line, values).map(|(&w, &x)| {
                            whole(w / largest, LARGEST) * whole(x, weights.levels)
                        }).sum();
                        for (name, tile) in &tiles {
                            prop_assert_eq!(i64::from(tile[0][row][gate][unit]), naive, "{}", name);
                        }
                    }
                }
            }
            let tiles = ways::<4, 1>(&weights.weights, rows.tile(0).as_flattened());
            for (name, tile) in &tiles {
                prop_assert_eq!(tile, &tiles[0].1, "{}", name);
            }
        }
    }

    #[test]
    fn sums_do_not_overflow() {
        for inputs in [8, 1024, 2048, 4096, 1 << 17] {
            let weights = Integers::new(&vec![-1.0; 3 * inputs], 1, inputs);
            let rows = pack(&weights, &vec![-1.0; inputs], inputs);
            let [[sums]] = tile::<1, 1>(&weights.weights, rows.tile(0).as_flattened());
            let expected = inputs as i64 * 127 * weights.levels as i64;
            assert_eq!(i64::from(sums[0][0]), expected, "{inputs} inputs");
        }
    }
}
