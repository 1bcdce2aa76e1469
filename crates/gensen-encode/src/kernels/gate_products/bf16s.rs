//! Products of weights and inputs in bf16, summed in f32.

use std::cell::RefCell;

use super::groups::{Groups, ROWS, places};
use super::{Gates, InputRows, PackedWeights, UNITS};
use crate::kernels::products::{Bf16Product, CacheLine, Element, LANES, Sums};

/// Inputs per line.
const INPUTS: usize = 2 * LANES;

/// Weights in bf16, for processors with bf16 products.
pub(crate) struct Bf16s {
    way: Bf16Product,
    groups: Groups,
}

impl Bf16s {
    /// Whether the processor has the instructions.
    pub(crate) fn has_kernels() -> bool {
        Bf16Product::best().is_some()
    }
}

impl PackedWeights for Bf16s {
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
        let write = |_row, weights: &[f32], line: &mut CacheLine| {
            f32::halves(weights, line.halves_mut());
        };
        Self {
            way: Bf16Product::best().expect("the processor multiplies bf16"),
            groups: Groups::new(matrix, hidden, inputs, INPUTS, write),
        }
    }

    fn panels(&self) -> usize {
        self.groups.panels
    }

    fn set(&self, tile: &mut [CacheLine], row: usize, inputs: &[f32], _bounded: bool) -> f32 {
        let lines = tile[row..].iter_mut().step_by(LANES);
        for (line, inputs) in lines.zip(inputs.chunks(INPUTS)) {
            f32::halves(inputs, line.halves_mut());
        }
        1.0
    }

    fn product(&self, group: usize, rows: &InputRows<Self>, gates: &mut [Gates]) {
        thread_local! {
            static SUMS: RefCell<Vec<CacheLine<f32>>> = const { RefCell::new(Vec::new()) };
        }
        let count = rows.count();
        SUMS.with_borrow_mut(|sums| {
            for block in 0..count.div_ceil(ROWS) {
                let factors = self.groups.factors(group, block, &rows.blocks, count);
                if sums.len() < factors.sums() {
                    sums.resize(factors.sums(), CacheLine([0.0; LANES]));
                }
                self.way
                    .multiply(&factors, Sums::of_lines(sums, &factors), false);
                places(
                    block,
                    count,
                    gates.len() / count,
                    |row, panel, half, place| {
                        let lines = &sums[row * factors.panels + panel..][..3];
                        for (gate, line) in gates[place].iter_mut().zip(lines) {
                            gate.0.copy_from_slice(&line.0[half..half + UNITS]);
                        }
                    },
                );
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_near_the_sum_and_the_same_for_any_number_of_rows() {
        if !Bf16s::has_kernels() {
            eprintln!("NOT COMPARED: the processor does not multiply bf16");
            return;
        }
        // Two factors in ±1 are off by 2^-9 of themselves at most: ten standard deviations of a
        // product.
        super::super::tests::check::<Bf16s>(10.0 * 0.333 * 0.58 * 2.0_f64.powf(-8.5));
    }
}
