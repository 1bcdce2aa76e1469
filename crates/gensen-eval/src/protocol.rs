//! SentEval's three ways to score features: nested cross-validation, cross-validation with a test
//! set, and fixed splits.

mod grid;

use std::fmt;

use grid::{
    CrossValidation, accuracy_on, fold_subsets, lbfgs_grid, lbfgs_strengths, select, senteval_grid,
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};
use crate::folds::stratified_folds;
use crate::linear::{
    AdamFit, Examples, LinearModel, SentEvalOptions, fit_path, fit_with_dev, fit_with_held_out,
};
use crate::metrics::{accuracy, first_best, percent, round2};

/// Seed of nested cross-validation's folds, independent of the classifier's.
const FOLD_SEED: u32 = 1111;
/// L2 penalties tried by SentEval's classifier.
const DECAYS: [f32; 4] = [1e-5, 1e-4, 1e-3, 1e-2];

/// The classifier trained on sentence vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Classifier {
    /// SentEval's PyTorch classifier, with the same random draws.
    SentEval(SentEvalOptions),
    /// L2-penalised logistic regression to convergence, over SentEval's grid for scikit-learn.
    Lbfgs,
}

impl fmt::Display for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SentEval(options) => write!(
                f,
                "senteval (adam, batch 64, tenacity 5, epoch size 4, seed {}, loss {})",
                options.seed, options.reduction,
            ),
            Self::Lbfgs => f.write_str("lbfgs (logistic regression to convergence)"),
        }
    }
}

/// Development and test accuracy, in percent with two decimals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracies {
    /// Accuracy the penalty was chosen by.
    pub dev: f64,
    /// Accuracy on the test data.
    pub test: f64,
}

/// Result of [`inner_k_fold`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InnerKFold {
    /// Means over the outer folds.
    pub mean: Accuracies,
    /// Each outer fold's.
    pub folds: Vec<Accuracies>,
}

/// Result of [`k_fold`].
#[derive(Clone, Debug, PartialEq)]
pub struct KFold {
    /// Cross-validated and test accuracy.
    pub accuracies: Accuracies,
    /// The class predicted for each test example.
    pub predictions: Vec<u32>,
}

/// Settings of a protocol.
#[derive(Clone, Copy)]
pub struct Protocol<'a> {
    /// The classifier.
    pub classifier: Classifier,
    /// Number of classes; labels are below it.
    pub classes: u32,
    /// Folds of the cross-validations, outer and inner.
    pub folds: usize,
    /// Called with the share done, 0..=1, from any thread.
    pub progress: &'a (dyn Fn(f64) + Sync),
}

impl fmt::Debug for Protocol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol")
            .field("classifier", &self.classifier)
            .field("classes", &self.classes)
            .field("folds", &self.folds)
            .finish_non_exhaustive()
    }
}

impl Protocol<'_> {
    /// A protocol without progress reports.
    pub fn new(classifier: Classifier, classes: u32, folds: usize) -> Self {
        Self {
            classifier,
            classes,
            folds,
            progress: &|_| (),
        }
    }
}

/// Nested cross-validation, for tasks without a test set: each outer fold is tested with the best penalty of an inner
/// cross-validation of the rest.
///
/// # Errors
///
/// [`EvalError::EmptyFold`] if there are too few examples for the folds.
pub fn inner_k_fold(data: Examples<'_>, protocol: &Protocol<'_>) -> Result<InnerKFold> {
    let outer = stratified_folds(data.labels(), protocol.folds, FOLD_SEED)?;
    let inner: Vec<CrossValidation> = (0..protocol.folds as u32)
        .map(|fold| {
            let train = select(data, |i| outer[i] != fold);
            let inner_folds = stratified_folds(&train.labels(), protocol.folds, FOLD_SEED)?;
            let test = select(data, |i| outer[i] == fold);
            Ok(CrossValidation {
                folds: fold_subsets(&train, &inner_folds, protocol.folds),
                train,
                test,
            })
        })
        .collect::<Result<_>>()?;
    let folds: Vec<Accuracies> = match protocol.classifier {
        Classifier::SentEval(options) => {
            let scores = senteval_grid(&inner, protocol, options)?;
            let tests: Vec<f64> = inner
                .par_iter()
                .zip(&scores)
                .map(|(split, scores)| {
                    let decay = DECAYS[first_best(scores)];
                    let model = fit_with_held_out(&split.train, protocol.classes, decay, options)?;
                    Ok(accuracy_on(&model, &split.test))
                })
                .collect::<Result<_>>()?;
            let best = scores.iter().map(|scores| scores[first_best(scores)]);
            best.zip(tests)
                .map(|(dev, test)| Accuracies {
                    dev,
                    test: percent(test),
                })
                .collect()
        }
        Classifier::Lbfgs => {
            let strengths = lbfgs_strengths(-2..=3);
            let grid = lbfgs_grid(data, &inner, &strengths, protocol);
            let best = |split: &CrossValidation<'_>, scores: &[f64], models: &[LinearModel]| {
                let best = first_best(scores);
                let test = percent(accuracy_on(&models[best], &split.test));
                Accuracies {
                    dev: scores[best],
                    test,
                }
            };
            inner
                .iter()
                .zip(&grid)
                .map(|(s, (scores, models))| best(s, scores, models))
                .collect()
        }
    };
    let mean = |value: fn(&Accuracies) -> f64| {
        round2(folds.iter().map(value).sum::<f64>() / folds.len() as f64)
    };
    Ok(InnerKFold {
        mean: Accuracies {
            dev: mean(|a| a.dev),
            test: mean(|a| a.test),
        },
        folds,
    })
}

