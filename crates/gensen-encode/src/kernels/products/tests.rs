use proptest::prelude::*;

use super::*;
use crate::kernels::gemm::{MatrixView, Threads};
use crate::kernels::harness::{exact_product, numbers};

/// Pseudo-random lines of units; the same for the same seed.
fn lines(count: usize, seed: u32, unit: impl Fn(u32) -> u32) -> Vec<CacheLine> {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        unit((state >> 32) as u32)
    };
    (0..count)
        .map(|_| CacheLine(std::array::from_fn(|_| next())))
        .collect()
}

/// Turns random bits into two bf16 values: some zero, subnormal or small enough for subnormal
/// products, none infinite.
fn halves(bits: u32) -> u32 {
    let half = |bits: u32| {
        let fraction = bits & 0x807f;
        let exponent = match bits >> 8 & 15 {
            0 => 0,
            1 => 64 - (bits >> 12 & 3),
            _ => 120 + (bits >> 12 & 7),
        };
        fraction | exponent << 7
    };
    half(bits & 0xffff) | half(bits >> 16) << 16
}

#[derive(Clone, Debug)]
struct Sizes {
    rows: usize,
    panels: usize,
    depth: usize,
    seed: u32,
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let panels = prop::sample::select(vec![4, 6, 8]);
    (1..40_usize, panels, 1..24_usize, any::<u32>()).prop_map(|(rows, panels, depth, seed)| Sizes {
        rows,
        panels,
        depth,
        seed,
    })
}

impl Sizes {
    fn factors(&self, unit: fn(u32) -> u32) -> [Vec<CacheLine>; 2] {
        let left = self.rows.next_multiple_of(LANES) * self.depth;
        let right = LANES * self.depth * self.panels;
        [lines(left, self.seed, unit), lines(right, !self.seed, unit)]
    }

    fn of<'a>(&self, [left, right]: &'a [Vec<CacheLine>; 2]) -> Factors<'a> {
        Factors {
            left,
            rows: self.rows,
            right,
            panels: self.panels,
            depth: self.depth,
        }
    }
}

/// Asserts equal bits; a failure names the first sum that differs.
fn assert_same<T: Copy + PartialEq + std::fmt::Debug>(
    found: &[CacheLine<T>],
    expected: &[CacheLine<T>],
    bits: impl Fn(T) -> u32,
    what: &str,
) {
    let pairs = found.iter().zip(expected).enumerate();
    for (place, (found, expected)) in pairs {
        for (lane, (a, b)) in found.0.iter().zip(expected.0).enumerate() {
            assert_eq!(
                bits(*a),
                bits(b),
                "{what}, line {place}, lane {lane}: {a:?} for {b:?}"
            );
        }
    }
}

/// The contents of the output before a product, and the values that its sums start from.
fn start(factors: &Factors<'_>, more: bool) -> [Vec<CacheLine<f32>>; 2] {
    let there: Vec<_> = numbers(factors.sums() * LANES, 5)
        .as_chunks()
        .0
        .iter()
        .map(|&numbers| CacheLine(numbers))
        .collect();
    let zeros = vec![CacheLine([0.0; LANES]); there.len()];
    let begun = if more { there.clone() } else { zeros };
    [there, begun]
}

fn bytes(way: ByteProduct, factors: &Factors<'_>) -> Vec<CacheLine<i32>> {
    let mut sums = vec![CacheLine([-1; LANES]); factors.sums()];
    way.multiply(factors, Sums::of_lines(&mut sums, factors));
    sums
}

/// Reports on standard error that the processor lacks an instruction.
fn absent(what: &str) {
    eprintln!("NOT COMPARED WITH HARDWARE: {what} is not present");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn avx512_bf16_rounds_as_its_emulation(sizes in sizes(), more: bool) {
        if !Bf16Product::Avx512.is_present() {
            absent("AVX512-BF16");
            return Ok(());
        }
        let both = sizes.factors(halves);
        let factors = sizes.of(&both);
        let [mut found, begun] = start(&factors, more);
        let sums = Sums::of_lines(&mut found, &factors);
        Bf16Product::Avx512.multiply(&factors, sums, more);
        let expected = emulation::avx512_bf16(&factors, &begun);
        assert_same(&found, &expected, f32::to_bits, "AVX512-BF16");
    }

    #[test]
    fn every_way_gives_the_same_integers(sizes in sizes()) {
        let both = sizes.factors(|unit| unit);
        let factors = sizes.of(&both);
        let expected = emulation::of_bytes(&factors);
        for way in [ByteProduct::Amx, ByteProduct::Avx512, ByteProduct::Avx] {
            if way.is_present() {
                let found = bytes(way, &factors);
                assert_same(&found, &expected, |sum| sum as u32, &format!("{way:?}"));
            } else {
                absent(&format!("{way:?} for bytes"));
            }
        }
    }
}

