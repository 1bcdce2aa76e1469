//! The matrix product of the CPU's GRU: weights packed once, every row computed by itself.
//!
//! A panel holds the weights of eight units' three gates, so that one pass over it yields all that
//! the gate equations of those units need. Each number is one sum over the inputs, in order, with
//! one rounding rule, whatever the number of rows beside it: a sentence's vector has the same bits
//! in any batch.

use rayon::prelude::*;

/// Units of a panel.
pub(super) const UNITS: usize = 8;
/// Rows that the inner loop computes at once.
const ROWS: usize = 4;
/// Inputs after which the inner loop goes on to the next rows: the weights of as many stay in the
/// first-level cache.
const DEPTH: usize = 256;

/// Eight numbers that a vector register takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(32))]
pub(super) struct Lanes(pub(super) [f32; UNITS]);

impl Lanes {
    pub(super) const ZERO: Self = Self([0.0; UNITS]);
}

/// Eight units' gates r, z, n.
pub(super) type Gates = [Lanes; 3];

/// Zeros.
pub(super) const NO_GATES: Gates = [Lanes::ZERO; 3];

/// Rows of numbers, eight columns at a time: columns `8 k..8 k + 8` of row `r` are at
/// `k * stride + r`. The last columns are filled up with zeros.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) lanes: &'a [Lanes],
    pub(super) stride: usize,
    pub(super) count: usize,
}

/// Lays `count` rows of `columns` numbers out for [`Rows`]; `write` fills one row.
pub(super) fn pack_rows(
    count: usize,
    columns: usize,
    mut write: impl FnMut(usize, &mut [f32]),
) -> Vec<Lanes> {
    let mut lanes = vec![Lanes::ZERO; columns.div_ceil(UNITS) * count];
    let mut row = vec![0.0; columns];
    for r in 0..count {
        write(r, &mut row);
        for (k, chunk) in row.chunks(UNITS).enumerate() {
            lanes[k * count + r].0[..chunk.len()].copy_from_slice(chunk);
        }
    }
    lanes
}

/// A weight matrix `[3 * hidden, inputs]`, gates r, z, n on the rows, in panels of eight units.
pub(super) struct Panels {
    weights: Vec<Gates>,
    depth: usize,
}

