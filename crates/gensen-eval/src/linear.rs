//! Linear classifiers on fixed sentence vectors.

mod adam;
mod examples;
pub(crate) mod kernels;
mod lbfgs;
mod logistic;
mod metric;
mod model;

use std::fmt;

pub(crate) use adam::{AdamFit, fit_with_dev, fit_with_held_out};
pub use examples::Examples;
pub(crate) use examples::Subset;
pub(crate) use logistic::fit_path;
pub(crate) use model::{AdamModel, LinearModel, softmax};
use serde::{Deserialize, Serialize};

/// Reduction of a batch's losses in SentEval's classifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossReduction {
    /// The mean: SentEval on PyTorch since 0.4.1.
    #[default]
    Mean,
    /// The sum: SentEval on earlier PyTorch, when the paper was written.
    Sum,
}

impl fmt::Display for LossReduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
        })
    }
}

/// Settings of SentEval's PyTorch classifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SentEvalOptions {
    /// Seed of weights, batches and held-out examples.
    pub seed: u32,
    /// The loss's reduction over a batch.
    pub reduction: LossReduction,
}

impl Default for SentEvalOptions {
    fn default() -> Self {
        Self {
            seed: 1111,
            reduction: LossReduction::Mean,
        }
    }
}
