//! Products of a few rows with the same weights at every time step.
//!
//! A recurrent product has as many rows as the batch has sentences: too few to pay for packing the
//! weights in the order in which a matrix product reads them. Here they are packed once for all
//! time steps.

use rayon::prelude::*;

use super::gemm::{MatrixView, Threads};

/// Columns per panel.
const LANES: usize = 16;
/// Rows that the inner loop computes at once: with [`LANES`] columns, their sums take twelve of
/// AVX2's sixteen registers.
const ROWS: usize = 6;
/// Inputs per block: a block of a panel's weights fits the L1 cache.
const DEPTH: usize = 256;
/// A product with fewer multiplications runs on one thread.
const WORTH_THREADS: usize = 8 << 20;

/// A weight matrix `[depth, columns]` packed in panels of sixteen columns, the last padded with
/// zeros.
pub struct Panels {
    weights: Vec<[f32; LANES]>,
    depth: usize,
    columns: usize,
}

/// Reusable buffers of [`Panels::multiply`].
#[derive(Default)]
pub struct PanelBuffers {
    /// `[group][input][row]`: groups of six rows, the last padded with zeros.
    rows: Vec<[f32; ROWS]>,
    /// `[panel][row][column]`.
    sums: Vec<[f32; LANES]>,
}

impl Panels {
    /// Packs a matrix.
    pub fn new(matrix: MatrixView<'_>, threads: Threads) -> Self {
        let (depth, columns) = matrix.sizes();
        let mut weights = vec![[0.0; LANES]; columns.div_ceil(LANES) * depth];
        let fill = |(panel, weights): (usize, &mut [[f32; LANES]])| {
            let first = panel * LANES;
            let count = LANES.min(columns - first);
            if let Some(columns) = matrix.transposed().contiguous_rows() {
                for (lane, column) in columns.skip(first).take(count).enumerate() {
                    for (weights, &weight) in weights.iter_mut().zip(column) {
                        weights[lane] = weight;
                    }
                }
            } else if let Some(rows) = matrix.contiguous_rows() {
                for (weights, row) in weights.iter_mut().zip(rows) {
                    weights[..count].copy_from_slice(&row[first..first + count]);
                }
            }
        };
        match threads {
            _ if depth == 0 => {}
            Threads::One => weights.chunks_mut(depth).enumerate().for_each(fill),
            Threads::All => weights.par_chunks_mut(depth).enumerate().for_each(fill),
        }
        Self {
            weights,
            depth,
            columns,
        }
    }

    /// `output = rows * matrix`, or `+=` when `accumulate`: `rows` is `[count, depth]`, `output`
    /// `[count, columns]`. Each value is one sum in the order of the inputs, for any number of rows
    /// and threads.
    pub fn multiply(
        &self,
        output: &mut [f32],
        rows: MatrixView<'_>,
        accumulate: bool,
        threads: Threads,
        buffers: &mut PanelBuffers,
    ) {
        let (depth, columns) = (self.depth, self.columns);
        if depth == 0 || columns == 0 {
            return;
        }
        let (count, inputs) = rows.sizes();
        assert_eq!(inputs, depth, "inner sizes of a matrix product");
        let PanelBuffers { rows: groups, sums } = buffers;
        groups.resize(count.div_ceil(ROWS) * depth, [0.0; ROWS]);
        for row in 0..count {
            let group = &mut groups[row / ROWS * depth..][..depth];
            for (group, &x) in group.iter_mut().zip(rows.row(row)) {
                group[row % ROWS] = x;
            }
        }
        sums.resize(columns.div_ceil(LANES) * count, [0.0; LANES]);
        let product = |(sums, weights): (&mut [[f32; LANES]], &[[f32; LANES]])| {
            sums.fill([0.0; LANES]);
            add_product(groups, weights, sums);
        };
        let several = threads == Threads::All && count * depth * columns >= WORTH_THREADS;
        if several {
            let panels = sums.par_chunks_mut(count);
            panels.zip(self.weights.par_chunks(depth)).for_each(product);
        } else {
            let panels = sums.chunks_mut(count);
            panels.zip(self.weights.chunks(depth)).for_each(product);
        }
        let deliver = |(row, output): (usize, &mut [f32])| {
            let sums = sums.iter().skip(row).step_by(count);
            for (output, sums) in output.chunks_mut(LANES).zip(sums) {
                for (output, sum) in output.iter_mut().zip(sums) {
                    *output = if accumulate { *output + sum } else { *sum };
                }
            }
        };
        let output = &mut output[..count * columns];
        if several {
            output.par_chunks_mut(columns).enumerate().for_each(deliver);
        } else {
            output.chunks_mut(columns).enumerate().for_each(deliver);
        }
    }
}

