//! Matrices of vectors in any element type, read as floats.

use std::borrow::Cow;
use std::ops::Range;

use half::f16;

use crate::SearchError;
use crate::kernels;

/// The quantisation of 8-bit integers: value n of dimension d stands for the middle of step n +
/// 128, `starts[d] + (n + 128.5) * sizes[d]`.
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
    numbers: Numbers<'a>,
    width: usize,
    steps: Option<&'a QuantizationSteps>,
    /// The selected rows, if not all.
    selection: Option<&'a [usize]>,
}

#[derive(Clone, Copy, Debug)]
enum Numbers<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    I8(&'a [i8]),
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

    pub(crate) fn from_f32(numbers: &'a [f32], width: usize) -> Self {
        Self::new(Numbers::F32(numbers), width)
    }

    pub(crate) fn from_f16(numbers: &'a [f16], width: usize) -> Self {
        Self::new(Numbers::F16(numbers), width)
    }

    pub(crate) fn from_i8(numbers: &'a [i8], width: usize) -> Self {
        Self::new(Numbers::I8(numbers), width)
    }

    fn new(numbers: Numbers<'a>, width: usize) -> Self {
        Self {
            numbers,
            width,
            steps: None,
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
        if steps.starts.len() != self.width {
            return Err(SearchError::Widths {
                found: steps.starts.len(),
                expected: self.width,
            });
        }
        Ok(Self {
            steps: Some(steps),
            ..self
        })
    }

    /// Whether the elements are 8-bit integers.
    pub fn is_integers(&self) -> bool {
        matches!(self.numbers, Numbers::I8(_))
    }

    /// The number of vectors.
    pub fn rows(&self) -> usize {
        if let Some(selection) = self.selection {
            return selection.len();
        }
        let numbers = match self.numbers {
            Numbers::F32(numbers) => numbers.len(),
            Numbers::F16(numbers) => numbers.len(),
            Numbers::I8(numbers) => numbers.len(),
        };
        numbers / self.width
    }

    /// The length of a vector.
    pub fn width(&self) -> usize {
        self.width
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
            let mut floats = Vec::with_capacity(rows.len() * self.width);
            for &row in &selection[rows] {
                floats.extend_from_slice(&all.floats(row..row + 1));
            }
            return Cow::Owned(floats);
        }
        let numbers = rows.start * self.width..rows.end * self.width;
        match self.numbers {
            Numbers::F32(all) => Cow::Borrowed(&all[numbers]),
            Numbers::F16(all) => {
                let mut floats = vec![0.0; numbers.len()];
                kernels::from_halves(&all[numbers], &mut floats);
                Cow::Owned(floats)
            }
            Numbers::I8(all) => {
                let mut floats = vec![0.0; numbers.len()];
                kernels::from_integers(&all[numbers], &mut floats);
                if let Some(steps) = self.steps {
                    for row in floats.chunks_exact_mut(self.width) {
                        kernels::from_steps(row, &steps.starts, &steps.sizes);
                    }
                }
                Cow::Owned(floats)
            }
        }
    }

    /// A range of rows scaled to length 1; rows of zeros stay zero.
    pub(crate) fn unit_rows(&self, rows: Range<usize>) -> Result<Vec<f32>, SearchError> {
        let first = rows.start;
        let mut floats = self.floats(rows).into_owned();
        for (k, row) in floats.chunks_exact_mut(self.width).enumerate() {
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
