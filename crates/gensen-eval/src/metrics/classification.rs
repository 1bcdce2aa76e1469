//! Accuracy, F1 and squared error.

/// The share of predictions that equal their labels, in 0..=1; 0 for no examples.
pub fn accuracy(predictions: &[u32], labels: &[u32]) -> f64 {
    let right = predictions
        .iter()
        .zip(labels)
        .filter(|(p, l)| p == l)
        .count();
    right as f64 / labels.len().max(1) as f64
}

/// The F1 score of class 1, in 0..=1; 0 when class 1 is neither predicted nor present.
pub fn f1(predictions: &[u32], labels: &[u32]) -> f64 {
    let both = predictions
        .iter()
        .zip(labels)
        .filter(|&(&p, &l)| p == 1 && l == 1)
        .count();
    let either = [predictions, labels].map(|set| set.iter().filter(|&&v| v == 1).count());
    2.0 * both as f64 / (either[0] + either[1]).max(1) as f64
}

/// The mean squared difference; 0 for no examples.
pub fn mean_squared_error(predictions: &[f64], gold: &[f64]) -> f64 {
    let sum: f64 = predictions
        .iter()
        .zip(gold)
        .map(|(p, g)| (p - g).powi(2))
        .sum();
    sum / gold.len().max(1) as f64
}

/// Rounds to two decimals as NumPy does (ties to even): SentEval compares penalties by rounded accuracies.
pub(crate) fn round2(value: f64) -> f64 {
    (value * 100.0).round_ties_even() / 100.0
}

/// A share as a percentage with two decimals.
pub(crate) fn percent(share: f64) -> f64 {
    round2(100.0 * share)
}

/// The index of the first largest value.
pub(crate) fn first_best(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if values.get(best).is_some_and(|b| value > b) {
            best = i;
        }
    }
    best
}
