//! Loops over vectors that the compiler vectorises.

use half::f16;
use half::slice::HalfFloatSliceExt;
use multiversion::multiversion;

/// The number of partial sums, so that consecutive additions are independent.
const SUMS: usize = 32;

/// The dot product of two vectors, and the squared length of the first.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn product_and_square(row: &[f32], query: &[f32]) -> (f32, f32) {
    let (mut products, mut squares) = ([0.0_f32; SUMS], [0.0_f32; SUMS]);
    let (rows, row_rest) = row.as_chunks::<SUMS>();
    let (queries, query_rest) = query.as_chunks::<SUMS>();
    for (row, query) in rows.iter().zip(queries) {
        for k in 0..SUMS {
            products[k] += row[k] * query[k];
            squares[k] += row[k] * row[k];
        }
    }
    for (k, (row, query)) in row_rest.iter().zip(query_rest).enumerate() {
        products[k] += row * query;
        squares[k] += row * row;
    }
    (products.iter().sum(), squares.iter().sum())
}

/// The dot product of two vectors, summed in the same order as in [`product_and_square`].
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn product(row: &[f32], query: &[f32]) -> f32 {
    let mut products = [0.0_f32; SUMS];
    let (rows, row_rest) = row.as_chunks::<SUMS>();
    let (queries, query_rest) = query.as_chunks::<SUMS>();
    for (row, query) in rows.iter().zip(queries) {
        for k in 0..SUMS {
            products[k] += row[k] * query[k];
        }
    }
    for (k, (row, query)) in row_rest.iter().zip(query_rest).enumerate() {
        products[k] += row * query;
    }
    products.iter().sum()
}

/// The squared length of a vector.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn square(row: &[f32]) -> f32 {
    let mut squares = [0.0_f32; SUMS];
    let (rows, rest) = row.as_chunks::<SUMS>();
    for row in rows {
        for k in 0..SUMS {
            squares[k] += row[k] * row[k];
        }
    }
    for (k, x) in rest.iter().enumerate() {
        squares[k] += x * x;
    }
    squares.iter().sum()
}

/// The largest value; `-inf` if there are none.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn largest(numbers: &[f32]) -> f32 {
    let mut largest = [f32::NEG_INFINITY; SUMS];
    let (chunks, rest) = numbers.as_chunks::<SUMS>();
    for chunk in chunks {
        for k in 0..SUMS {
            largest[k] = if chunk[k] > largest[k] {
                chunk[k]
            } else {
                largest[k]
            };
        }
    }
    let rest = rest.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    largest.into_iter().fold(rest, f32::max)
}

/// Converts 16-bit floats to 32-bit floats.
pub(crate) fn from_halves(halves: &[f16], floats: &mut [f32]) {
    halves.convert_to_f32_slice(floats);
}

/// Converts integers to floats.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn from_integers(integers: &[i8], floats: &mut [f32]) {
    for (float, &integer) in floats.iter_mut().zip(integers) {
        *float = f32::from(integer);
    }
}

/// Converts unsigned integers to floats.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn from_unsigned(integers: &[u8], floats: &mut [f32]) {
    for (float, &integer) in floats.iter_mut().zip(integers) {
        *float = f32::from(integer);
    }
}

/// Converts step numbers n to the middles of the steps, `n + middle` sizes above the start.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn from_steps(row: &mut [f32], middle: f32, starts: &[f32], sizes: &[f32]) {
    for ((x, start), size) in row.iter_mut().zip(starts).zip(sizes) {
        *x = start + (*x + middle) * size;
    }
}

/// Bits as 1 and -1, eight a byte, the first the highest, after `flip` turned over those that it holds.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn from_bits(bytes: &[u8], flip: u8, row: &mut [f32]) {
    let sign = |byte: u8, k: usize| match (byte ^ flip) & (0x80 >> k) {
        0 => -1.0,
        _ => 1.0,
    };
    let (whole, rest) = row.as_chunks_mut::<8>();
    let mut bytes = bytes.iter();
    for (eight, &byte) in whole.iter_mut().zip(&mut bytes) {
        *eight = std::array::from_fn(|k| sign(byte, k));
    }
    for (k, x) in rest.iter_mut().enumerate() {
        if let [byte] = bytes.as_slice() {
            *x = sign(*byte, k);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_see_every_number() {
        for length in [0, 1, 31, 32, 33, 100] {
            let a: Vec<f32> = (0..length).map(|k| k as f32 - 7.0).collect();
            let b: Vec<f32> = (0..length).map(|k| 3.0 - k as f32 / 4.0).collect();
            let exact = |f: &dyn Fn(usize) -> f32| (0..length).map(f).sum::<f32>();
            let (product_, square_) = product_and_square(&a, &b);
            assert_eq!(product_, exact(&|k| a[k] * b[k]), "{length}");
            assert_eq!(square_, exact(&|k| a[k] * a[k]), "{length}");
            assert_eq!(square_, square(&a), "{length}");
            assert_eq!(product_, product(&a, &b), "{length}");
            let expected = a.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&a), expected, "{length}");
        }
    }

    #[test]
    fn integers_become_the_middles_of_their_steps() {
        let mut row = [0.0; 3];
        from_integers(&[-128, 0, 127], &mut row);
        assert_eq!(row, [-128.0, 0.0, 127.0]);
        from_steps(&mut row, 128.5, &[0.0, 1.0, -255.0], &[2.0, 2.0, 2.0]);
        assert_eq!(row, [1.0, 258.0, 256.0]);
        from_unsigned(&[0, 128, 255], &mut row);
        from_steps(&mut row, 0.5, &[0.0, 1.0, -255.0], &[2.0, 2.0, 2.0]);
        assert_eq!(row, [1.0, 258.0, 256.0]);
    }

    #[test]
    fn bits_become_signs() {
        let mut row = [0.0; 11];
        let signs = [1.0, -1.0, 1.0, -1.0, -1.0, -1.0, -1.0, 1.0, -1.0, 1.0, -1.0];
        from_bits(&[0b1010_0001, 0b0100_0000], 0, &mut row);
        assert_eq!(row, signs);
        from_bits(&[0b0010_0001, 0b1100_0000], 0x80, &mut row);
        assert_eq!(row, signs);
    }
}
