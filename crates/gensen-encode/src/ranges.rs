//! Calibration: the value ranges of a model's vectors, for 8-bit integers.

use std::path::Path;

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};

use crate::Pooling;
use crate::model_folder::{ModelFolderError, save_ranges};
use crate::quantize::normalize;

/// The smallest and largest value of each dimension, over the vectors of a text.
/// [`VectorPrecision::Int8`](crate::VectorPrecision::Int8) and
/// [`Uint8`](crate::VectorPrecision::Uint8) divide these ranges into steps. A model folder's
/// `config.json` stores them, at most one entry per pooling.
///
/// ```no_run
/// use std::path::Path;
/// use gensen_encode::{Calibration, EncodeOptions, Pooling, SentenceEncoder};
///
/// let encoder = SentenceEncoder::load("models/X")?;
/// let mut calibration = Calibration::new(Pooling::Mean, encoder.width());
/// let options = EncodeOptions::default().pooling(Pooling::Mean);
/// calibration.add(encoder.encode(&["A sentence.", "Another."], &options)?.view());
/// if let Some(ranges) = calibration.finish("two sentences") {
///     ranges.save(Path::new("models/X"))?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    /// The pooling of the vectors.
    pooling: Pooling,
    /// The name of the text.
    text: String,
    /// The number of its sentences.
    sentences: u64,
    /// The ranges of unnormalised vectors, `[width]`.
    minimum: Vec<f32>,
    maximum: Vec<f32>,
    /// The ranges of vectors of length 1, `[width]`.
    unit_minimum: Vec<f32>,
    unit_maximum: Vec<f32>,
    /// Entry n: over all vectors of length 1, the smallest length of the first n + 1 values, except
    /// where these are all zero; `[width]`.
    prefix_lengths: Vec<f32>,
}

impl Ranges {
    /// The pooling of the calibrated vectors.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The name of the text that was calibrated on, and the number of its sentences.
    pub fn text(&self) -> (&str, u64) {
        (&self.text, self.sentences)
    }

    /// The dimensions of the calibrated vectors.
    pub fn width(&self) -> usize {
        self.minimum.len()
    }

    /// The ranges of unnormalised vectors, `[2, width]`: smallest and largest values.
    pub fn whole(&self) -> Array2<f32> {
        let rows = [&self.minimum, &self.maximum];
        Array2::from_shape_fn((2, self.width()), |(row, column)| rows[row][column])
    }

    /// The ranges of vectors truncated to `dimensions` and then normalised, `[2, dimensions]`. For
    /// all dimensions they are exact; for fewer they are bounds that contain the exact ranges.
    ///
    /// `dimensions` beyond the width are treated as the width.
    pub fn normalized(&self, dimensions: usize) -> Array2<f32> {
        let dimensions = dimensions.min(self.width());
        let shortest = match dimensions {
            0 => 1.0,
            _ if dimensions == self.width() => 1.0,
            _ => self.prefix_lengths[dimensions - 1],
        };
        // If the first values have length p, normalisation turns x into x / p; p is from `shortest`
        // to 1.
        Array2::from_shape_fn((2, dimensions), |(row, column)| match row {
            0 if self.unit_minimum[column] < 0.0 => {
                (self.unit_minimum[column] / shortest).max(-1.0)
            }
            0 => self.unit_minimum[column],
            _ if self.unit_maximum[column] > 0.0 => (self.unit_maximum[column] / shortest).min(1.0),
            _ => self.unit_maximum[column],
        })
    }

