//! What tests of several kernels need.

/// Numbers in ±1 that depend on `seed` alone.
pub(crate) fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(count)
    .collect()
}

/// The sum of the products of two rows, in double precision.
pub(crate) fn exact_product<'a>(
    a: impl IntoIterator<Item = &'a f32>,
    b: impl IntoIterator<Item = &'a f32>,
) -> f64 {
    let pairs = a.into_iter().zip(b);
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Compares numbers one by one and names the place of the largest difference.
#[track_caller]
pub(crate) fn assert_close<'a>(
    found: impl IntoIterator<Item = &'a f32>,
    expected: impl IntoIterator<Item = &'a f32>,
    tolerance: f32,
    what: &str,
) {
    let pairs = found.into_iter().zip(expected).enumerate();
    let differences = pairs.map(|(place, (&a, &b))| ((a - b).abs(), place, a, b));
    let largest = differences.max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((difference, place, found, expected)) = largest {
        assert!(
            difference < tolerance,
            "{what}, number {place}: {found} for {expected}, off by {difference:e}"
        );
    }
}
