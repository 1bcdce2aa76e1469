//! Matrices of vectors in any element type, read as floats.

use std::borrow::Cow;
use std::ops::Range;

use half::f16;

use crate::SearchError;
use crate::kernels;

/// The quantisation of 8-bit integers: the signed value n of dimension d represents the middle of step n + 128,
/// `starts[d] + (n + 128.5) * sizes[d]`; the unsigned value n represents that of step n.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizationSteps {
    starts: Vec<f32>,
    sizes: Vec<f32>,
}

impl QuantizationSteps {
    /// The steps of integers that were quantised with these ranges, each dimension's smallest and
    /// largest value: 255 steps between them.
    ///
    /// # Errors
    ///
    /// [`SearchError::Widths`] if `smallest` and `largest` have different lengths.
    pub fn of_ranges(smallest: &[f32], largest: &[f32]) -> Result<Self, SearchError> {
        if smallest.len() != largest.len() {
            return Err(SearchError::Widths {
                found: largest.len(),
                expected: smallest.len(),
            });
        }
        let sizes = smallest.iter().zip(largest);
        Ok(Self {
            starts: smallest.to_vec(),
            sizes: sizes.map(|(start, end)| (end - start) / 255.0).collect(),
        })
    }
}

/// A view of vectors, `[rows, width]`, with at least one row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    numbers: MatrixNumbers<'a>,
    /// Values or bytes per row.
    columns: usize,
    meaning: IntegerMeaning<'a>,
    /// The selected rows, if not all.
    selection: Option<&'a [usize]>,
}

