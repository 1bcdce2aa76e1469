//! Stratified folds, as scikit-learn has made them since release 0.22.

use crate::error::{EvalError, Result};
use crate::random::MersenneTwister;

/// The fold each example is tested in: `StratifiedKFold(folds, shuffle=True, random_state=seed)`.
///
/// Every class is spread over the folds as evenly as possible; then each class's assignments are shuffled, classes in
/// order of first appearance.
///
/// # Errors
///
/// [`EvalError::EmptyFold`] if `folds` is below 2 or above the most frequent class's examples.
pub fn stratified_folds(labels: &[u32], folds: usize, seed: u32) -> Result<Vec<u32>> {
    let mut classes: Vec<u32> = Vec::new();
    let coded: Vec<usize> = labels
        .iter()
        .map(|label| {
            classes
                .iter()
                .position(|class| class == label)
                .unwrap_or_else(|| {
                    classes.push(*label);
                    classes.len() - 1
                })
        })
        .collect();
    let mut counts = vec![0usize; classes.len()];
    for &class in &coded {
        counts[class] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    if folds < 2 || most < folds {
        return Err(EvalError::EmptyFold { folds, most });
    }

    let mut rng = MersenneTwister::new(seed);
    let mut start = 0;
    let mut places: Vec<std::vec::IntoIter<u32>> = Vec::with_capacity(classes.len());
    for count in counts {
        // With the labels sorted, this class fills start..start + count; place i goes to fold i mod folds.
        let mut class_folds: Vec<u32> =
            (start..start + count).map(|i| (i % folds) as u32).collect();
        class_folds.sort_unstable();
        rng.shuffle(&mut class_folds);
        places.push(class_folds.into_iter());
        start += count;
    }
    Ok(coded
        .into_iter()
        .filter_map(|class| places[class].next())
        .collect())
}