/// Adds the products of the rows and a panel to `sums`, one entry a row.
fn add_product(groups: &[[f32; ROWS]], panel: &[[f32; LANES]], sums: &mut [[f32; LANES]]) {
    for (block, weights) in panel.chunks(DEPTH).enumerate() {
        let groups = groups.chunks_exact(panel.len());
        for (group, sums) in groups.zip(sums.chunks_mut(ROWS)) {
            let rows = &group[block * DEPTH..][..weights.len()];
            match sums.len() {
                1 => tile::<1>(rows, weights, sums),
                2 => tile::<2>(rows, weights, sums),
                3 => tile::<3>(rows, weights, sums),
                4 => tile::<4>(rows, weights, sums),
                5 => tile::<5>(rows, weights, sums),
                _ => tile::<ROWS>(rows, weights, sums),
            }
        }
    }
}

/// Adds the products of a group's first `R` rows and a block of weights to `sums`.
#[inline]
fn tile<const R: usize>(rows: &[[f32; ROWS]], weights: &[[f32; LANES]], sums: &mut [[f32; LANES]]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has it.
            return unsafe { tile_avx512::<R>(rows, weights, sums) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both.
            return unsafe { tile_avx2::<R>(rows, weights, sums) };
        }
    }
    tile_portable::<R>(rows, weights, sums);
}

