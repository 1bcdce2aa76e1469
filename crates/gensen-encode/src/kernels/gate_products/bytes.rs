//! Products of weights and inputs as 8-bit integers.
//!
//! Each row of the matrix has a scale, its largest magnitude divided by 127, and so has each row of
//! inputs. Sums are exact: every processor with the instructions computes the same integers.

use std::cell::RefCell;

use multiversion::multiversion;

use super::groups::{Groups, PANELS, ROWS, places, rows as rows_of};
use super::integers::{LARGEST, round};
use super::{Gates, InputRows, PackedWeights, UNITS, largest};
use crate::kernels::products::{ByteProduct, CacheLine, LANES, Sums};

/// Inputs per line.
const INPUTS: usize = 4 * LANES;
/// Added to inputs, because the instructions take them as unsigned bytes.
const OFFSET: i32 = 128;
/// The most inputs whose sum of products cannot overflow 32 bits.
const MOST_INPUTS: usize = i32::MAX as usize / (255 * 127);

/// Weights as bytes, for processors that multiply them four at a time.
pub(crate) struct Bytes {
    way: ByteProduct,
    groups: Groups,
    /// `[group][panel]`: the scales of sums.
    scales: Vec<CacheLine<f32>>,
    /// `[group][panel]`: how much [`OFFSET`] adds to sums.
    offsets: Vec<CacheLine<i32>>,
}

impl Bytes {
    /// Whether the processor has the instructions, and sums over `inputs` values fit 32 bits.
    pub(crate) fn has_kernels(inputs: usize) -> bool {
        ByteProduct::best().is_some() && inputs <= MOST_INPUTS
    }
}

#[inline(always)]
fn quantised(weight: f32, largest: f32) -> i32 {
    round(weight / largest * LARGEST)
}

impl PackedWeights for Bytes {
    type Block = CacheLine;
    const BLOCK: CacheLine = CacheLine::ZERO;
    const ROWS: usize = LANES;

    fn blocks(columns: usize) -> usize {
        columns.div_ceil(INPUTS) * LANES
    }

    #[allow(
        clippy::expect_used,
        reason = "only `CpuEngine::with_precision` packs these, and it checks `has_kernels` first"
    )]
    fn new(matrix: &[f32], hidden: usize, inputs: usize) -> Self {
        let way = ByteProduct::best().expect("the processor multiplies bytes");
        let row_of = |row: usize| &matrix[row * inputs..(row + 1) * inputs];
        let largest: Vec<f32> = (0..3 * hidden).map(|row| largest(row_of(row))).collect();
        let write = |row: usize, weights: &[f32], line: &mut CacheLine| {
            for (byte, &weight) in line.bytes_mut().iter_mut().zip(weights) {
                *byte = quantised(weight, largest[row]) as u8;
            }
        };
        let groups = Groups::new(matrix, hidden, inputs, INPUTS, write);
        let count = hidden.div_ceil(super::GROUP * UNITS) * PANELS;
        let mut scales = vec![CacheLine([0.0; LANES]); count];
        let mut offsets = vec![CacheLine([0; LANES]); count];
        for place in 0..count {
            for (lane, row) in rows_of(place / PANELS, place % PANELS, hidden).enumerate() {
                let weights = row_of(row).iter().map(|&w| quantised(w, largest[row]));
                scales[place].0[lane] = largest[row] / LARGEST;
                offsets[place].0[lane] = OFFSET * weights.sum::<i32>();
            }
        }
        Self {
            way,
            groups,
            scales,
            offsets,
        }
    }

    fn panels(&self) -> usize {
        self.groups.panels
    }

    fn set(&self, tile: &mut [CacheLine], row: usize, inputs: &[f32], _bounded: bool) -> f32 {
        let largest = largest(inputs);
        let lines = tile[row..].iter_mut().step_by(LANES);
        for (line, inputs) in lines.zip(inputs.chunks(INPUTS)) {
            write(inputs, LARGEST / largest, line.bytes_mut());
        }
        largest / LARGEST
    }

    fn product(&self, group: usize, rows: &InputRows<Self>, gates: &mut [Gates]) {
        thread_local! {
            static SUMS: RefCell<Vec<CacheLine<i32>>> = const { RefCell::new(Vec::new()) };
        }
        let count = rows.count();
        let panels = group * PANELS..(group + 1) * PANELS;
        let (scales, offsets) = (&self.scales[panels.clone()], &self.offsets[panels]);
        SUMS.with_borrow_mut(|sums| {
            for block in 0..count.div_ceil(ROWS) {
                let factors = self.groups.factors(group, block, &rows.blocks, count);
                if sums.len() < factors.sums() {
                    sums.resize(factors.sums(), CacheLine([0; LANES]));
                }
                self.way.multiply(&factors, Sums::of_lines(sums, &factors));
                deliver(block, count, sums, scales, offsets, &rows.scales, gates);
            }
        });
    }
}

/// Quantises inputs and adds [`OFFSET`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn write(inputs: &[f32], factor: f32, bytes: &mut [u8]) {
    for (byte, x) in bytes.iter_mut().zip(inputs) {
        *byte = (round(x * factor) + OFFSET) as u8;
    }
}

/// Converts a block's sums to gates.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn deliver(
    block: usize,
    count: usize,
    sums: &[CacheLine<i32>],
    scales: &[CacheLine<f32>],
    offsets: &[CacheLine<i32>],
    of_rows: &[f32],
    gates: &mut [Gates],
) {
    let panels = gates.len() / count;
    places(block, count, panels, |row, panel, half, place| {
        let of_row = of_rows[block * ROWS + row];
        for (k, gate) in gates[place].iter_mut().enumerate() {
            let sums = &sums[row * PANELS + panel + k].0[half..half + UNITS];
            let scales = &scales[panel + k].0[half..half + UNITS];
            let offsets = &offsets[panel + k].0[half..half + UNITS];
            for (lane, gate) in gate.0.iter_mut().enumerate() {
                *gate = (sums[lane] - offsets[lane]) as f32 * scales[lane] * of_row;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, pack, products};
    use super::*;
    use crate::kernels::harness::numbers;

    #[test]
    fn are_near_the_sum_and_the_same_for_any_number_of_rows() {
        if !Bytes::has_kernels(1) {
            eprintln!("NOT COMPARED: the processor does not multiply bytes");
            return;
        }
        // Each factor is off by 0.29 of a step of 1/127 as standard deviation: ten of those.
        check::<Bytes>(10.0 * 0.29 / 127.0 * 0.6 * 2.0_f64.sqrt());
    }

    #[test]
    fn sums_of_the_most_inputs_are_exact() {
        let inputs = MOST_INPUTS;
        if !Bytes::has_kernels(inputs) {
            eprintln!("NOT COMPARED: the processor does not multiply bytes");
            return;
        }
        for sign in [1.0, -1.0] {
            let weights = Bytes::new(&vec![-1.0; 3 * inputs], 1, inputs);
            let rows = pack(&weights, &vec![sign; inputs], inputs);
            let expected = (-sign * (inputs * 127 * 127) as f32) * (1.0 / 127.0) * (1.0 / 127.0);
            assert_eq!(products(&weights, &rows, 1), [expected; 3]);
        }
    }

    #[test]
    fn a_row_of_zeros_gives_zeros() {
        if Bytes::has_kernels(40) {
            let weights = Bytes::new(&numbers(3 * 9 * 40, 1), 9, 40);
            let rows = pack(&weights, &[0.0; 40], 40);
            assert_eq!(products(&weights, &rows, 9), [0.0; 27]);
        }
    }
}
