//! Truncation, normalisation and quantisation of vectors.
//!
//! Results equal those of the Python package sentence-transformers (`truncate_embeddings`,
//! `quantize_embeddings`) for the same vectors and ranges.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::EncodeError;

/// The element type of output vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VectorPrecision {
    /// 32-bit floats, not quantised.
    #[default]
    Float32,
    /// 8-bit integers from -128 to 127: those of [`VectorPrecision::Uint8`] minus 128.
    Int8,
    /// 8-bit integers from 0 to 255. Each dimension's range is divided into 255 steps, and a value
    /// becomes the number of whole steps above the minimum. Values outside of the range are
    /// clamped.
    Uint8,
    /// One bit a dimension: the bytes of [`VectorPrecision::Ubinary`] minus 128, from -128 to 127.
    Binary,
    /// One bit a dimension, 1 for values above 0. The first of eight dimensions is the byte's
    /// highest bit; the last byte is padded with zeros.
    Ubinary,
}

impl VectorPrecision {
    /// All precisions.
    pub const ALL: [Self; 5] = [
        Self::Float32,
        Self::Int8,
        Self::Uint8,
        Self::Binary,
        Self::Ubinary,
    ];

    /// The name in options and messages, the same as in sentence-transformers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Binary => "binary",
            Self::Ubinary => "ubinary",
        }
    }

    /// Whether quantisation needs [`Ranges`](crate::Ranges).
    pub fn needs_ranges(self) -> bool {
        matches!(self, Self::Int8 | Self::Uint8)
    }

    /// The number of elements that store a vector of `dimensions`: as many, or one byte for every
    /// 8.
    pub fn columns(self, dimensions: usize) -> usize {
        match self {
            Self::Float32 | Self::Int8 | Self::Uint8 => dimensions,
            Self::Binary | Self::Ubinary => dimensions.div_ceil(8),
        }
    }
}

impl fmt::Display for VectorPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for VectorPrecision {
    type Err = EncodeError;

    fn from_str(name: &str) -> Result<Self, EncodeError> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| EncodeError::VectorPrecision(name.to_owned()))
    }
}

/// Vectors in one of the [`VectorPrecision`]s, `[sentences, columns]`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Vectors {
    /// [`VectorPrecision::Float32`].
    F32(Array2<f32>),
    /// [`VectorPrecision::Int8`] and [`VectorPrecision::Binary`].
    I8(Array2<i8>),
    /// [`VectorPrecision::Uint8`] and [`VectorPrecision::Ubinary`].
    U8(Array2<u8>),
}

impl Vectors {
    /// Sentences and columns.
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Self::F32(vectors) => vectors.dim(),
            Self::I8(vectors) => vectors.dim(),
            Self::U8(vectors) => vectors.dim(),
        }
    }
}

/// Scales each row to length 1; rows of zeros stay zero.
pub fn normalize(vectors: &mut Array2<f32>) {
    for mut row in vectors.rows_mut() {
        let square: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
        let length = square.sqrt();
        if length > 0.0 {
            row.mapv_inplace(|x| (f64::from(x) / length) as f32);
        }
    }
}

/// The first `dimensions` of each vector.
pub(crate) fn truncate(vectors: Array2<f32>, dimensions: usize) -> Array2<f32> {
    if vectors.ncols() == dimensions {
        return vectors;
    }
    vectors.slice(s![.., ..dimensions]).to_owned()
}

/// Converts vectors to `precision`. `ranges` are each dimension's smallest and largest value, `[2,
/// dimensions]`; precisions that [do not need them](VectorPrecision::needs_ranges) ignore them.
///
/// ```
/// use gensen_encode::{VectorPrecision, Vectors, quantize};
/// use ndarray::array;
///
/// let vectors = array![[0.1_f32, -0.25, 0.3]];
/// let bits = quantize(vectors.view(), VectorPrecision::Ubinary, None)?;
/// assert_eq!(bits, Vectors::U8(array![[0b1010_0000]]));
/// let ranges = array![[-1.0_f32, -1.0, -1.0], [1.0, 1.0, 1.0]];
/// let integers = quantize(vectors.view(), VectorPrecision::Int8, Some(ranges.view()))?;
/// assert_eq!(integers, Vectors::I8(array![[12, -33, 37]]));
/// # Ok::<(), gensen_encode::EncodeError>(())
/// ```
///
/// # Errors
///
/// [`EncodeError::Ranges`] if ranges are needed and missing, of another shape or not finite;
/// [`EncodeError::NotFinite`] if a vector has a value that is not finite.
pub fn quantize(
    vectors: ArrayView2<'_, f32>,
    precision: VectorPrecision,
    ranges: Option<ArrayView2<'_, f32>>,
) -> Result<Vectors, EncodeError> {
    let row_is_finite = |row: ndarray::ArrayView1<'_, f32>| row.iter().all(|x| x.is_finite());
    if let Some(row) = vectors
        .rows()
        .into_iter()
        .position(|row| !row_is_finite(row))
    {
        return Err(EncodeError::NotFinite { row });
    }
    Ok(match precision {
        VectorPrecision::Float32 => Vectors::F32(vectors.to_owned()),
        VectorPrecision::Uint8 => Vectors::U8(integers(vectors, ranges)?),
        VectorPrecision::Int8 => Vectors::I8(integers(vectors, ranges)?.mapv(less_128)),
        VectorPrecision::Ubinary => Vectors::U8(bits(vectors)),
        VectorPrecision::Binary => Vectors::I8(bits(vectors).mapv(less_128)),
    })
}

fn less_128(byte: u8) -> i8 {
    (byte ^ 0x80).cast_signed()
}

fn integers(
    vectors: ArrayView2<'_, f32>,
    ranges: Option<ArrayView2<'_, f32>>,
) -> Result<Array2<u8>, EncodeError> {
    let expected = (2, vectors.ncols());
    let problem = |found: String| EncodeError::Ranges {
        dimensions: vectors.ncols(),
        found,
    };
    let ranges = ranges.ok_or_else(|| problem("none".to_owned()))?;
    if ranges.dim() != expected {
        return Err(problem(format!("[{}, {}]", ranges.nrows(), ranges.ncols())));
    }
    if let Some(value) = ranges.iter().find(|x| !x.is_finite()) {
        return Err(problem(format!("the value {value}")));
    }
    let (starts, ends) = ranges.split_at(Axis(0), 1);
    let steps = (&ends - &starts).mapv(|range| match range / 255.0 {
        0.0 => 1.0,
        step => step,
    });
    let mut integers = Array2::zeros(vectors.dim());
    for (mut out, row) in integers.rows_mut().into_iter().zip(vectors.rows()) {
        let values = row.iter().zip(&starts).zip(&steps);
        for (out, ((&x, start), step)) in out.iter_mut().zip(values) {
            *out = ((x - start) / step).floor().clamp(0.0, 255.0) as u8;
        }
    }
    Ok(integers)
}

fn bits(vectors: ArrayView2<'_, f32>) -> Array2<u8> {
    let columns = VectorPrecision::Ubinary.columns(vectors.ncols());
    let mut bits = Array2::zeros((vectors.nrows(), columns));
    for (mut out, row) in bits.rows_mut().into_iter().zip(vectors.rows()) {
        for (dimension, _) in row.iter().enumerate().filter(|(_, x)| **x > 0.0) {
            out[dimension / 8] |= 0x80_u8 >> (dimension % 8);
        }
    }
    bits
}
