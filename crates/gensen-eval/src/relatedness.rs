//! Relatedness of sentence pairs as a distribution over whole scores.
//!
//! A gold score between two whole numbers is a distribution over them (Tai, Socher and Manning
//! 2015); a softmax regression is trained to it by squared error, and predicts its expected score.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};
use crate::linear::{AdamModel, Examples, LossReduction, SentEvalOptions, kernels, softmax};
use crate::metrics::{Correlations, mean_squared_error, pearson, spearman};
use crate::random::MersenneTwister;

/// Whole scores predicted: 1 to 5.
const SCORES: usize = 5;
const BATCH: usize = 64;
const EPOCHS_PER_CHECK: usize = 50;
const MAX_EPOCHS: usize = 1000;
/// Patience: evaluations without a better correlation.
const TENACITY: usize = 3;

/// Scores of relatedness; correlations are `None` where undefined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relatedness {
    /// Pearson's correlation on the development data, at the best epoch.
    pub dev_pearson: Option<f64>,
    /// Pearson's correlation on the test data.
    pub pearson: Option<f64>,
    /// Spearman's correlation on the test data.
    pub spearman: Option<f64>,
    /// Mean squared error on the test data.
    pub mean_squared_error: f64,
    /// Epochs trained.
    pub epochs: usize,
    /// Correlations of the vectors' plain cosines; `None` if only features are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine: Option<CosineScores>,
    /// The expected score of each test pair.
    #[serde(skip)]
    pub predictions: Vec<f64>,
}

/// Correlations of plain cosines with the gold scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CosineScores {
    /// The correlation on the development data.
    pub dev: Correlations,
    /// The correlation on the test data.
    pub test: Correlations,
}

/// A score as a distribution over 1 to 5: 2.75 is a quarter of 2 and three quarters of 3.
///
/// Below 1 a part of the mass is missing, and 0 is all zeros, as in SentEval (STS-Benchmark's
/// scores start at 0).
pub fn encode_label(score: f64) -> [f32; SCORES] {
    let floor = score.floor();
    let mut distribution = [0.0; SCORES];
    for (i, share) in distribution.iter_mut().enumerate() {
        let whole = (i + 1) as f64;
        if whole == floor + 1.0 {
            *share = (score - floor) as f32;
        } else if whole == floor {
            *share = (floor - score + 1.0) as f32;
        }
    }
    distribution
}

/// Features of pairs `[pairs, width]` and their gold scores.
#[derive(Clone, Copy, Debug)]
pub struct ScoredPairs<'a> {
    /// One row a pair.
    pub features: &'a Array2<f32>,
    /// One score a pair.
    pub scores: &'a [f64],
}

/// Trains on `train`, stops by the correlation on `dev`, scores `test`.
///
/// # Errors
///
/// [`EvalError::Shape`] and [`EvalError::NotFinite`] as for [`Examples::new`].
pub fn relatedness(
    train: ScoredPairs<'_>,
    dev: ScoredPairs<'_>,
    test: ScoredPairs<'_>,
    options: SentEvalOptions,
) -> Result<Relatedness> {
    let zeros = [train, dev, test].map(|pairs| vec![0; pairs.scores.len()]);
    let examples = Examples::new(train.features, &zeros[0], 1)?;
    let dev_examples = Examples::new(dev.features, &zeros[1], 1)?;
    let test_examples = Examples::new(test.features, &zeros[2], 1)?;
    let width = examples.width();
    if let Some(found) = [dev_examples, test_examples]
        .map(|e| e.width())
        .iter()
        .find(|&&w| w != width)
    {
        return Err(EvalError::shape("width of the features", width, found));
    }
    let gold: Vec<[f32; SCORES]> = train
        .scores
        .iter()
        .map(|&score| encode_label(score))
        .collect();

    let mut rng = MersenneTwister::new(options.seed);
    let mut state = AdamModel::new(&mut MersenneTwister::new(options.seed), width, SCORES);
    let mut best = (None, state.model.clone());
    let (mut epochs, mut failures) = (0, 0);
    let mut gradients = vec![0.0; SCORES * width];
    while epochs <= MAX_EPOCHS {
        for _ in 0..EPOCHS_PER_CHECK {
            let order = rng.permutation(examples.count());
            for batch in order.chunks(BATCH) {
                step(
                    &mut state,
                    &examples,
                    &gold,
                    batch,
                    options.reduction,
                    &mut gradients,
                );
            }
        }
        epochs += EPOCHS_PER_CHECK;
        let correlation = pearson(&expected_scores(&state, &dev_examples), dev.scores);
        if correlation > best.0 {
            best = (correlation, state.model.clone());
        } else {
            if failures >= TENACITY {
                break;
            }
            failures += 1;
        }
    }
    state.model = best.1;
    let predictions = expected_scores(&state, &test_examples);
    Ok(Relatedness {
        cosine: None,
        dev_pearson: best.0,
        pearson: pearson(&predictions, test.scores),
        spearman: spearman(&predictions, test.scores),
        mean_squared_error: mean_squared_error(&predictions, test.scores),
        epochs,
        predictions,
    })
}

fn step(
    state: &mut AdamModel,
    examples: &Examples<'_>,
    gold: &[[f32; SCORES]],
    batch: &[u32],
    reduction: LossReduction,
    gradients: &mut [f32],
) {
    let width = examples.width();
    let rows: Vec<&[f32]> = batch.iter().map(|&i| examples.row(i)).collect();
    let columns: Vec<&[f32]> = state.model.columns().collect();
    let scale = match reduction {
        LossReduction::Mean => 2.0 / (batch.len() * SCORES) as f32,
        LossReduction::Sum => 2.0,
    };
    let mut bias_gradients = [0.0; SCORES];
    let derive = |row: usize, scores: &mut [f32]| {
        let gold = &gold[batch[row] as usize];
        scores
            .iter_mut()
            .zip(&state.model.biases)
            .for_each(|(score, bias)| *score += bias);
        softmax(scores);
        // Through the softmax p: dL/ds_k = p_k (dL/dp_k - sum over j of p_j dL/dp_j).
        let by_share: [f32; SCORES] = std::array::from_fn(|k| scale * (scores[k] - gold[k]));
        let mean: f32 = scores.iter().zip(by_share).map(|(p, d)| p * d).sum();
        for ((score, by_share), sum) in scores.iter_mut().zip(by_share).zip(&mut bias_gradients) {
            *score *= by_share - mean;
            *sum += *score;
        }
    };
    kernels::gradients(&rows, &columns, derive, gradients);
    state.step(0.0, |k| {
        (
            1.0,
            &gradients[k * width..(k + 1) * width],
            bias_gradients[k],
        )
    });
}

fn expected_scores(state: &AdamModel, examples: &Examples<'_>) -> Vec<f64> {
    let rows: Vec<&[f32]> = (0..examples.count() as u32)
        .map(|i| examples.row(i))
        .collect();
    let mut expected = Vec::with_capacity(rows.len());
    let mut shares = [0.0; SCORES];
    state.model.for_each_score(&rows, |scores| {
        shares.copy_from_slice(scores);
        softmax(&mut shares);
        expected.push(
            (1u8..)
                .zip(shares)
                .map(|(s, p)| f64::from(s) * f64::from(p))
                .sum(),
        );
    });
    expected
}
