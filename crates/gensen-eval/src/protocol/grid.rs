//! The models of a cross-validation: all folds times all penalties.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{DECAYS, Protocol};
use crate::error::Result;
use crate::linear::{
    AdamFit, Examples, LinearModel, SentEvalOptions, Subset, fit_path, fit_with_dev,
};
use crate::metrics::{accuracy, percent};

/// Training data with its cross-validation folds, and test data.
pub(super) struct CrossValidation<'a> {
    /// Each fold's training and development rows.
    pub folds: Vec<(Subset<'a>, Subset<'a>)>,
    pub train: Subset<'a>,
    pub test: Subset<'a>,
}

pub(super) fn select(data: Examples<'_>, keep: impl Fn(usize) -> bool) -> Subset<'_> {
    data.subset(
        (0..data.count())
            .filter(|&i| keep(i))
            .map(|i| i as u32)
            .collect(),
    )
}

pub(super) fn fold_subsets<'a>(
    train: &Subset<'a>,
    assignment: &[u32],
    folds: usize,
) -> Vec<(Subset<'a>, Subset<'a>)> {
    let places = |keep: &dyn Fn(u32) -> bool| -> Vec<u32> {
        (0..assignment.len() as u32)
            .filter(|&i| keep(assignment[i as usize]))
            .collect()
    };
    (0..folds as u32)
        .map(|fold| {
            (
                train.pick(&places(&|f| f != fold)),
                train.pick(&places(&|f| f == fold)),
            )
        })
        .collect()
}

pub(super) fn accuracy_on(model: &LinearModel, data: &Subset<'_>) -> f64 {
    accuracy(&model.predict(data), &data.labels())
}

/// The mean development accuracy of each penalty, in percent, for each split.
pub(super) fn senteval_grid(
    splits: &[CrossValidation<'_>],
    protocol: &Protocol<'_>,
    options: SentEvalOptions,
) -> Result<Vec<Vec<f64>>> {
    let jobs: Vec<(usize, &(Subset<'_>, Subset<'_>))> = splits
        .iter()
        .enumerate()
        .flat_map(|(s, split)| split.folds.iter().map(move |fold| (s, fold)))
        .collect();
    let done = AtomicUsize::new(0);
    let fits: Vec<(usize, Vec<AdamFit>)> = jobs
        .par_iter()
        .map(|(s, (train, dev))| {
            let fits = fit_with_dev(train, dev, protocol.classes, &DECAYS, options)?;
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            (protocol.progress)(count as f64 / jobs.len() as f64);
            Ok((*s, fits))
        })
        .collect::<Result<_>>()?;
    let mut sums = vec![vec![0.0; DECAYS.len()]; splits.len()];
    for (s, fits) in fits {
        tracing::trace!(split = s, epochs = ?fits.iter().map(|f| f.epochs).collect::<Vec<_>>());
        sums[s]
            .iter_mut()
            .zip(fits)
            .for_each(|(sum, fit)| *sum += fit.dev_accuracy);
    }
    let folds = protocol.folds as f64;
    Ok(sums
        .into_iter()
        .map(|s| s.into_iter().map(|sum| percent(sum / folds)).collect())
        .collect())
}

pub(super) fn lbfgs_strengths(exponents: std::ops::RangeInclusive<i32>) -> Vec<f32> {
    exponents.map(|e| 2f32.powi(e)).collect()
}

/// For each split, the mean development accuracy of each strength, in percent, and the model
/// trained on all of the split's training data with it.
pub(super) fn lbfgs_grid(
    data: Examples<'_>,
    splits: &[CrossValidation<'_>],
    strengths: &[f32],
    protocol: &Protocol<'_>,
) -> Vec<(Vec<f64>, Vec<LinearModel>)> {
    let mask = |subset: &Subset<'_>| {
        let mut mask = vec![false; data.count()];
        subset.rows.iter().for_each(|&i| mask[i as usize] = true);
        mask
    };
    let masks: Vec<Vec<bool>> = splits
        .iter()
        .flat_map(|s| {
            s.folds
                .iter()
                .map(|(train, _)| train)
                .chain([&s.train])
                .map(mask)
        })
        .collect();
    let mut done = 0;
    let path = fit_path(data, protocol.classes, &masks, strengths, || {
        done += 1;
        (protocol.progress)(done as f64 / strengths.len() as f64);
    });
    let per_split = protocol.folds + 1;
    splits
        .iter()
        .enumerate()
        .map(|(s, split)| {
            path.iter()
                .map(|models| {
                    let models = &models[s * per_split..(s + 1) * per_split];
                    let scores: Vec<f64> = models
                        .par_iter()
                        .zip(&split.folds)
                        .map(|(model, (_, dev))| accuracy_on(model, dev))
                        .collect();
                    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                    (percent(mean), models[protocol.folds].clone())
                })
                .unzip()
        })
        .collect()
}