impl Panels {
    /// Packs a matrix.
    pub(super) fn new(matrix: &[f32], hidden: usize, inputs: usize) -> Self {
        let depth = inputs.next_multiple_of(UNITS);
        let mut weights = vec![NO_GATES; hidden.div_ceil(UNITS) * depth];
        weights
            .par_chunks_mut(depth)
            .enumerate()
            .for_each(|(panel, weights)| {
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

    /// The number of panels.
    pub(super) fn len(&self) -> usize {
        self.weights.len() / self.depth
    }

    /// Adds to `gates`, one a row, the products of the rows and a panel.
    pub(super) fn add_product(&self, panel: usize, rows: Rows<'_>, gates: &mut [Gates]) {
        let weights = &self.weights[panel * self.depth..(panel + 1) * self.depth];
        for (block, weights) in weights.chunks(DEPTH).enumerate() {
            let lanes = &rows.lanes[block * (DEPTH / UNITS) * rows.stride..];
            let mut tiles = gates[..rows.count].chunks_exact_mut(ROWS);
            let mut row = 0;
            for tile in tiles.by_ref() {
                add_rows::<ROWS>(weights, &lanes[row..], rows.stride, tile);
                row += ROWS;
            }
            let lanes = lanes.get(row..).unwrap_or_default();
            match tiles.into_remainder() {
                [] => {}
                tile @ [_] => add_rows::<1>(weights, lanes, rows.stride, tile),
                tile @ [_, _] => add_rows::<2>(weights, lanes, rows.stride, tile),
                tile => add_rows::<3>(weights, lanes, rows.stride, tile),
            }
        }
    }
}

/// Adds the products of `R` rows, which begin `lanes`, and the weights of as many inputs.
fn add_rows<const R: usize>(
    weights: &[Gates],
    lanes: &[Lanes],
    stride: usize,
    gates: &mut [Gates],
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both.
        return unsafe { add_rows_avx2::<R>(weights, lanes, stride, gates) };
    }
    add_rows_portable::<R>(weights, lanes, stride, gates);
}

/// For compilers that find the vector instructions themselves.
fn add_rows_portable<const R: usize>(
    weights: &[Gates],
    lanes: &[Lanes],
    stride: usize,
    gates: &mut [Gates],
) {
    let fused = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
    let mut sums = [NO_GATES; R];
    sums.copy_from_slice(&gates[..R]);
    for (block, weights) in weights.chunks_exact(UNITS).enumerate() {
        let lanes = &lanes[block * stride..block * stride + R];
        for (k, weights) in weights.iter().enumerate() {
            for (sums, lanes) in sums.iter_mut().zip(lanes) {
                let input = lanes.0[k];
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
    gates[..R].copy_from_slice(&sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn add_rows_avx2<const R: usize>(
    weights: &[Gates],
    lanes: &[Lanes],
    stride: usize,
    gates: &mut [Gates],
) {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_load_ps, _mm256_set1_ps, _mm256_store_ps};
    // SAFETY: `Lanes` are eight numbers, aligned to 32 bytes.
    let load = |lanes: &Lanes| unsafe { _mm256_load_ps(lanes.0.as_ptr()) };
    let gates = &mut gates[..R];
    let mut sums = [[load(&Lanes::ZERO); 3]; R];
    for (sums, gates) in sums.iter_mut().zip(gates.iter()) {
        *sums = [load(&gates[0]), load(&gates[1]), load(&gates[2])];
    }
    for (block, weights) in weights.chunks_exact(UNITS).enumerate() {
        let lanes = &lanes[block * stride..block * stride + R];
        for (k, weights) in weights.iter().enumerate() {
            let weights = [load(&weights[0]), load(&weights[1]), load(&weights[2])];
            for r in 0..R {
                let input = _mm256_set1_ps(lanes[r].0[k]);
                for gate in 0..3 {
                    sums[r][gate] = _mm256_fmadd_ps(input, weights[gate], sums[r][gate]);
                }
            }
        }
    }
    for (sums, gates) in sums.iter().zip(gates) {
        for (sum, gate) in sums.iter().zip(gates) {
            // SAFETY: as above.
            unsafe { _mm256_store_ps(gate.0.as_mut_ptr(), *sum) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .take(count)
        .collect()
    }

    fn product(panels: &Panels, lanes: &[Lanes], stride: usize, rows: usize) -> Vec<Vec<Gates>> {
        let rows = Rows {
            lanes,
            stride,
            count: rows,
        };
        (0..panels.len())
            .map(|panel| {
                let mut gates = vec![NO_GATES; rows.count];
                panels.add_product(panel, rows, &mut gates);
                gates
            })
            .collect()
    }

    #[test]
    #[expect(clippy::needless_range_loop, reason = "a row of three things")]
    fn equals_the_sum_and_is_the_same_for_any_number_of_rows() {
        let (hidden, inputs, count) = (19, 531, 9);
        let (matrix, inputs_) = (numbers(3 * hidden * inputs, 1), numbers(count * inputs, 2));
        let panels = Panels::new(&matrix, hidden, inputs);
        let row = |r: usize| &inputs_[r * inputs..(r + 1) * inputs];
        let lanes = pack_rows(count, inputs, |r, out| out.copy_from_slice(row(r)));
        let all = product(&panels, &lanes, count, count);
        for r in 0..count {
            for (unit, gate) in (0..hidden).flat_map(|unit| (0..3).map(move |gate| (unit, gate))) {
                let weights = &matrix[(gate * hidden + unit) * inputs..][..inputs];
                let exact: f64 = std::iter::zip(weights, row(r))
                    .map(|(&w, &x)| f64::from(w) * f64::from(x))
                    .sum();
                let found = all[unit / UNITS][r][gate].0[unit % UNITS];
                let error = (f64::from(found) - exact).abs();
                assert!(error < 2e-5, "row {r}, unit {unit}, gate {gate}: {error:e}");
            }
        }
        for rows in 1..count {
            for (panel, gates) in product(&panels, &lanes, count, rows).iter().enumerate() {
                assert_eq!(gates[..], all[panel][..rows], "{rows} rows");
            }
            let alone = pack_rows(1, inputs, |_, out| out.copy_from_slice(row(rows)));
            for (panel, gates) in product(&panels, &alone, 1, 1).iter().enumerate() {
                assert_eq!(gates[0], all[panel][rows], "row {rows} alone");
            }
        }
    }

    #[test]
    fn portable_equals_vectorised_within_rounding() {
        let panels = Panels::new(&numbers(3 * 8 * 64, 3), 8, 64);
        let inputs = numbers(3 * 64, 4);
        let lanes = pack_rows(3, 64, |r, out| out.copy_from_slice(&inputs[r * 64..][..64]));
        let (mut vectorised, mut portable) = ([NO_GATES; 3], [NO_GATES; 3]);
        add_rows::<3>(&panels.weights, &lanes, 3, &mut vectorised);
        add_rows_portable::<3>(&panels.weights, &lanes, 3, &mut portable);
        let flat = |gates: [Gates; 3]| gates.into_iter().flatten().flat_map(|lanes| lanes.0);
        for (a, b) in flat(vectorised).zip(flat(portable)) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
    }
}
