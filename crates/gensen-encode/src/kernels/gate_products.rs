//! The matrix products of the encoder's GRU on the CPU: weights are packed once, and a row's result
//! does not depend on other rows.
//!
//! A panel holds the weights of eight units' three gates, so that one pass over it computes all
//! that the gate equations of those units need. Each value is one sum over the inputs, in order and
//! with the same rounding for any number of rows: a sentence's vector has the same bits in any
//! batch.
//!
//! | weights | stored as | inputs | multiplied in |
//! | --- | --- | --- | --- |
//! | [`Floats`] | f32 | f32 | f32 |
//! | [`Halves`] | f16 or bf16 | f32 | f32 |
//! | [`Bf16s`] | bf16 | bf16 | bf16, summed in f32 |
//! | [`Integers`] | 8 bits | 14 bits | integers |
//! | [`Bytes`] | 8 bits | 8 bits | integers |
//!
//! [`Bf16s`] and [`Bytes`] need special instructions ([`super::products`]).

mod bf16s;
mod bytes;
mod floats;
mod groups;
mod halves;
mod integers;

pub(crate) use bf16s::Bf16s;
pub(crate) use bytes::Bytes;
pub(crate) use floats::Floats;
pub(crate) use halves::Halves;
pub(crate) use integers::Integers;

/// Units per panel.
pub(crate) const UNITS: usize = 8;
/// Panels per group; a thread works on one group at a time. For a single row, the inner loop
/// computes all panels of a group together: reading several streams hides memory latency.
pub(crate) const GROUP: usize = 4;

/// Eight values: a vector register of 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(32))]
pub(crate) struct Lanes(pub(crate) [f32; UNITS]);

impl Lanes {
    pub(crate) const ZERO: Self = Self([0.0; UNITS]);
}

/// Gates r, z, n of eight units.
pub(crate) type Gates = [Lanes; 3];

/// Gates that are zero.
pub(crate) const NO_GATES: Gates = [Lanes::ZERO; 3];

/// A weight matrix `[3 * hidden, inputs]`, gates r, z, n stacked on the rows, packed in panels.
pub(crate) trait PackedWeights: Send + Sync + Sized {
    /// A tile of input rows is an array of blocks.
    type Block: Copy + Send + Sync;

    /// A block of zeros.
    const BLOCK: Self::Block;

    /// Rows per tile.
    const ROWS: usize;

    /// Blocks in a tile of `columns` columns.
    fn blocks(columns: usize) -> usize {
        columns.div_ceil(UNITS)
    }

    /// Packs a matrix.
    fn new(matrix: &[f32], hidden: usize, inputs: usize) -> Self;

    /// The number of panels.
    fn panels(&self) -> usize;

    /// Writes a row of inputs into a tile and returns the scale of its products. `bounded` promises
    /// that the inputs lie in [-1, 1].
    fn set(&self, tile: &mut [Self::Block], row: usize, inputs: &[f32], bounded: bool) -> f32;

    /// Multiplies all rows by a group's panels; `gates` is `[panel][row]`.
    fn product(&self, group: usize, rows: &InputRows<Self>, gates: &mut [Gates]);
}

/// Rows of inputs, packed in tiles.
pub(crate) struct InputRows<W: PackedWeights> {
    blocks: Vec<W::Block>,
    /// The scale of each row's products.
    scales: Vec<f32>,
    /// Blocks per tile.
    depth: usize,
    count: usize,
}

impl<W: PackedWeights> InputRows<W> {
    /// Memory for at most `most` rows of `columns` columns; the number of rows is 0 until it is
    /// set.
    pub(crate) fn new(most: usize, columns: usize) -> Self {
        let depth = W::blocks(columns);
        Self {
            blocks: vec![W::BLOCK; most.div_ceil(W::ROWS) * depth],
            scales: vec![1.0; most],
            depth,
            count: 0,
        }
    }

    /// The number of rows.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Sets the number of rows.
    pub(crate) fn set_count(&mut self, count: usize) {
        self.count = count;
    }

    /// Writes a row; `bounded` promises that its values lie in [-1, 1].
    pub(crate) fn set(&mut self, weights: &W, row: usize, inputs: &[f32], bounded: bool) {
        let tile = &mut self.blocks[row / W::ROWS * self.depth..][..self.depth];
        self.scales[row] = weights.set(tile, row % W::ROWS, inputs, bounded);
    }

