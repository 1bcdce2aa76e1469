//! Products with weights as 16-bit floats.
//!
//! Weights are widened to f32 block by block, which is exact, and multiplied as [`Floats`]: results
//! equal those of the widened weights bit for bit.

use half::slice::HalfFloatSliceExt;

use super::floats::{DEPTH, Floats, ROWS, add_block, set_row};
use super::{GROUP, Gates, InputRows, Lanes, NO_GATES, PackedWeights, UNITS};

/// Weights in f16 or bf16.
pub(crate) struct Halves<T> {
    /// `[panel][input][gate][unit]`.
    weights: Vec<T>,
    depth: usize,
}

/// Values of a [`Gates`].
const WIDTH: usize = 3 * UNITS;

impl<T: Copy + Default + Send + Sync> PackedWeights for Halves<T>
where
    [T]: HalfFloatSliceExt,
{
    type Block = [Lanes; ROWS];
    const BLOCK: Self::Block = [Lanes::ZERO; ROWS];
    const ROWS: usize = ROWS;

    fn new(matrix: &[f32], hidden: usize, inputs: usize) -> Self {
        let floats = Floats::new(matrix, hidden, inputs);
        let mut weights = vec![T::default(); floats.weights().len() * WIDTH];
        for (half, gates) in weights.chunks_exact_mut(WIDTH).zip(floats.weights()) {
            for (half, lanes) in half.chunks_exact_mut(UNITS).zip(gates) {
                half.convert_from_f32_slice(&lanes.0);
            }
        }
        Self {
            weights,
            depth: inputs.next_multiple_of(UNITS),
        }
    }

    fn panels(&self) -> usize {
        self.weights.len() / WIDTH / self.depth
    }

    fn set(&self, tile: &mut [Self::Block], row: usize, inputs: &[f32], _bounded: bool) -> f32 {
        set_row(tile, row, inputs);
        1.0
    }

    fn product(&self, group: usize, rows: &InputRows<Self>, gates: &mut [Gates]) {
        gates.fill(NO_GATES);
        let size = self.depth * WIDTH;
        let mut wide = [NO_GATES; DEPTH];
        let panels = self.weights[group * GROUP * size..].chunks_exact(size);
        for (panel, gates) in panels.zip(gates.chunks_exact_mut(rows.count())) {
            for (k, weights) in panel.chunks(DEPTH * WIDTH).enumerate() {
                let wide = &mut wide[..weights.len() / WIDTH];
                let lanes = wide.as_flattened_mut().iter_mut();
                for (half, lanes) in weights.chunks_exact(UNITS).zip(lanes) {
                    half.convert_to_f32_slice(&mut lanes.0);
                }
                add_block(wide, k, rows, gates, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::super::tests::{pack, products};
    use super::*;
    use crate::kernels::harness::numbers;

    fn compare<T: Copy + Default + Send + Sync>(round: impl Fn(f32) -> f32)
    where
        [T]: HalfFloatSliceExt,
    {
        let (hidden, inputs) = (43, 301);
        let matrix = numbers(3 * hidden * inputs, 5).into_iter();
        let matrix: Vec<f32> = matrix.map(round).collect();
        let inputs_ = numbers(9 * inputs, 6);
        let floats = Floats::new(&matrix, hidden, inputs);
        let halves = Halves::<T>::new(&matrix, hidden, inputs);
        for count in [1, 3, 9] {
            let inputs_ = &inputs_[..count * inputs];
            let expected = products(&floats, &pack(&floats, inputs_, inputs), hidden);
            let found = products(&halves, &pack(&halves, inputs_, inputs), hidden);
            assert_eq!(found, expected, "{count} rows");
        }
    }

    #[test]
    fn equal_floats_of_the_same_weights() {
        compare::<f16>(|x| f16::from_f32(x).to_f32());
        compare::<bf16>(|x| bf16::from_f32(x).to_f32());
    }
}