#[derive(Clone, Copy, Debug)]
enum MatrixNumbers<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    I8(&'a [i8]),
    U8(&'a [u8]),
}

/// The interpretation of integers.
#[derive(Clone, Copy, Debug)]
enum IntegerMeaning<'a> {
    Themselves,
    Steps(&'a QuantizationSteps),
    /// Eight dimensions a byte; the number of dimensions.
    Bits(usize),
}

impl<'a> Matrix<'a> {
    /// Vectors in memory, in row-major order.
    ///
    /// # Errors
    ///
    /// [`SearchError::Width`] if the number of values is 0 or not a multiple of `width`.
    pub fn from_floats(numbers: &'a [f32], width: usize) -> Result<Self, SearchError> {
        if width == 0 || numbers.is_empty() || !numbers.len().is_multiple_of(width) {
            return Err(SearchError::Width {
                numbers: numbers.len(),
                width,
            });
        }
        Ok(Self::from_f32(numbers, width))
    }

    /// Vectors of bits in memory, one after the other: a bit a dimension, eight in a byte, the first the highest,
    /// and each vector begins with a byte. See [`with_bits`](Self::with_bits).
    ///
    /// # Errors
    ///
    /// [`SearchError::Width`] for no bytes, no dimensions, or a number of bytes that makes no rows.
    pub fn from_bits(bytes: &'a [u8], dimensions: usize) -> Result<Self, SearchError> {
        let columns = dimensions.div_ceil(8);
        if dimensions == 0 || bytes.is_empty() || !bytes.len().is_multiple_of(columns) {
            return Err(SearchError::Width {
                numbers: bytes.len(),
                width: columns,
            });
        }
        Self::from_u8(bytes, columns).with_bits(dimensions)
    }

    pub(crate) fn from_f32(numbers: &'a [f32], width: usize) -> Self {
        Self::new(MatrixNumbers::F32(numbers), width)
    }

    pub(crate) fn from_f16(numbers: &'a [f16], width: usize) -> Self {
        Self::new(MatrixNumbers::F16(numbers), width)
    }

    pub(crate) fn from_i8(numbers: &'a [i8], width: usize) -> Self {
        Self::new(MatrixNumbers::I8(numbers), width)
    }

    pub(crate) fn from_u8(numbers: &'a [u8], width: usize) -> Self {
        Self::new(MatrixNumbers::U8(numbers), width)
    }

    fn new(numbers: MatrixNumbers<'a>, columns: usize) -> Self {
        Self {
            numbers,
            columns,
            meaning: IntegerMeaning::Themselves,
            selection: None,
        }
    }

    /// A selection of these vectors: row i is the former row `rows[i]`.
    ///
    /// # Errors
    ///
    /// [`SearchError::Selection`] for an empty selection, for a row that does not exist, and if
    /// this is a selection already.
    pub fn with_rows(self, rows: &'a [usize]) -> Result<Self, SearchError> {
        let all = self.rows();
        match rows.iter().max() {
            Some(&last) if last < all && self.selection.is_none() => Ok(Self {
                selection: Some(rows),
                ..self
            }),
            last => Err(SearchError::Selection {
                last: last.copied(),
                rows: all,
            }),
        }
    }

    /// The same vectors with 8-bit integers dequantised by `steps`; without steps, integers are
    /// taken as their own values.
    ///
    /// # Errors
    ///
    /// [`SearchError::Widths`] for steps of another width.
    pub fn with_steps(self, steps: &'a QuantizationSteps) -> Result<Self, SearchError> {
        if steps.starts.len() != self.columns {
            return Err(SearchError::Widths {
                found: steps.starts.len(),
                expected: self.columns,
            });
        }
        Ok(Self {
            meaning: IntegerMeaning::Steps(steps),
            ..self
        })
    }

    /// Reinterprets vectors of 8-bit integers as `dimensions` packed bits, eight per byte, the highest bit
    /// first; signed integers are the bytes minus 128. A bit represents 1 or -1, so that a cosine is
    /// 1 - 2 h / `dimensions`, where h is the Hamming distance.
    ///
    /// # Errors
    ///
    /// [`SearchError::Widths`] for vectors of another number of bytes; [`SearchError::Floats`] for floats.
    pub fn with_bits(self, dimensions: usize) -> Result<Self, SearchError> {
        if !self.is_integers() {
            return Err(SearchError::Floats);
        }
        if self.columns != dimensions.div_ceil(8) {
            return Err(SearchError::Widths {
                found: self.columns,
                expected: dimensions.div_ceil(8),
            });
        }
        Ok(Self {
            meaning: IntegerMeaning::Bits(dimensions),
            ..self
        })
    }

    /// Whether the elements are 8-bit integers.
    pub fn is_integers(&self) -> bool {
        matches!(self.numbers, MatrixNumbers::I8(_) | MatrixNumbers::U8(_))
    }

    /// The number of vectors.
    pub fn rows(&self) -> usize {
        if let Some(selection) = self.selection {
            return selection.len();
        }
        let numbers = match self.numbers {
            MatrixNumbers::F32(numbers) => numbers.len(),
            MatrixNumbers::F16(numbers) => numbers.len(),
            MatrixNumbers::I8(numbers) => numbers.len(),
            MatrixNumbers::U8(numbers) => numbers.len(),
        };
        numbers / self.columns
    }

    /// The length of a vector.
    pub fn width(&self) -> usize {
        match self.meaning {
            IntegerMeaning::Bits(dimensions) => dimensions,
            _ => self.columns,
        }
    }

    /// A range of rows as floats, in row-major order.
    ///
    /// # Panics
    ///
    /// If a row does not exist.
    pub fn floats(&self, rows: Range<usize>) -> Cow<'a, [f32]> {
        if let Some(selection) = self.selection {
            let all = Self {
                selection: None,
                ..*self
            };
            let mut floats = Vec::with_capacity(rows.len() * self.width());
            for &row in &selection[rows] {
                floats.extend_from_slice(&all.floats(row..row + 1));
            }
            return Cow::Owned(floats);
        }
        let numbers = rows.start * self.columns..rows.end * self.columns;
        let mut floats = match self.numbers {
            MatrixNumbers::F32(all) => return Cow::Borrowed(&all[numbers]),
            _ => vec![0.0; rows.len() * self.width()],
        };
        match self.numbers {
            MatrixNumbers::F32(_) => {}
            MatrixNumbers::F16(all) => kernels::from_halves(&all[numbers], &mut floats),
            MatrixNumbers::I8(all) => {
                let all = &all[numbers];
                match self.meaning {
                    IntegerMeaning::Bits(_) => {
                        self.bits(bytemuck::cast_slice(all), 0x80, &mut floats)
                    }
                    IntegerMeaning::Themselves => kernels::from_integers(all, &mut floats),
                    IntegerMeaning::Steps(steps) => {
                        kernels::from_integers(all, &mut floats);
                        self.middles(steps, 128.5, &mut floats);
                    }
                }
            }
            MatrixNumbers::U8(all) => {
                let all = &all[numbers];
                match self.meaning {
                    IntegerMeaning::Bits(_) => self.bits(all, 0, &mut floats),
                    IntegerMeaning::Themselves => kernels::from_unsigned(all, &mut floats),
                    IntegerMeaning::Steps(steps) => {
                        kernels::from_unsigned(all, &mut floats);
                        self.middles(steps, 0.5, &mut floats);
                    }
                }
            }
        }
        Cow::Owned(floats)
    }

    /// Whether the vectors are bits.
    pub(crate) fn is_bits(&self) -> bool {
        matches!(self.meaning, IntegerMeaning::Bits(_))
    }

    /// Whole rows of bytes as 1 and -1; `flip` turns a byte into the unsigned one.
    fn bits(&self, bytes: &[u8], flip: u8, floats: &mut [f32]) {
        let rows = floats.chunks_exact_mut(self.width());
        for (row, bytes) in rows.zip(bytes.chunks_exact(self.columns)) {
            kernels::from_bits(bytes, flip, row);
        }
    }

    /// Converts step numbers n to the middles of the steps, `n + middle` sizes above the start.
    fn middles(&self, steps: &QuantizationSteps, middle: f32, floats: &mut [f32]) {
        for row in floats.chunks_exact_mut(self.columns) {
            kernels::from_steps(row, middle, &steps.starts, &steps.sizes);
        }
    }

    /// A range of rows scaled to length 1; rows of zeros stay zero.
    pub(crate) fn unit_rows(&self, rows: Range<usize>) -> Result<Vec<f32>, SearchError> {
        let first = rows.start;
        let mut floats = self.floats(rows).into_owned();
        for (k, row) in floats.chunks_exact_mut(self.width()).enumerate() {
            let scale = scale(kernels::square(row), first + k)?;
            row.iter_mut().for_each(|x| *x *= scale);
        }
        Ok(floats)
    }
}

/// The factor that scales a vector with this squared length to length 1; 0 for a vector of zeros.
pub(crate) fn scale(square: f32, row: usize) -> Result<f32, SearchError> {
    match square {
        0.0 => Ok(0.0),
        square if square.is_finite() => Ok(1.0 / square.sqrt()),
        _ => Err(SearchError::NotFinite { row }),
    }
}
