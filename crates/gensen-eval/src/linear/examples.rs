//! Features with labels, and subsets of their rows.

use ndarray::Array2;

use crate::error::{EvalError, Result};

/// Feature vectors, one per row, and their classes.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    features: &'a [f32],
    width: usize,
    labels: &'a [u32],
}

impl<'a> Examples<'a> {
    /// Features `[examples, width]` in row order, and one label below `classes` for each.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if the counts differ, there are no features or examples, a label is
    /// out of range, or the array is not in row order;
    /// [`EvalError::NotFinite`] if a feature is infinite or not a number.
    pub fn new(features: &'a Array2<f32>, labels: &'a [u32], classes: u32) -> Result<Self> {
        let (rows, width) = features.dim();
        if rows != labels.len() {
            return Err(EvalError::shape(
                "labels",
                format!("{rows}, one per vector"),
                labels.len(),
            ));
        }
        if rows == 0 || width == 0 {
            return Err(EvalError::shape(
                "features",
                "at least one",
                format!("[{rows}, {width}]"),
            ));
        }
        if let Some(label) = labels.iter().find(|&&label| label >= classes) {
            return Err(EvalError::shape("label", format!("below {classes}"), label));
        }
        let flat = features.as_slice().ok_or_else(|| {
            EvalError::shape("features", "rows in standard order", "another layout")
        })?;
        if let Some(at) = flat.iter().position(|x| !x.is_finite()) {
            return Err(EvalError::NotFinite {
                what: "the features".into(),
                row: at / width,
            });
        }
        Ok(Self {
            features: flat,
            width,
            labels,
        })
    }

    /// Values in each feature vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of every example.
    pub fn labels(&self) -> &'a [u32] {
        self.labels
    }

    /// Number of examples, at least 1.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// All features, row after row.
    pub(crate) fn flat(&self) -> &'a [f32] {
        self.features
    }

    pub(crate) fn row(&self, i: u32) -> &'a [f32] {
        &self.features[i as usize * self.width..][..self.width]
    }

    pub(crate) fn label(&self, i: u32) -> u32 {
        self.labels[i as usize]
    }

    /// Every row, as a subset.
    pub(crate) fn all(self) -> Subset<'a> {
        Subset {
            examples: self,
            rows: (0..self.count() as u32).collect(),
        }
    }

    pub(crate) fn subset(self, rows: Vec<u32>) -> Subset<'a> {
        Subset {
            examples: self,
            rows,
        }
    }
}

/// Some rows of some examples.
#[derive(Clone, Debug)]
pub(crate) struct Subset<'a> {
    pub examples: Examples<'a>,
    pub rows: Vec<u32>,
}

impl<'a> Subset<'a> {
    pub(crate) fn labels(&self) -> Vec<u32> {
        self.rows.iter().map(|&i| self.examples.label(i)).collect()
    }

    /// The rows at these positions of the subset.
    pub(crate) fn pick(&self, places: &[u32]) -> Self {
        let rows = places.iter().map(|&i| self.rows[i as usize]).collect();
        Self {
            examples: self.examples,
            rows,
        }
    }
}
