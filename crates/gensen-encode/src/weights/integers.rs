//! Matrices as 8-bit integers with one scale a row.
//!
//! A row's scale is its largest magnitude divided by 127; a value is stored as an integer from -127
//! to 127 that is multiplied by the scale, with an error of at most half a scale. The integer
//! kernels ([`EncoderPrecision::I8`](crate::EncoderPrecision::I8)) quantise in the same way, so
//! they restore exactly the integers of the file.

/// The largest integer.
const LARGEST: f32 = 127.0;

/// The largest magnitude of a value to quantise: the product of its scale and any integer is
/// finite.
pub(super) const MOST: f32 = f32::MAX / 2.0;

/// A quantised matrix in the bytes of a file.
#[derive(Clone, Copy)]
pub(super) struct QuantizedMatrix<'a> {
    /// Integers in row order.
    pub(super) values: &'a [i8],
    /// The rows' scales: f32 in little-endian bytes, of any alignment.
    pub(super) scales: &'a [u8],
    /// The length of a row.
    pub(super) columns: usize,
}

impl QuantizedMatrix<'_> {
    /// Copies the values of a row into `out`, of length `columns`; `None` if there is no such row.
    pub(super) fn copy_row(&self, row: usize, out: &mut [f32]) -> Option<()> {
        let scale = *self.scales.as_chunks().0.get(row)?;
        let scale = f32::from_le_bytes(scale);
        let values = self.values.get(row * self.columns..)?.get(..self.columns)?;
        for (out, &value) in out.iter_mut().zip(values) {
            *out = f32::from(value) * scale;
        }
        Some(())
    }

    /// All values, in row order.
    pub(super) fn to_f32_vec(self) -> Vec<f32> {
        let scales = self.scales.as_chunks().0.iter().copied();
        let scales = scales.map(f32::from_le_bytes);
        let rows = self.values.chunks(self.columns.max(1)).zip(scales);
        rows.flat_map(|(row, scale)| row.iter().map(move |&value| f32::from(value) * scale))
            .collect()
    }
}

/// Whether a scale is valid: not negative, and finite when multiplied by any 8-bit integer.
pub(super) fn is_scale(scale: f32) -> bool {
    scale >= 0.0 && (scale * 128.0).is_finite()
}

/// Quantises values of at most [`MOST`]; returns the bytes of the integers and of the rows' scales.
/// A row whose scale would be subnormal becomes zeros.
pub(super) fn quantise(values: &[f32], columns: usize) -> (Vec<u8>, Vec<u8>) {
    let mut integers = Vec::with_capacity(values.len());
    let mut scales = Vec::new();
    for row in values.chunks_exact(columns.max(1)) {
        let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let scale = match largest / LARGEST {
            scale if scale.is_normal() => scale,
            _ => 0.0,
        };
        scales.extend(scale.to_le_bytes());
        integers.extend(row.iter().map(|x| match scale {
            0.0 => 0,
            _ => (x / scale).round_ties_even().clamp(-LARGEST, LARGEST) as i8 as u8,
        }));
    }
    (integers, scales)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(values: &[f32], columns: usize) -> Vec<f32> {
        let (integers, scales) = quantise(values, columns);
        QuantizedMatrix {
            values: bytemuck::cast_slice(&integers),
            scales: &scales,
            columns,
        }
        .to_f32_vec()
    }

    proptest! {
        #[test]
        fn numbers_come_back_within_half_a_step(
            columns in 1..40_usize,
            numbers in proptest::collection::vec(-1.0e3..1.0e3_f32, 0..400),
            exponent in -30..30_i32,
        ) {
            let factor = 2.0_f32.powi(exponent);
            let rows = numbers.len() / columns;
            let numbers: Vec<f32> = numbers[..rows * columns].iter().map(|x| x * factor).collect();
            let found = there_and_back(&numbers, columns);
            prop_assert_eq!(found.len(), numbers.len());
            for (row, found) in numbers.chunks(columns).zip(found.chunks(columns)) {
                let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                // Half a step, plus the rounding error of f32.
                let most = largest / 127.0 * 0.5 + largest * 1e-6;
                for (x, found) in row.iter().zip(found) {
                    prop_assert!((x - found).abs() <= most, "{found} for {x}, largest {largest}");
                }
            }
        }
    }

    #[test]
    fn zeros_and_the_smallest_numbers_are_zeros_and_the_largest_are_finite() {
        assert_eq!(there_and_back(&[0.0, -0.0, 1e-44, 1e-40], 2), [0.0; 4]);
        let (_, scales) = quantise(&[MOST, -MOST], 2);
        assert!(is_scale(f32::from_le_bytes(scales.try_into().unwrap())));
        assert!(!is_scale(f32::NAN) && !is_scale(-1.0) && !is_scale(f32::INFINITY));
    }
}