    /// All columns of a tile.
    fn tile(&self, tile: usize) -> &[W::Block] {
        &self.blocks[tile * self.depth..(tile + 1) * self.depth]
    }
}

/// At most eight inputs, padded with zeros.
fn lanes(inputs: &[f32]) -> Lanes {
    let mut lanes = Lanes::ZERO;
    lanes.0[..inputs.len()].copy_from_slice(inputs);
    lanes
}

/// The largest magnitude of a row, or 1 if all are zero: dividing by it scales the row to [-1, 1].
fn largest(inputs: &[f32]) -> f32 {
    let largest = inputs.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if largest > 0.0 { largest } else { 1.0 }
}

/// Prefetches these gates, which lie on two cache lines or more, into the L2 cache.
pub(crate) fn prefetch(gates: &Gates) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        for lanes in [&gates[0], &gates[2]] {
            // SAFETY: every x86-64 processor has this instruction, which only hints at an address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(lanes.0.as_ptr().cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = gates;
}

#[cfg(test)]
mod tests {
    use super::super::harness::{exact_product, numbers};
    use super::*;

    pub(super) fn pack<W: PackedWeights>(
        weights: &W,
        inputs: &[f32],
        columns: usize,
    ) -> InputRows<W> {
        let count = inputs.len() / columns;
        let mut rows = InputRows::new(count, columns);
        rows.set_count(count);
        for (r, row) in inputs.chunks_exact(columns).enumerate() {
            rows.set(weights, r, row, true);
        }
        rows
    }

    /// `[row][unit][gate]`.
    pub(super) fn products<W: PackedWeights>(
        weights: &W,
        rows: &InputRows<W>,
        hidden: usize,
    ) -> Vec<f32> {
        let (panels, count) = (weights.panels(), rows.count());
        let mut gates = vec![NO_GATES; panels * count];
        for (group, gates) in gates.chunks_mut(GROUP * count).enumerate() {
            weights.product(group, rows, gates);
        }
        let units = |row| (0..hidden).map(move |unit| (unit / UNITS * count + row, unit % UNITS));
        (0..count)
            .flat_map(units)
            .flat_map(|(place, lane)| gates[place].map(|lanes| lanes.0[lane]))
            .collect()
    }

    /// Compares products with sums in double precision, and each row alone with the same row among
    /// others.
    pub(super) fn check<W: PackedWeights>(tolerance: f64) {
        for (hidden, inputs, count) in [(19, 531, 9), (64, 40, 30), (5, 3, 1), (40, 1100, 2)] {
            let matrix = numbers(3 * hidden * inputs, 1);
            let inputs_ = numbers(count * inputs, 2);
            let weights = W::new(&matrix, hidden, inputs);
            let all = products(&weights, &pack(&weights, &inputs_, inputs), hidden);
            for (r, row) in inputs_.chunks_exact(inputs).enumerate() {
                let found = &all[r * 3 * hidden..(r + 1) * 3 * hidden];
                for (k, found) in found.iter().enumerate() {
                    let weights = &matrix[(k % 3 * hidden + k / 3) * inputs..][..inputs];
                    let exact = exact_product(weights, row);
                    let error = (f64::from(*found) - exact).abs();
                    let most = tolerance * (inputs as f64).sqrt();
                    assert!(error < most, "row {r}, gate {k}: {found} for {exact}");
                }
                let alone = products(&weights, &pack(&weights, row, inputs), hidden);
                assert_eq!(alone, found, "row {r} alone");
            }
            for some in 1..count {
                let rows = pack(&weights, &inputs_[..some * inputs], inputs);
                let found = products(&weights, &rows, hidden);
                assert_eq!(found, all[..some * 3 * hidden], "{some} rows");
            }
        }
    }

    #[test]
    fn floats_equal_the_sum_and_are_the_same_for_any_number_of_rows() {
        check::<Floats>(1e-6);
    }

    #[test]
    fn integers_are_near_the_sum_and_the_same_for_any_number_of_rows() {
        // Half a step of 1/127 at most, 0.29 of a step as standard deviation: ten of those.
        check::<Integers>(10.0 * 0.29 / 127.0 * 0.6);
    }
}
