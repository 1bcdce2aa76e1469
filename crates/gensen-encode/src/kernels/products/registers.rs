//! Products by vector registers: a few rows' units, each in all lanes, times lines of panels.

use std::arch::x86_64::*;

use super::{Factors, LANES, Line, Sums};

/// Bytes of a group's panels after which the inner loop goes on to the next rows: they stay in the
/// first-level cache.
const BLOCK: usize = 24 << 10;
/// How far ahead, in bytes, a single row asks for panels, which it reads once.
const AHEAD: usize = 4 << 10;

/// Defines a product for registers of `$lanes` sums, of at most `$rows` rows at once.
macro_rules! by_registers {
    (
        $(#[$doc:meta])* $product:ident, $tile:ident, $features:literal, $sum:ty, $lanes:literal,
        [$($rows:literal)*], $zero:ident, $load:ident, $load_sum:ident, $store_sum:ident, $set:ident,
        |$total:ident, $a:ident, $b:ident| $step:expr
    ) => {
        $(#[$doc])*
        /// `P` panels, of which a group has a multiple, are computed at once.
        ///
        /// # Safety
        ///
        /// The processor must have the features, factors the lengths that [`Factors::check`] asks for, and
        /// sums those that [`Sums::new`] does.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $product<const P: usize>(
            factors: &Factors<'_>,
            sums: Sums<'_, $sum>,
            more: bool,
        ) {
            let Sums { first: output, stride, .. } = sums;
            let Factors { left, rows, right, panels, depth } = *factors;
            const MOST: usize = [$($rows),*].len();
            // With as many panels, more rows would not fit the registers.
            let most = MOST.min(24 / P).max(1);
            let block = (BLOCK / (LANES * size_of::<Line>() * panels)).max(1);
            // Without inputs, one round writes zeros.
            for start in (0..depth.max(1)).step_by(block) {
                let tiles = block.min(depth - start);
                for panel in (0..panels).step_by(P) {
                    for row in (0..rows).step_by(most) {
                        let count = most.min(rows - row);
                        let places: [*const u32; MOST] = std::array::from_fn(|r| {
                            let row = row + r.min(count - 1);
                            let line = (row / LANES * depth + start) * LANES + row % LANES;
                            left.as_ptr().wrapping_add(line).cast()
                        });
                        // SAFETY: `check` holds the lengths against the sizes: from the line of a
                        // row's unit `start`, `tiles` lines follow at a distance of 16 lines; from a
                        // panel's line, `16 * tiles` follow at a distance of `panels`, with `P` panels
                        // at each; and `count` rows of sums of as many panels follow at `stride`.
                        unsafe {
                            let right = right.as_ptr().wrapping_add(start * LANES * panels + panel);
                            let sums = output.add(row * stride + panel * LANES);
                            let first = start == 0 && !more;
                            match count {
                                $($rows => $tile::<$rows, P>(
                                    &places, right, panels, tiles, sums, stride, first,
                                ),)*
                                _ => unreachable!("{count} rows at once"),
                            }
                        }
                    }
                }
            }
        }

        /// Adds to `R` rows' sums, or writes them if they are the `first`, the products of `tiles` lines
        /// a row and `P` panels.
        ///
        /// # Safety
        ///
        /// See the call.
        #[target_feature(enable = $features)]
        unsafe fn $tile<const R: usize, const P: usize>(
            left: &[*const u32],
            right: *const Line,
            panels: usize,
            tiles: usize,
            sums: *mut $sum,
            stride: usize,
            first: bool,
        ) {
            const PARTS: usize = LANES / $lanes;
            let mut total = [[[$zero(); PARTS]; P]; R];
            // SAFETY: of all places the caller says that they are there; lines are aligned, and sums need
            // not be.
            unsafe {
                if !first {
                    for r in 0..R {
                        for p in 0..P {
                            for part in 0..PARTS {
                                let place = sums.add(r * stride + p * LANES + part * $lanes);
                                total[r][p][part] = $load_sum(place.cast());
                            }
                        }
                    }
                }
                let mut line = right.cast::<u32>();
                for d in 0..tiles {
                    for unit in 0..LANES {
                        if R == 1 {
                            for p in 0..P {
                                let ahead = line.cast::<i8>().wrapping_add(AHEAD + p * 64);
                                _mm_prefetch::<_MM_HINT_T0>(ahead);
                            }
                        }
                        let mut panel = [[$load(line.cast()); PARTS]; P];
                        for p in 0..P {
                            for part in 0..PARTS {
                                panel[p][part] = $load(line.add(p * LANES + part * $lanes).cast());
                            }
                        }
                        for r in 0..R {
                            let $a = $set(*left[r].add(d * LANES * LANES + unit) as i32);
                            for p in 0..P {
                                for part in 0..PARTS {
                                    let ($total, $b) = (total[r][p][part], panel[p][part]);
                                    total[r][p][part] = $step;
                                }
                            }
                        }
                        line = line.wrapping_add(panels * LANES);
                    }
                }
                for r in 0..R {
                    for p in 0..P {
                        for part in 0..PARTS {
                            let place = sums.add(r * stride + p * LANES + part * $lanes);
                            $store_sum(place.cast(), total[r][p][part]);
                        }
                    }
                }
            }
        }
    };
}

by_registers!(
    /// bf16 by AVX512-BF16.
    avx512_bf16, avx512_bf16_tile, "avx512f,avx512bf16", f32, 16, [1 2 3 4 5 6],
    _mm512_setzero_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_epi32,
    |sum, a, b| _mm512_dpbf16_ps(
        sum,
        std::mem::transmute::<__m512i, __m512bh>(a),
        std::mem::transmute::<__m512i, __m512bh>(b),
    )
);
by_registers!(
    /// f32, one input a unit, by AVX-512.
    avx512_f32, avx512_f32_tile, "avx512f", f32, 16, [1 2 3 4 5 6],
    _mm512_setzero_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_epi32,
    |sum, a, b| _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum)
);
by_registers!(
    /// Bytes by AVX512-VNNI.
    avx512_bytes, avx512_bytes_tile, "avx512f,avx512vnni", i32, 16, [1 2 3 4 5 6],
    _mm512_setzero_si512, _mm512_load_si512, _mm512_loadu_si512, _mm512_storeu_si512,
    _mm512_set1_epi32,
    |sum, a, b| _mm512_dpbusd_epi32(sum, a, b)
);
by_registers!(
    /// Bytes by AVX-VNNI.
    avx_bytes, avx_bytes_tile, "avx2,avxvnni", i32, 8, [1 2 3],
    _mm256_setzero_si256, _mm256_load_si256, _mm256_loadu_si256, _mm256_storeu_si256,
    _mm256_set1_epi32,
    |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b)
);
