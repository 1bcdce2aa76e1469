//! Products with weights as 32-bit floats.

use rayon::prelude::*;

use super::{GROUP, Gates, InputRows, Lanes, NO_GATES, PackedWeights, UNITS, lanes};

/// Rows per tile: their sums of three gates take twelve of sixteen registers.
pub(super) const ROWS: usize = 4;

/// Inputs per block: the weights of two blocks, the current and the prefetched one, fit the L1
/// cache.
pub(super) const DEPTH: usize = 128;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Cache lines of the weights of eight inputs.
const LINES: usize = UNITS * size_of::<Gates>() / LINE;
/// Number of tiles over which prefetching the next block is spread.
const SPREAD: usize = 6;

/// Weights in f32.
pub(crate) struct Floats {
    /// `[panel][input]`.
    weights: Vec<Gates>,
    depth: usize,
}

impl Floats {
    /// `[panel][input]`.
    pub(super) fn weights(&self) -> &[Gates] {
        &self.weights
    }
}

impl PackedWeights for Floats {
    type Block = [Lanes; ROWS];
    const BLOCK: Self::Block = [Lanes::ZERO; ROWS];
    const ROWS: usize = ROWS;

    fn new(matrix: &[f32], hidden: usize, inputs: usize) -> Self {
        let depth = inputs.next_multiple_of(UNITS);
        let mut weights = vec![NO_GATES; hidden.div_ceil(UNITS) * depth];
        let panels = weights.par_chunks_mut(depth).enumerate();
        panels.for_each(|(panel, weights)| {
            for gate in 0..3 {
                for unit in 0..UNITS.min(hidden - panel * UNITS) {
                    let row = gate * hidden + panel * UNITS + unit;
                    let row = &matrix[row * inputs..(row + 1) * inputs];
                    for (weights, &weight) in weights.iter_mut().zip(row) {
                        weights[gate].0[unit] = weight;
                    }
                }
            }
        });
        Self { weights, depth }
    }

    fn panels(&self) -> usize {
        self.weights.len() / self.depth
    }

    fn set(&self, tile: &mut [Self::Block], row: usize, inputs: &[f32], _bounded: bool) -> f32 {
        set_row(tile, row, inputs);
        1.0
    }

    fn product(&self, group: usize, rows: &InputRows<Self>, gates: &mut [Gates]) {
        gates.fill(NO_GATES);
        let count = rows.count();
        let panels = gates.len() / count;
        let weights = &self.weights[group * GROUP * self.depth..][..panels * self.depth];
        if count == 1 && panels == GROUP {
            return add_tile::<GROUP, 1>(weights, self.depth, rows.tile(0), gates, Ahead::NONE);
        }
        let panels = weights.chunks_exact(self.depth);
        for (panel, gates) in panels.zip(gates.chunks_exact_mut(count)) {
            for (k, weights) in panel.chunks(DEPTH).enumerate() {
                add_block(weights, k, rows, gates, true);
            }
        }
    }
}

/// Copies a row of inputs into a tile.
pub(super) fn set_row(tile: &mut [[Lanes; ROWS]], row: usize, inputs: &[f32]) {
    for (block, inputs) in tile.iter_mut().zip(inputs.chunks(UNITS)) {
        block[row] = lanes(inputs);
    }
}

/// Adds the products of all rows and block `k` of a panel, [`DEPTH`] inputs' weights. With `fetch`,
/// the block that follows in memory is prefetched.
pub(super) fn add_block<W: PackedWeights<Block = [Lanes; ROWS]>>(
    weights: &[Gates],
    k: usize,
    rows: &InputRows<W>,
    gates: &mut [Gates],
    fetch: bool,
) {
    let blocks = k * (DEPTH / UNITS)..k * (DEPTH / UNITS) + weights.len() / UNITS;
    let spread = match gates.len() {
        _ if !fetch => 0,
        rows if rows >= SPREAD * ROWS => SPREAD,
        _ => 1,
    };
    for (tile, gates) in gates.chunks_mut(ROWS).enumerate() {
        let inputs = &rows.tile(tile)[blocks.clone()];
        let ahead = Ahead::share(weights, tile, spread);
        match gates.len() {
            1 => add_tile::<1, 1>(weights, 0, inputs, gates, ahead),
            2 => add_tile::<1, 2>(weights, 0, inputs, gates, ahead),
            3 => add_tile::<1, 3>(weights, 0, inputs, gates, ahead),
            _ => add_tile::<1, ROWS>(weights, 0, inputs, gates, ahead),
        }
    }
}

/// Weights to prefetch: `lines` cache lines every eight inputs, from `next` on. Nothing is read
/// through the pointer.
#[derive(Clone, Copy)]
struct Ahead {
    next: *const Gates,
    lines: usize,
}

impl Ahead {
    const NONE: Self = Self {
        next: std::ptr::null(),
        lines: 0,
    };

    /// A tile's share of the weights that follow `weights` in memory.
    fn share(weights: &[Gates], tile: usize, spread: usize) -> Self {
        if tile >= spread {
            return Self::NONE;
        }
        let share = weights.len() / spread;
        Self {
            next: weights.as_ptr_range().end.wrapping_add(tile * share),
            lines: LINES / spread,
        }
    }
}