/// In plain Rust, which the compiler vectorises.
fn tile_portable<const R: usize>(
    rows: &[[f32; ROWS]],
    weights: &[[f32; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let fused = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
    let mut tile = [[0.0; LANES]; R];
    tile.copy_from_slice(&sums[..R]);
    for (rows, weights) in rows.iter().zip(weights) {
        for (sums, &x) in tile.iter_mut().zip(rows) {
            for (sum, &weight) in sums.iter_mut().zip(weights) {
                *sum = if fused {
                    x.mul_add(weight, *sum)
                } else {
                    *sum + x * weight
                };
            }
        }
    }
    sums[..R].copy_from_slice(&tile);
}

/// Defines [`tile`] for registers of `$width` values.
#[cfg(target_arch = "x86_64")]
macro_rules! tile_on {
    ($name:ident, $features:literal, $width:literal, $load:ident, $store:ident, $zero:ident, $set:ident, $fmadd:ident) => {
        #[target_feature(enable = $features)]
        fn $name<const R: usize>(
            rows: &[[f32; ROWS]],
            weights: &[[f32; LANES]],
            sums: &mut [[f32; LANES]],
        ) {
            use std::arch::x86_64::{$fmadd, $load, $set, $store, $zero};
            const PARTS: usize = LANES / $width;
            let load = |lanes: &[f32; LANES]| -> [_; PARTS] {
                std::array::from_fn(|part| {
                    // SAFETY: `PARTS * $width` values are read, which is `LANES`.
                    unsafe { $load(lanes.as_ptr().add(part * $width)) }
                })
            };
            let sums = &mut sums[..R];
            let mut tile = [[$zero(); PARTS]; R];
            for (tile, sums) in tile.iter_mut().zip(&*sums) {
                *tile = load(sums);
            }
            for (rows, weights) in rows.iter().zip(weights) {
                let weights = load(weights);
                for (sums, &x) in tile.iter_mut().zip(rows) {
                    let x = $set(x);
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = $fmadd(x, weight, *sum);
                    }
                }
            }
            for (tile, sums) in tile.iter().zip(sums) {
                for (part, &sum) in tile.iter().enumerate() {
                    // SAFETY: `PARTS * $width` values are written, which is `LANES`.
                    unsafe { $store(sums.as_mut_ptr().add(part * $width), sum) };
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
tile_on!(
    tile_avx2,
    "avx2,fma",
    8,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps
);
#[cfg(target_arch = "x86_64")]
tile_on!(
    tile_avx512,
    "avx512f",
    16,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps
);

#[cfg(test)]
mod tests {
    use super::super::harness::{assert_close, exact_product, numbers};
    use super::*;

    fn multiply(panels: &Panels, rows: &[f32], threads: Threads) -> Vec<f32> {
        let count = rows.len() / panels.depth;
        let mut output = vec![1.0; count * panels.columns];
        let rows = MatrixView::new(rows, count, panels.depth);
        panels.multiply(
            &mut output,
            rows,
            true,
            threads,
            &mut PanelBuffers::default(),
        );
        output
    }

    #[test]
    fn equals_the_sum_whatever_the_rows_beside_it_and_the_threads() {
        let (count, depth, columns) = (13, 531, 37);
        let (rows, matrix) = (numbers(count * depth, 1), numbers(depth * columns, 2));
        let plain = MatrixView::new(&matrix, depth, columns);
        let turned: Vec<f32> = (0..columns * depth)
            .map(|i| matrix[i % depth * columns + i / depth])
            .collect();
        let turned = MatrixView::new(&turned, columns, depth).transposed();
        let all = multiply(&Panels::new(plain, Threads::One), &rows, Threads::One);
        for (i, found) in all.iter().enumerate() {
            let (row, column) = (&rows[i / columns * depth..][..depth], i % columns);
            let weights = matrix.iter().skip(column).step_by(columns);
            let error = (f64::from(*found) - 1.0 - exact_product(row, weights)).abs();
            assert!(error < 2e-5, "number {i}: {error:e}");
        }
        let panels = Panels::new(turned, Threads::All);
        assert_eq!(multiply(&panels, &rows, Threads::All), all);
        for count in 1..count {
            let some = multiply(&panels, &rows[..count * depth], Threads::One);
            assert_eq!(some, all[..count * columns], "{count} rows");
        }
    }

    #[test]
    fn every_way_to_compute_a_tile_gives_the_same_within_rounding() {
        type Tile = fn(&[[f32; ROWS]], &[[f32; LANES]], &mut [[f32; LANES]]);
        let (rows, weights) = (numbers(ROWS * 300, 3), numbers(LANES * 300, 4));
        let (rows, weights) = (rows.as_chunks().0, weights.as_chunks().0);
        let compute = |tile: Tile| {
            let mut sums = [[0.5; LANES]; 5];
            tile(rows, weights, &mut sums);
            sums
        };
        let portable = compute(tile_portable::<5>);
        let mut ways = vec![("chosen", compute(tile::<5>))];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                ways.push((
                    "AVX2",
                    compute(|a, b, c| {
                        // SAFETY: the features have been detected.
                        unsafe { tile_avx2::<5>(a, b, c) }
                    }),
                ));
            }
            if is_x86_feature_detected!("avx512f") {
                ways.push((
                    "AVX-512",
                    compute(|a, b, c| {
                        // SAFETY: the features have been detected.
                        unsafe { tile_avx512::<5>(a, b, c) }
                    }),
                ));
            }
        }
        for (name, sums) in ways {
            assert_close(sums.as_flattened(), portable.as_flattened(), 1e-5, name);
        }
    }
}
