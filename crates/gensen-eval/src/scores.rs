//! The scores of tasks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metrics::Correlations;
use crate::protocol::Accuracies;
use crate::ranking::Retrieval;
use crate::relatedness::{CosineScores, Relatedness};

/// The scores of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Scores {
    /// A classification.
    Accuracy {
        /// Development and test accuracy, percent.
        accuracies: Accuracies,
        /// F1 of class 1 on the test data, percent; for paraphrases.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        f1: Option<f64>,
        /// Each outer fold's accuracies, for nested cross-validation.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        folds: Vec<Accuracies>,
    },
    /// Supervised scores of pairs.
    Relatedness(Relatedness),
    /// Unsupervised scores of pairs.
    Similarity(Similarity),
    /// Image-caption retrieval.
    Retrieval(Retrieval),
    /// A classification with growing training data.
    LowResource {
        /// Accuracies by the number of training examples.
        sizes: Vec<(usize, Accuracies)>,
    },
}

/// Correlations of a year's sets; `None` where undefined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// Name, pairs and correlations of each set.
    pub sets: Vec<(String, usize, Correlations)>,
    /// Pearson's over the sets.
    pub pearson: Summary,
    /// Spearman's over the sets.
    pub spearman: Summary,
}

/// One correlation over several sets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The mean of the sets'.
    pub mean: Option<f64>,
    /// Their mean weighted by pairs.
    pub weighted_mean: Option<f64>,
    /// That of all pairs pooled.
    pub pooled: Option<f64>,
}

impl Similarity {
    /// From the similarities and gold scores of each named set.
    pub fn new(sets: &[(&str, Vec<f64>, &[f64])]) -> Self {
        let found: Vec<(String, usize, Correlations)> = sets
            .iter()
            .map(|(name, scores, gold)| {
                (
                    name.to_string(),
                    gold.len(),
                    crate::metrics::correlations(scores, gold),
                )
            })
            .collect();
        let scores: Vec<f64> = sets
            .iter()
            .flat_map(|(_, scores, _)| scores)
            .copied()
            .collect();
        let gold: Vec<f64> = sets
            .iter()
            .flat_map(|(_, _, gold)| *gold)
            .copied()
            .collect();
        let pooled = crate::metrics::correlations(&scores, &gold);
        let summary = |of: fn(&Correlations) -> Option<f64>| {
            let sum = |weight: &dyn Fn(usize) -> f64| -> Option<f64> {
                let values = found
                    .iter()
                    .map(|(_, n, c)| of(c).map(|value| value * weight(*n)));
                values.sum()
            };
            Summary {
                mean: sum(&|_| 1.0 / found.len() as f64),
                weighted_mean: sum(&|n| n as f64 / gold.len() as f64),
                pooled: of(&pooled),
            }
        };
        Self {
            pearson: summary(|c| c.pearson),
            spearman: summary(|c| c.spearman),
            sets: found,
        }
    }
}

impl Scores {
    /// The metrics that [`Display`](fmt::Display) writes, in that order.
    pub fn metric(&self) -> &'static str {
        match self {
            Self::Accuracy { f1: None, .. } => "accuracy %",
            Self::Accuracy { f1: Some(_), .. } => "accuracy/F1 %",
            Self::Relatedness(r) if r.cosine.is_some() => {
                "Pearson/Spearman x100, trained (cosine: dev, test)"
            }
            Self::Relatedness(_) => "Pearson/Spearman x100",
            Self::Similarity(_) => "Pearson/Spearman x100, mean of sets",
            Self::Retrieval(_) => "R@1/5/10 % image to text, text to image",
            Self::LowResource { .. } => "accuracy % by training examples",
        }
    }

    /// The main score, larger is better: test accuracy in percent, 100 times Pearson's correlation, or the sum of
    /// recalls; `None` where undefined.
    pub fn main(&self) -> Option<f64> {
        match self {
            Self::Accuracy { accuracies, .. } => Some(accuracies.test),
            Self::Relatedness(r) => r.pearson.map(|r| 100.0 * r),
            Self::Similarity(s) => s.pearson.mean.map(|r| 100.0 * r),
            Self::Retrieval(r) => Some(r.image_to_text.recalls() + r.text_to_image.recalls()),
            Self::LowResource { sizes } => sizes.first().map(|(_, accuracies)| accuracies.test),
        }
    }
}

impl Scores {
    /// The metric of [`Scores::main`].
    pub fn main_metric(&self) -> &'static str {
        match self {
            Self::Accuracy { .. } => "test accuracy, %",
            Self::Relatedness(_) => "Pearson x 100",
            Self::Similarity(_) => "Pearson x 100, mean of sets",
            Self::Retrieval(_) => "sum of recalls",
            Self::LowResource { .. } => "test accuracy with the fewest examples, %",
        }
    }
}

/// A correlation times 100, or that it is undefined.
pub(crate) fn hundredths(correlation: Option<f64>) -> String {
    correlation.map_or_else(|| "undefined".to_owned(), |r| format!("{:.1}", 100.0 * r))
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accuracy {
                accuracies,
                f1: None,
                ..
            } => write!(f, "{:.1}", accuracies.test),
            Self::Accuracy {
                accuracies,
                f1: Some(f1),
                ..
            } => {
                write!(f, "{:.1}/{f1:.1}", accuracies.test)
            }
            Self::Relatedness(r) => {
                write!(f, "{}/{}", hundredths(r.pearson), hundredths(r.spearman))?;
                let Some(CosineScores { dev, test }) = &r.cosine else {
                    return Ok(());
                };
                let [dev, test] = [dev, test]
                    .map(|c| format!("{}/{}", hundredths(c.pearson), hundredths(c.spearman)));
                write!(f, " ({dev}, {test})")
            }
            Self::Similarity(s) => {
                write!(
                    f,
                    "{}/{}",
                    hundredths(s.pearson.mean),
                    hundredths(s.spearman.mean)
                )
            }
            Self::Retrieval(r) => write!(
                f,
                "{:.1}/{:.1}/{:.1} (rank {:.0}) {:.1}/{:.1}/{:.1} (rank {:.0})",
                r.image_to_text.r1,
                r.image_to_text.r5,
                r.image_to_text.r10,
                r.image_to_text.median_rank,
                r.text_to_image.r1,
                r.text_to_image.r5,
                r.text_to_image.r10,
                r.text_to_image.median_rank,
            ),
            Self::LowResource { sizes } => {
                let sizes: Vec<String> = sizes
                    .iter()
                    .map(|(size, accuracies)| format!("{size}: {:.1}", accuracies.test))
                    .collect();
                f.write_str(&sizes.join(", "))
            }
        }
    }
}