/// Adds to `gates`, `[panel][row]`, the products of a tile's first `R` rows and `P` panels whose
/// weights are `stride` apart.
fn add_tile<const P: usize, const R: usize>(
    weights: &[Gates],
    stride: usize,
    inputs: &[[Lanes; ROWS]],
    gates: &mut [Gates],
    ahead: Ahead,
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both.
        return unsafe { add_tile_avx2::<P, R>(weights, stride, inputs, gates, ahead) };
    }
    let _ = ahead;
    add_tile_portable::<P, R>(weights, stride, inputs, gates);
}

/// In plain Rust, which the compiler vectorises.
fn add_tile_portable<const P: usize, const R: usize>(
    weights: &[Gates],
    stride: usize,
    inputs: &[[Lanes; ROWS]],
    gates: &mut [Gates],
) {
    let fused = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
    for (panel, gates) in gates.chunks_exact_mut(R).take(P).enumerate() {
        let weights = &weights[panel * stride..][..inputs.len() * UNITS];
        let mut sums = [NO_GATES; R];
        sums.copy_from_slice(gates);
        for (weights, inputs) in weights.chunks_exact(UNITS).zip(inputs) {
            for (k, weights) in weights.iter().enumerate() {
                for (sums, input) in sums.iter_mut().zip(inputs) {
                    let input = input.0[k];
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        for (sum, &weight) in sum.0.iter_mut().zip(&weight.0) {
                            *sum = if fused {
                                input.mul_add(weight, *sum)
                            } else {
                                *sum + input * weight
                            };
                        }
                    }
                }
            }
        }
        gates.copy_from_slice(&sums);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn add_tile_avx2<const P: usize, const R: usize>(
    weights: &[Gates],
    stride: usize,
    inputs: &[[Lanes; ROWS]],
    gates: &mut [Gates],
    ahead: Ahead,
) {
    use std::arch::x86_64::{
        _MM_HINT_T0, _mm_prefetch, _mm256_fmadd_ps, _mm256_load_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_store_ps,
    };
    // SAFETY: `Lanes` holds eight values, aligned to 32 bytes.
    let load = |lanes: &Lanes| unsafe { _mm256_load_ps(lanes.0.as_ptr()) };
    let panels: [&[Gates]; P] =
        std::array::from_fn(|p| &weights[p * stride..][..inputs.len() * UNITS]);
    let gates = &mut gates[..P * R];
    let mut sums = [[[_mm256_setzero_ps(); 3]; R]; P];
    for p in 0..P {
        for r in 0..R {
            sums[p][r] = std::array::from_fn(|gate| load(&gates[p * R + r][gate]));
        }
    }
    let mut next = ahead.next.cast::<i8>();
    for (block, inputs) in inputs.iter().enumerate() {
        for _ in 0..ahead.lines {
            _mm_prefetch::<_MM_HINT_T0>(next);
            next = next.wrapping_add(LINE);
        }
        let weights: [&[Gates; UNITS]; P] = std::array::from_fn(|p| {
            let (blocks, _) = panels[p].as_chunks();
            &blocks[block]
        });
        for k in 0..UNITS {
            for p in 0..P {
                let weights = weights[p][k].each_ref().map(load);
                for r in 0..R {
                    let input = _mm256_set1_ps(inputs[r].0[k]);
                    for gate in 0..3 {
                        sums[p][r][gate] = _mm256_fmadd_ps(input, weights[gate], sums[p][r][gate]);
                    }
                }
            }
        }
    }
    for (sums, gates) in sums.iter().flatten().zip(gates) {
        for (sum, gate) in sums.iter().zip(gates) {
            // SAFETY: as above.
            unsafe { _mm256_store_ps(gate.0.as_mut_ptr(), *sum) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pack;
    use super::*;
    use crate::kernels::harness::{assert_close, numbers};

    #[test]
    fn portable_equals_vectorised_within_rounding() {
        let weights = Floats::new(&numbers(3 * 32 * 64, 3), 32, 64);
        let rows = pack(&weights, &numbers(3 * 64, 4), 64);
        let compare = |vectorised: &[Gates], portable: &[Gates]| {
            let flat = |gates: &[Gates]| -> Vec<f32> {
                gates.iter().flatten().flat_map(|lanes| lanes.0).collect()
            };
            assert_close(&flat(vectorised), &flat(portable), 1e-5, "vectorised");
        };
        let (mut vectorised, mut portable) = ([NO_GATES; 4], [NO_GATES; 4]);
        let inputs = rows.tile(0);
        add_tile::<4, 1>(&weights.weights, 64, inputs, &mut vectorised, Ahead::NONE);
        add_tile_portable::<4, 1>(&weights.weights, 64, inputs, &mut portable);
        compare(&vectorised, &portable);
        let (mut vectorised, mut portable) = ([NO_GATES; 3], [NO_GATES; 3]);
        let ahead = Ahead::share(&weights.weights[..64], 0, 1);
        add_tile::<1, 3>(&weights.weights[64..], 0, inputs, &mut vectorised, ahead);
        add_tile_portable::<1, 3>(&weights.weights[64..], 0, inputs, &mut portable);
        compare(&vectorised, &portable);
    }
}
