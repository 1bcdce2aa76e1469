//! The report of a fit.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::vectors::CaseOverlap;

/// The solver of the least-squares problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Solver {
    /// Normal equations, for well-conditioned word vectors.
    NormalEquations,
    /// Blockwise QR and singular values, for word vectors that are (nearly) linearly dependent.
    StreamedQr,
}

/// The goodness of fit of a map on the shared words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FitReport {
    /// The encoder's words, and how many of them have a word vector: the samples of the fit.
    pub overlap: CaseOverlap,
    /// The length of the word vectors.
    pub dimensions: usize,
    /// The width of the embedding.
    pub width: usize,
    /// The ridge.
    pub ridge: f64,
    /// The solver.
    pub solver: Solver,
    /// The rank of the shared words' vectors.
    pub rank: usize,
    /// The condition number of the shared words' vectors; `None` if they are linearly dependent.
    pub condition: Option<f64>,
    /// The coefficient of determination in each dimension of the embedding, `[width]`.
    #[serde(skip)]
    pub r_squared: Vec<f64>,
    /// The root mean square of the residual in each dimension of the embedding, `[width]`.
    #[serde(skip)]
    pub residual: Vec<f64>,
}

impl FitReport {
    /// The mean of R² over the dimensions of the embedding (scikit-learn's `score`).
    #[must_use]
    pub fn mean_r_squared(&self) -> f64 {
        mean(&self.r_squared)
    }
}

impl fmt::Display for FitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CaseOverlap {
            words,
            shared,
            shared_if_lowercased,
        } = self.overlap;
        let percent = 100.0 * shared as f64 / words.max(1) as f64;
        writeln!(
            f,
            "shared words   {shared} of the encoder's {words} ({percent:.1} %); {shared_if_lowercased} if lower-cased"
        )?;
        write!(
            f,
            "map            {} -> {} dimensions, rank {}",
            self.dimensions, self.width, self.rank
        )?;
        match self.condition {
            Some(condition) => write!(f, ", condition number {condition:.3e}")?,
            None => f.write_str(", word vectors linearly dependent")?,
        }
        if self.ridge > 0.0 {
            write!(f, ", ridge {}", self.ridge)?;
        }
        let (least, greatest) = range(&self.r_squared);
        write!(
            f,
            "\nR²             {:.4} (by dimension {least:.4} to {greatest:.4})",
            self.mean_r_squared()
        )?;
        let (least, greatest) = range(&self.residual);
        write!(
            f,
            "\nresidual (RMS) {:.4e} (by dimension {least:.4e} to {greatest:.4e})",
            mean(&self.residual)
        )
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(least, greatest), &v| (least.min(v), greatest.max(v)),
    )
}