/// On a processor without AMX, a signal handler emulates the instructions of the assembly.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles {
    use super::*;

    /// Runs a product by AMX, emulated if the hardware lacks it.
    fn run(present: bool, product: impl FnOnce()) {
        if present {
            return product();
        }
        amx_machine::install();
        let before = amx_machine::instructions();
        product();
        assert!(amx_machine::instructions() > before + 5);
        absent("AMX, whose instructions were emulated,");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn bf16_rounds_as_its_emulation(sizes in sizes(), more: bool) {
            let both = sizes.factors(halves);
            let factors = sizes.of(&both);
            let [mut found, begun] = start(&factors, more);
            let sums = Sums::of_lines(&mut found, &factors);
            factors.check();
            // SAFETY: the lengths have been checked; the instructions are present or emulated.
            run(amx::granted().bf16, || unsafe { amx::bf16(&factors, sums, more) });
            let expected = emulation::amx_bf16(&factors, &begun);
            assert_same(&found, &expected, f32::to_bits, "AMX");
        }

        /// Rows of a larger matrix, as in training.
        #[test]
        fn sums_are_written_at_their_distance(sizes in sizes()) {
            let sizes = Sizes { rows: sizes.rows.next_multiple_of(LANES), ..sizes };
            let both = sizes.factors(halves);
            let factors = sizes.of(&both);
            factors.check();
            let width = sizes.panels * LANES;
            let stride = width + 5;
            let mut found = vec![0.5; sizes.rows * stride];
            // SAFETY: `found` holds full tiles of rows of `width` values, `stride` apart.
            let sums = unsafe { Sums::new(found.as_mut_ptr(), stride) };
            // SAFETY: as above.
            run(amx::granted().bf16, || unsafe { amx::bf16(&factors, sums, false) });
            let expected = emulation::amx_bf16(&factors, &start(&factors, false)[1]);
            for (row, found) in found.chunks_exact(stride).enumerate() {
                let expected = &expected[row * sizes.panels..(row + 1) * sizes.panels];
                let expected = CacheLine::numbers(expected);
                let same = found.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits());
                prop_assert!(same, "row {}", row);
                prop_assert_eq!(&found[width..], [0.5; 5]);
            }
        }

        #[test]
        fn bytes_give_the_same_integers(sizes in sizes()) {
            let both = sizes.factors(|unit| unit);
            let factors = sizes.of(&both);
            let mut found = vec![CacheLine([-1; LANES]); factors.sums()];
            let sums = Sums::of_lines(&mut found, &factors);
            factors.check();
            // SAFETY: as above.
            run(amx::granted().bytes, || unsafe { amx::bytes(&factors, sums, false) });
            let expected = emulation::of_bytes(&factors);
            assert_same(&found, &expected, |sum| sum as u32, "AMX");
        }
    }
}

/// The products of floats that the processor has.
fn ways() -> Vec<FloatProduct> {
    let ways = [Bf16Product::Amx, Bf16Product::Avx512].into_iter();
    let halves = ways.filter(|way| way.is_present()).map(FloatProduct::Half);
    let single = Some(FloatProduct::Single).filter(|way| way.is_present());
    let present: Vec<_> = halves.chain(single).collect();
    eprintln!("products of floats: {present:?}");
    present
}

fn turned(matrix: &[f32], rows: usize) -> Vec<f32> {
    let columns = matrix.len() / rows;
    let place = |i: usize| matrix[i % rows * columns + i / rows];
    (0..matrix.len()).map(place).collect()
}

#[test]
fn matrices_of_any_layout_have_the_product_of_their_rounded_numbers() {
    let rounded = |count, seed| -> Vec<f32> {
        let numbers = numbers(count, seed).into_iter();
        numbers
            .map(|x| f32::from_bits(u32::from(bf16_bits(x)) << 16))
            .collect()
    };
    for way in ways() {
        for (m, n, k) in [
            (1, 1, 1),
            (37, 131, 75),
            (300, 70, 64),
            (5, 300, 1100),
            (520, 64, 33),
        ] {
            let (a, b) = (rounded(m * k, 1), rounded(k * n, 2));
            let (a_turned, b_turned) = (turned(&a, m), turned(&b, k));
            let start = numbers(m * n, 3);
            let product = |across: bool, on_the_way: bool, threads| {
                let mut output = start.clone();
                let (left, right) = if across {
                    (
                        MatrixView::new(&a_turned, k, m).transposed(),
                        MatrixView::new(&b_turned, n, k).transposed(),
                    )
                } else {
                    (MatrixView::new(&a, m, k), MatrixView::new(&b, k, n))
                };
                let left = Left::new(way, left, threads);
                if on_the_way {
                    multiply_matrix(&mut output, &left, right, true, threads);
                } else {
                    let right = Right::new(way, right, threads);
                    multiply(&mut output, &left, &right, true, threads);
                }
                output
            };
            let size = format!("{way:?}, {m} x {n} x {k}");
            let found = product(false, false, Threads::One);
            for (place, found) in found.iter().enumerate() {
                let row = &a[place / n * k..][..k];
                let exact = exact_product(row, b_turned[place % n * k..][..k].iter());
                let error = (f64::from(*found) - f64::from(start[place]) - exact).abs();
                assert!(
                    error < 1e-5 * (k as f64).sqrt(),
                    "{size}, number {place}: {error:e}"
                );
            }
            for (across, on_the_way) in [(false, true), (true, false), (true, true)] {
                let again = product(across, on_the_way, Threads::All);
                assert_eq!(again, found, "{size}, {across}, {on_the_way}");
            }
            // A row by itself.
            let mut alone = start[(m - 1) * n..].to_vec();
            let left = Left::new(way, MatrixView::new(&a[(m - 1) * k..], 1, k), Threads::One);
            let right = Right::new(way, MatrixView::new(&b, k, n), Threads::One);
            multiply(&mut alone, &left, &right, true, Threads::One);
            assert_eq!(
                alone,
                found[(m - 1) * n..],
                "{m} x {n} x {k}, last row alone"
            );
        }
    }
}

#[test]
fn an_empty_product_is_zero() {
    for way in ways() {
        let mut output = vec![1.0_f32; 6];
        let left = Left::new(way, MatrixView::<f32>::new(&[], 2, 0), Threads::One);
        let right = Right::new(way, MatrixView::<f32>::new(&[], 0, 3), Threads::One);
        multiply(&mut output, &left, &right, false, Threads::All);
        assert_eq!(output, [0.0; 6]);
    }
}
