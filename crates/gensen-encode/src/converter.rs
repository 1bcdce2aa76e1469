//! Conversion of sentence vectors: dimensions, normalisation, precision.

use ndarray::{Array2, ArrayView2, Axis, Slice};

use crate::quantize::{VectorPrecision, Vectors, normalize, quantize, truncate};
use crate::ranges::{Ranges, beside};
use crate::{EncodeError, EncodeOptions, Pooling, SentenceEncoder};

/// How sentence vectors are converted: truncated to fewer dimensions, normalised, quantised.
///
/// The steps are applied in this order, so truncated vectors have length 1, too.
///
/// ```no_run
/// use gensen_encode::{EncodeOptions, SentenceEncoder, VectorOptions, VectorPrecision};
///
/// let encoder = SentenceEncoder::load("models/X")?;
/// let options = EncodeOptions::default();
/// let converter = VectorOptions::default()
///     .dimensions(256)
///     .normalize(true)
///     .precision(VectorPrecision::Int8)
///     .converter(std::slice::from_ref(&encoder), &options)?;
/// let vectors = converter.convert(encoder.encode(&["A sentence."], &options)?)?;
/// assert_eq!(vectors.dim(), (1, 256));
/// # Ok::<(), gensen_encode::EncodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorOptions {
    dimensions: Option<usize>,
    normalize: bool,
    precision: VectorPrecision,
}

impl VectorOptions {
    /// Keeps the first `dimensions` values of each vector; all by default.
    #[must_use]
    pub fn dimensions(mut self, dimensions: usize) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Whether each vector is scaled to length 1; false by default. Vectors of zeros stay zero.
    #[must_use]
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    /// The element type; [`VectorPrecision::Float32`] by default.
    #[must_use]
    pub fn precision(mut self, precision: VectorPrecision) -> Self {
        self.precision = precision;
        self
    }

    /// A converter for the vectors of these encoders, concatenated if there are several, encoded
    /// with `options`.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Dimensions`] for zero dimensions or more than the vectors have. For `int8`
    /// and `uint8`, [`EncodeError::NoRanges`] if a model folder has no [`Ranges`] for the pooling,
    /// and [`EncodeError::RangesOfSeveral`] for normalised vectors of several encoders: ranges
    /// exist for each encoder's own vectors only.
    pub fn converter(
        &self,
        encoders: &[SentenceEncoder],
        options: &EncodeOptions,
    ) -> Result<VectorConverter, EncodeError> {
        let width = encoders.iter().map(SentenceEncoder::width).sum();
        let dimensions = self.dimensions.unwrap_or(width);
        if !(1..=width).contains(&dimensions) {
            return Err(EncodeError::Dimensions { dimensions, width });
        }
        let ranges = match self.precision.needs_ranges() {
            true => Some(self.ranges(encoders, options, dimensions)?),
            false => None,
        };
        Ok(VectorConverter {
            dimensions,
            normalize: self.normalize,
            precision: self.precision,
            ranges,
        })
    }

    fn ranges(
        &self,
        encoders: &[SentenceEncoder],
        options: &EncodeOptions,
        dimensions: usize,
    ) -> Result<Array2<f32>, EncodeError> {
        let mut all = Vec::new();
        for encoder in encoders {
            all.push(ranges_of(encoder, options.pooling)?);
        }
        match all[..] {
            [ranges] if self.normalize => Ok(ranges.normalized(dimensions)),
            _ if self.normalize => Err(EncodeError::RangesOfSeveral {
                precision: self.precision,
            }),
            _ => {
                let whole: Vec<_> = all.iter().map(|ranges| ranges.whole()).collect();
                let mut whole = beside(&whole);
                whole.slice_axis_inplace(Axis(1), Slice::from(..dimensions));
                Ok(whole)
            }
        }
    }
}

/// The ranges in a model's configuration for `pooling`, by default the model's own.
fn ranges_of(encoder: &SentenceEncoder, pooling: Option<Pooling>) -> Result<&Ranges, EncodeError> {
    let config = encoder.model().config();
    let pooling = pooling.unwrap_or(config.pooling);
    let mut all = config.ranges.iter();
    all.find(|ranges| ranges.pooling() == pooling)
        .ok_or_else(|| EncodeError::NoRanges {
            model: config.provenance.name.clone(),
            pooling,
        })
}

/// Converts vectors as [`VectorOptions`] say.
#[derive(Clone, Debug)]
pub struct VectorConverter {
    dimensions: usize,
    normalize: bool,
    precision: VectorPrecision,
    /// `[2, dimensions]`.
    ranges: Option<Array2<f32>>,
}

impl VectorConverter {
    /// The dimensions of a converted vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The number of elements that store a vector.
    pub fn columns(&self) -> usize {
        self.precision.columns(self.dimensions)
    }

    /// The element type.
    pub fn precision(&self) -> VectorPrecision {
        self.precision
    }

    /// The ranges for `int8` and `uint8`, `[2, dimensions]`: each dimension's smallest and largest
    /// value; `None` for other precisions.
    pub fn ranges(&self) -> Option<ArrayView2<'_, f32>> {
        self.ranges.as_ref().map(|ranges| ranges.view())
    }

    /// Converts vectors, `[sentences, width]`, to `[sentences, columns]`.
    ///
    /// # Errors
    ///
    /// As [`quantize`].
    ///
    /// # Panics
    ///
    /// If the vectors have fewer dimensions than [`Self::dimensions`].
    pub fn convert(&self, vectors: Array2<f32>) -> Result<Vectors, EncodeError> {
        let mut vectors = truncate(vectors, self.dimensions);
        if self.normalize {
            normalize(&mut vectors);
        }
        match self.precision {
            VectorPrecision::Float32 => Ok(Vectors::F32(vectors)),
            precision => quantize(vectors.view(), precision, self.ranges()),
        }
    }
}
