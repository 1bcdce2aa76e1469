//! Helpers of the kernels' tests.

/// Pseudo-random numbers in [-1, 1); the same for the same `seed`.
pub(crate) fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(count)
    .collect()
}

/// The dot product of two rows, in double precision.
pub(crate) fn exact_product<'a>(
    a: impl IntoIterator<Item = &'a f32>,
    b: impl IntoIterator<Item = &'a f32>,
) -> f64 {
    let pairs = a.into_iter().zip(b);
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Asserts that values are within `tolerance`; a failure names the largest difference and its
/// index.
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
