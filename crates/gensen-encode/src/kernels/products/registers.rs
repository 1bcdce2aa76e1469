//! Products by vector registers: one unit of a row, broadcast to all lanes, times a line of a
//! panel.

use std::arch::x86_64::*;

use super::{CacheLine, Factors, LANES, Sums};

/// Bytes of a group's panels per block, which fits the L1 cache.
const BLOCK: usize = 24 << 10;
/// The prefetch distance in bytes for a single row, which reads panels only once.
const AHEAD: usize = 4 << 10;

/// Defines a product for registers of `$lanes` sums; the inner loop computes one of `$rows` rows at
/// once.
macro_rules! by_registers {
    (
        $(#[$doc:meta])* $product:ident, $tile:ident, $features:literal, $sum:ty, $lanes:literal,
        [$($rows:literal)*], $zero:ident, $load:ident, $load_sum:ident, $store_sum:ident, $set:ident,
        |$total:ident, $a:ident, $b:ident| $step:expr
    ) => {
        $(#[$doc])*
        /// The inner loop computes `P` panels at once; a group has a multiple of `P`.
        ///
        /// # Safety
        ///
        /// The processor must have the features, [`Factors::check`] must have passed, and `sums`
        /// must be those of the factors ([`Sums::new`]).
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $product<const P: usize>(
            factors: &Factors<'_>,
            sums: Sums<'_, $sum>,
            more: bool,
        ) {
            let Sums { first: output, stride, .. } = sums;
            let Factors { left, rows, right, panels, depth } = *factors;
            const MOST: usize = [$($rows),*].len();
            // Sums of more rows would not fit the registers.
            let most = MOST.min(24 / P).max(1);
            let block = (BLOCK / (LANES * size_of::<CacheLine>() * panels)).max(1);
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
                        // SAFETY: `check` has compared lengths and sizes. So there are `tiles`
                        // lines, 16 lines apart, at each place; `16 * tiles` runs of `P` lines,
                        // `panels` lines apart, at `right`; and `count` rows of sums of `P` panels,
                        // `stride` values apart, at `sums`.
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

        /// Multiplies `tiles` lines of `R` rows by `P` panels; overwrites the sums if these are the
        /// `first` inputs, and adds to them otherwise.
        ///
        /// # Safety
        ///
        /// The pointers must be valid for these sizes, as the caller explains.
        #[target_feature(enable = $features)]
        unsafe fn $tile<const R: usize, const P: usize>(
            left: &[*const u32],
            right: *const CacheLine,
            panels: usize,
            tiles: usize,
            sums: *mut $sum,
            stride: usize,
            first: bool,
        ) {
            const PARTS: usize = LANES / $lanes;
            let mut total = [[[$zero(); PARTS]; P]; R];
            // SAFETY: the caller answers for the pointers; lines are aligned, and sums are accessed
            // by unaligned instructions.
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