/// Cross-validation, for tasks with training and test data: the best penalty of a cross-validation of the training data
/// is used on all of it.
///
/// # Errors
///
/// [`EvalError::EmptyFold`] if there are too few examples for the folds.
pub fn k_fold(train: Examples<'_>, test: Examples<'_>, protocol: &Protocol<'_>) -> Result<KFold> {
    let (dev, model) = fit(train, protocol)?;
    let predictions = model.predict(&test.all());
    let accuracies = Accuracies {
        dev,
        test: percent(accuracy(&predictions, test.labels())),
    };
    Ok(KFold {
        accuracies,
        predictions,
    })
}

/// The model of all examples with the best penalty of a cross-validation, and its accuracy there in percent.
pub(crate) fn fit(train: Examples<'_>, protocol: &Protocol<'_>) -> Result<(f64, LinearModel)> {
    let fold_seed = match protocol.classifier {
        Classifier::SentEval(options) => options.seed,
        Classifier::Lbfgs => FOLD_SEED,
    };
    let folds = stratified_folds(train.labels(), protocol.folds, fold_seed)?;
    let all = train.all();
    let folds = fold_subsets(&all, &folds, protocol.folds);
    let splits = [CrossValidation {
        folds,
        train: all,
        test: train.subset(Vec::new()),
    }];
    let (scores, model) = match protocol.classifier {
        Classifier::SentEval(options) => {
            let scores = senteval_grid(&splits, protocol, options)?.swap_remove(0);
            let decay = DECAYS[first_best(&scores)];
            let model = fit_with_held_out(&splits[0].train, protocol.classes, decay, options)?;
            (scores, model)
        }
        Classifier::Lbfgs => {
            let strengths = lbfgs_strengths(-1..=5);
            let (scores, mut models) =
                lbfgs_grid(train, &splits, &strengths, protocol).swap_remove(0);
            let model = models.swap_remove(first_best(&scores));
            (scores, model)
        }
    };
    Ok((scores[first_best(&scores)], model))
}

/// Fixed splits, for tasks with training, validation and test data: the best penalty on the validation data is used.
/// `regularised` is false where SentEval hardly regularises (SNLI).
///
/// # Errors
///
/// [`EvalError::Shape`] if the features' widths differ.
pub fn split(
    train: Examples<'_>,
    valid: Examples<'_>,
    test: Examples<'_>,
    regularised: bool,
    protocol: &Protocol<'_>,
) -> Result<Accuracies> {
    for part in [valid, test] {
        if part.width() != train.width() {
            return Err(EvalError::shape(
                "width of the features",
                train.width(),
                part.width(),
            ));
        }
    }
    let (valid, test) = (valid.all(), test.all());
    let models: Vec<(f64, LinearModel)> = match protocol.classifier {
        Classifier::SentEval(options) => {
            let decays: &[f32] = if regularised { &DECAYS } else { &[1e-9] };
            let train = train.all();
            // One group per thread: an idle core costs more than sharing the data saves.
            let group = decays.len().div_ceil(rayon::current_num_threads());
            let fits: Vec<Vec<AdamFit>> = decays
                .par_chunks(group.max(1))
                .map(|decays| fit_with_dev(&train, &valid, protocol.classes, decays, options))
                .collect::<Result<_>>()?;
            fits.into_iter()
                .flatten()
                .map(|fit| (fit.dev_accuracy, fit.model))
                .collect()
        }
        Classifier::Lbfgs => {
            let strengths = if regularised {
                lbfgs_strengths(-2..=3)
            } else {
                vec![1e9]
            };
            let mask = vec![true; train.count()];
            let mut done = 0;
            let path = fit_path(train, protocol.classes, &[mask], &strengths, || {
                done += 1;
                (protocol.progress)(done as f64 / strengths.len() as f64);
            });
            let models = path.into_iter().flatten();
            models
                .map(|model| (accuracy_on(&model, &valid), model))
                .collect()
        }
    };
    let scores: Vec<f64> = models.iter().map(|(score, _)| percent(*score)).collect();
    let best = first_best(&scores);
    let test = percent(accuracy_on(&models[best].1, &test));
    (protocol.progress)(1.0);
    Ok(Accuracies {
        dev: scores[best],
        test,
    })
}