    /// Saves the ranges in the `config.json` of the model folder at `folder`, replacing those of
    /// the same pooling.
    ///
    /// # Errors
    ///
    /// A folder without a readable configuration, a model whose vectors have another width, a file
    /// that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ModelFolderError> {
        save_ranges(folder, self)
    }

    /// As JSON on one line.
    pub(crate) fn to_json(&self) -> String {
        #[allow(
            clippy::expect_used,
            reason = "a struct of numbers and text always converts to JSON"
        )]
        serde_json::to_string(self).expect("ranges as JSON")
    }

    /// Checks the values and that they fit vectors of `width`; the error says what is wrong.
    pub(crate) fn check(&self, width: usize) -> Result<(), String> {
        for (name, values) in [
            ("minimum", &self.minimum),
            ("maximum", &self.maximum),
            ("unit_minimum", &self.unit_minimum),
            ("unit_maximum", &self.unit_maximum),
            ("prefix_lengths", &self.prefix_lengths),
        ] {
            if values.len() != width {
                return Err(format!("{} numbers as `{name}`", values.len()));
            }
            if let Some(value) = values.iter().find(|x| !x.is_finite()) {
                return Err(format!("{value} in `{name}`"));
            }
        }
        let pairs = [
            ("maximum", &self.minimum, &self.maximum),
            ("unit_maximum", &self.unit_minimum, &self.unit_maximum),
        ];
        for (name, minimum, maximum) in pairs {
            if let Some(at) = (0..width).find(|&k| minimum[k] > maximum[k]) {
                return Err(format!("a `{name}` below the minimum (number {at})"));
            }
        }
        let length = |length: &&f32| !(**length > 0.0 && **length <= 1.0 + 1e-5);
        if let Some(length) = self.prefix_lengths.iter().find(length) {
            return Err(format!("{length} in `prefix_lengths`"));
        }
        Ok(())
    }
}

/// Computes [`Ranges`] from batches of vectors.
#[derive(Clone, Debug)]
pub struct Calibration {
    pooling: Pooling,
    sentences: u64,
    /// `[2, width]`.
    whole: Array2<f32>,
    unit: Array2<f32>,
    prefix_lengths: Vec<f32>,
}

impl Calibration {
    /// For vectors of this pooling and width.
    pub fn new(pooling: Pooling, width: usize) -> Self {
        let none = Array2::from_shape_fn((2, width), |(row, _)| match row {
            0 => f32::INFINITY,
            _ => f32::NEG_INFINITY,
        });
        Self {
            pooling,
            sentences: 0,
            whole: none.clone(),
            unit: none,
            prefix_lengths: vec![1.0; width],
        }
    }

    /// Includes more vectors, `[sentences, width]`.
    ///
    /// # Panics
    ///
    /// If they are of another width.
    pub fn add(&mut self, vectors: ArrayView2<'_, f32>) {
        assert_eq!(vectors.ncols(), self.whole.ncols(), "vectors of one width");
        let mut unit = vectors.to_owned();
        normalize(&mut unit);
        widen(&mut self.whole, vectors);
        widen(&mut self.unit, unit.view());
        for row in unit.rows() {
            let mut square = 0.0;
            for (shortest, &x) in self.prefix_lengths.iter_mut().zip(row) {
                square += f64::from(x).powi(2);
                if square > 0.0 {
                    *shortest = shortest.min(square.sqrt() as f32);
                }
            }
        }
        self.sentences += vectors.nrows() as u64;
    }

    /// The ranges, or `None` if no vectors were added; `text` names the text of the vectors.
    pub fn finish(self, text: impl Into<String>) -> Option<Ranges> {
        let row = |of: &Array2<f32>, row| of.index_axis(Axis(0), row).to_vec();
        (self.sentences > 0).then(|| Ranges {
            pooling: self.pooling,
            text: text.into(),
            sentences: self.sentences,
            minimum: row(&self.whole, 0),
            maximum: row(&self.whole, 1),
            unit_minimum: row(&self.unit, 0),
            unit_maximum: row(&self.unit, 1),
            prefix_lengths: self.prefix_lengths,
        })
    }
}

/// Extends ranges to contain these vectors.
fn widen(ranges: &mut Array2<f32>, vectors: ArrayView2<'_, f32>) {
    let (mut smallest, mut largest) = ranges.view_mut().split_at(Axis(0), 1);
    for row in vectors.rows() {
        let ends = smallest.iter_mut().zip(largest.iter_mut());
        for ((smallest, largest), &x) in ends.zip(row) {
            *smallest = smallest.min(x);
            *largest = largest.max(x);
        }
    }
}

/// The ranges of the concatenated vectors of several models.
pub(crate) fn beside(ranges: &[Array2<f32>]) -> Array2<f32> {
    let views: Vec<_> = ranges.iter().map(|ranges| ranges.view()).collect();
    #[allow(
        clippy::expect_used,
        reason = "all have two rows, and `VectorOptions::converter` refuses an empty list"
    )]
    concatenate(Axis(1), &views).expect("ranges of two rows")
}
