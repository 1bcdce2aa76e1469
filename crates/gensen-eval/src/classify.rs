//! Classifiers of a user's own labels, to save and reuse.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};
use crate::linear::{Examples, LinearModel, softmax};
use crate::protocol::{Protocol, fit, inner_k_fold};

/// A linear classifier of sentence vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearClassifier {
    labels: Vec<String>,
    /// Numbers of a vector.
    width: usize,
    /// `[labels, width]`; or, for two labels, `[width]`: the second against the first.
    weights: Vec<f32>,
    /// One for each row of the weights.
    biases: Vec<f32>,
}

/// The result of [`train`].
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Trained on all examples.
    pub classifier: LinearClassifier,
    /// Held-out accuracy in percent: the mean over the folds of a nested cross-validation, SentEval's protocol for tasks
    /// without test data.
    pub accuracy: f64,
}

/// Trains a classifier on vectors `[examples, width]` and their labels, indices into `names`.
///
/// Cross-validation chooses the penalty; [`Training::accuracy`] is measured on examples used neither for weights nor for
/// the penalty.
///
/// # Errors
///
/// [`EvalError::Shape`] for fewer than two names, and as [`Examples::new`];
/// [`EvalError::EmptyFold`] if there are too few examples for the folds.
pub fn train(
    vectors: &Array2<f32>,
    labels: &[u32],
    names: Vec<String>,
    protocol: &Protocol<'_>,
) -> Result<Training> {
    if names.len() < 2 || names.len() != protocol.classes as usize {
        return Err(EvalError::shape("labels", "two or more", names.len()));
    }
    let examples = Examples::new(vectors, labels, protocol.classes)?;
    let accuracy = inner_k_fold(examples, protocol)?.mean.test;
    let (_, model) = fit(examples, protocol)?;
    let classifier = LinearClassifier {
        labels: names,
        width: model.width,
        weights: model.weights,
        biases: model.biases,
    };
    Ok(Training {
        classifier,
        accuracy,
    })
}

impl LinearClassifier {
    /// The names of the labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Width of the vectors it classifies.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Checks one that was read from a file.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] for inconsistent shapes, equal labels and numbers that are not finite.
    pub fn check(&self) -> Result<()> {
        let labels = self.labels.len();
        let outputs = match self.biases.len() {
            1 if labels == 2 => 1,
            _ => labels,
        };
        let mut distinct: Vec<&String> = self.labels.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        if labels < 2 || distinct.len() < labels {
            let expected = "two or more, all different";
            return Err(EvalError::shape("labels of a classifier", expected, labels));
        }
        for (what, found, expected) in [
            ("biases of a classifier", self.biases.len(), Some(outputs)),
            (
                "weights of a classifier",
                self.weights.len(),
                outputs.checked_mul(self.width),
            ),
        ] {
            if expected != Some(found) || self.width == 0 {
                let expected = expected.unwrap_or(usize::MAX);
                return Err(EvalError::shape(what, expected, found));
            }
        }
        let numbers = self.weights.iter().chain(&self.biases);
        match numbers.copied().find(|x| !x.is_finite()) {
            Some(x) => Err(EvalError::shape("weights of a classifier", "finite", x)),
            None => Ok(()),
        }
    }

    /// Probabilities `[sentences, labels]` for vectors `[sentences, width]`.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] for vectors of another width.
    pub fn probabilities(&self, vectors: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        if vectors.ncols() != self.width {
            let found = vectors.ncols();
            return Err(EvalError::shape("numbers of a vector", self.width, found));
        }
        let model = LinearModel {
            width: self.width,
            weights: self.weights.clone(),
            biases: self.biases.clone(),
        };
        let vectors = vectors.as_standard_layout();
        let rows = vectors.rows();
        let rows: Vec<&[f32]> = rows.into_iter().filter_map(|row| row.to_slice()).collect();
        let mut probabilities = Vec::with_capacity(rows.len() * self.labels.len());
        model.for_each_score(&rows, |scores| match scores {
            [score] => {
                let mut both = [0.0, *score];
                softmax(&mut both);
                probabilities.extend(both);
            }
            scores => {
                let mut scores = scores.to_vec();
                softmax(&mut scores);
                probabilities.extend(scores);
            }
        });
        Array2::from_shape_vec((vectors.nrows(), self.labels.len()), probabilities)
            .map_err(|error| EvalError::shape("probabilities", vectors.nrows(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Classifier;
    use crate::random::MersenneTwister;

    /// Clouds around a point each.
    fn clouds(classes: usize, each: usize) -> (Array2<f32>, Vec<u32>) {
        let mut random = MersenneTwister::new(5);
        let rows = classes * each;
        let vectors = Array2::from_shape_fn((rows, 6), |(row, column)| {
            let near = if row % classes == column { 2.0 } else { 0.0 };
            near + random.uniform_f32()
        });
        let labels = (0..rows).map(|row| (row % classes) as u32).collect();
        (vectors, labels)
    }

    #[test]
    fn clouds_are_told_apart_with_probabilities() {
        let names = |classes| (0..classes).map(|k| format!("cloud {k}")).collect();
        // SentEval's classifier takes small steps and stops early.
        for (classifier, each, least) in [
            (Classifier::Lbfgs, 40, 100.0),
            (Classifier::SentEval(Default::default()), 500, 95.0),
        ] {
            for classes in [2, 4] {
                let (vectors, labels) = clouds(classes, each);
                let protocol = Protocol::new(classifier, classes as u32, 3);
                let training = train(&vectors, &labels, names(classes), &protocol).unwrap();
                let accuracy = training.accuracy;
                assert!(accuracy >= least, "{classifier}, {classes}: {accuracy}");
                training.classifier.check().unwrap();
                let found = training.classifier.probabilities(vectors.view()).unwrap();
                let mut right = 0;
                for (row, &label) in found.rows().into_iter().zip(&labels) {
                    assert!((row.sum() - 1.0).abs() < 1e-5);
                    let most = row.iter().copied().fold(0.0, f32::max);
                    assert!(most >= 1.0 / classes as f32 && most <= 1.0);
                    right += usize::from(row[label as usize] == most);
                }
                let share = 100.0 * right as f64 / labels.len() as f64;
                assert!(share >= least, "{classifier}, {classes}: {share}");
                let narrow = vectors.slice(ndarray::s![.., ..5]);
                assert!(training.classifier.probabilities(narrow).is_err());
            }
        }
    }

    #[test]
    fn what_cannot_be_a_classifier_is_named() {
        let (vectors, labels) = clouds(2, 3);
        let protocol = Protocol::new(Classifier::Lbfgs, 2, 10);
        let names = vec!["a".to_owned(), "b".to_owned()];
        assert!(train(&vectors, &labels, names.clone(), &protocol).is_err());
        assert!(train(&vectors, &labels, names[..1].to_vec(), &protocol).is_err());
        let whole = LinearClassifier {
            labels: names,
            width: 2,
            weights: vec![1.0, 2.0],
            biases: vec![0.0],
        };
        whole.check().unwrap();
        let with = |change: fn(&mut LinearClassifier)| {
            let mut changed = whole.clone();
            change(&mut changed);
            changed.check().unwrap_err().to_string()
        };
        for (found, expected) in [
            (with(|c| c.labels[0] = "b".into()), "labels of a classifier"),
            (
                with(|c| c.labels.push("c".into())),
                "biases of a classifier",
            ),
            (with(|c| c.width = 3), "weights of a classifier"),
            (with(|c| c.weights[0] = f32::NAN), "expected finite"),
        ] {
            assert!(found.contains(expected), "{found}");
        }
    }
}
