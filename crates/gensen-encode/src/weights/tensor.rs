//! Tensors, in memory or in the bytes of a file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use rayon::prelude::*;

use super::integers::{self, QuantizedMatrix};
use super::map::FileBytes;
use super::{StoredPrecision, WeightsError};

/// Tensors by name.
pub type TensorMap = BTreeMap<String, Tensor>;

/// An array of numbers in row-major order.
///
/// Clones share the values or the mapped file.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    storage: Storage,
}

#[derive(Clone)]
enum Storage {
    Owned(Arc<Vec<f32>>),
    Stored {
        file: Arc<FileBytes>,
        bytes: Range<usize>,
        elements: Elements,
    },
}

/// The element type of a tensor in a file.
#[derive(Clone)]
enum Elements {
    F32,
    F16,
    /// A matrix of integers, and the position of its rows' scales in the file.
    I8 {
        scales: Range<usize>,
    },
}

impl Elements {
    fn precision(&self) -> StoredPrecision {
        match self {
            Self::F32 => StoredPrecision::F32,
            Self::F16 => StoredPrecision::F16,
            Self::I8 { .. } => StoredPrecision::I8,
        }
    }
}

/// The bytes of a matrix's integers and of its rows' scales.
type IntegerBytes<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl Tensor {
    /// A tensor of these values in row-major order; `None` if their number is not that of `shape`.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        (element_count(&shape)? == values.len()).then(|| Self {
            shape,
            storage: Storage::Owned(Arc::new(values)),
        })
    }

    /// A tensor of f32, or of f16 if `half`, in the bytes of a file; `None` if the length of
    /// `bytes` is not that of `shape`, or the range is not in the file.
    pub(super) fn floats(
        shape: Vec<usize>,
        half: bool,
        file: &Arc<FileBytes>,
        bytes: Range<usize>,
    ) -> Option<Self> {
        let elements = if half { Elements::F16 } else { Elements::F32 };
        Self::stored_in(shape, elements, file, bytes)
    }

    /// A matrix of integers and its rows' scales in the bytes of a file; `None` if `shape` is not a
    /// matrix's, or a length is not that of `shape`, or a range is not in the file.
    pub(super) fn integers(
        shape: Vec<usize>,
        file: &Arc<FileBytes>,
        bytes: Range<usize>,
        scales: Range<usize>,
    ) -> Option<Self> {
        let [rows, _] = shape[..] else { return None };
        let length = file.get(scales.clone())?.len();
        if rows.checked_mul(size_of::<f32>())? != length {
            return None;
        }
        Self::stored_in(shape, Elements::I8 { scales }, file, bytes)
    }

    fn stored_in(
        shape: Vec<usize>,
        elements: Elements,
        file: &Arc<FileBytes>,
        bytes: Range<usize>,
    ) -> Option<Self> {
        let length = file.get(bytes.clone())?.len();
        let expected = element_count(&shape)?.checked_mul(elements.precision().size())?;
        (expected == length).then(|| Self {
            shape,
            storage: Storage::Stored {
                file: Arc::clone(file),
                bytes,
                elements,
            },
        })
    }

    /// The size of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The precision in which the values are stored.
    pub fn precision(&self) -> StoredPrecision {
        match &self.storage {
            Storage::Owned(_) => StoredPrecision::F32,
            Storage::Stored { elements, .. } => elements.precision(),
        }
    }

    /// All values in row-major order: borrowed if they are stored as f32, converted otherwise.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match self.stored() {
            StoredValues::F32(values) => values,
            StoredValues::F16(values) => Cow::Owned(values.to_f32_vec()),
            StoredValues::I8(values) => Cow::Owned(values.to_f32_vec()),
        }
    }

    /// Copies row `row` (of the first dimension) into `out`; false if there is no such row or `out`
    /// has another length.
    ///
    /// No other row is read from a mapped file.
    pub fn copy_row(&self, row: usize, out: &mut [f32]) -> bool {
        if row >= self.shape.first().copied().unwrap_or(0) {
            return false;
        }
        let width: usize = self.shape.iter().skip(1).product();
        if width != out.len() {
            return false;
        }
        let range = row * width..(row + 1) * width;
        match self.stored() {
            StoredValues::F32(values) => values.get(range).map(|row| out.copy_from_slice(row)),
            StoredValues::F16(values) => values.get(range).map(|row| row.convert_to_f32_slice(out)),
            StoredValues::I8(values) => values.copy_row(row, out),
        }
        .is_some()
    }

    /// Releases the resident pages of a mapped tensor.
    pub(crate) fn release(&self) {
        if let Storage::Stored { file, bytes, .. } = &self.storage {
            file.release(bytes);
        }
    }

    /// Whether a row can be read without converting the whole tensor: its bytes are aligned.
    pub(crate) fn is_in_place(&self) -> bool {
        match self.stored() {
            StoredValues::F32(values) => matches!(values, Cow::Borrowed(_)),
            StoredValues::F16(values) => matches!(values, Cow::Borrowed(_)),
            StoredValues::I8(_) => true,
        }
    }

    /// The values if they are stored as f16 and aligned in the file.
    pub fn f16_values(&self) -> Option<&[f16]> {
        match self.stored() {
            StoredValues::F16(Cow::Borrowed(values)) => Some(values),
            _ => None,
        }
    }

    /// Checks that every value is a finite number.
    ///
    /// # Errors
    ///
    /// [`WeightsError::NotFinite`] with this `name` and the first such value.
    pub fn check_finite(&self, name: &str) -> Result<(), WeightsError> {
        let wrong = match self.stored() {
            StoredValues::F32(values) => values
                .par_chunks(CHUNK)
                .enumerate()
                .find_map_first(|(chunk, values)| position(chunk, values, |x| x.is_finite())),
            StoredValues::F16(values) => values
                .par_chunks(CHUNK)
                .enumerate()
                .find_map_first(|(chunk, values)| position(chunk, values, |x| x.is_finite())),
            // The scales were checked when the file was opened.
            StoredValues::I8(_) => None,
        };
        let Some(position) = wrong else { return Ok(()) };
        Err(WeightsError::NotFinite {
            name: name.to_owned(),
            index: self.index(position),
            value: self.values()[position],
        })
    }

    /// Checks that `precision` can hold every value.
    ///
    /// # Errors
    ///
    /// [`WeightsError::BeyondF16`] with this `name` and the first value beyond the range of f16;
    /// for i8, [`WeightsError::NotFinite`] or [`WeightsError::BeyondI8`].
    pub(super) fn check_range(
        &self,
        name: &str,
        precision: StoredPrecision,
    ) -> Result<(), WeightsError> {
        if precision == self.precision() {
            return Ok(());
        }
        let first = |beyond: fn(f32) -> bool| self.values().iter().copied().find(|&x| beyond(x));
        let name = || name.to_owned();
        match precision {
            StoredPrecision::F32 => Ok(()),
            StoredPrecision::F16 => match first(|x| x.is_finite() && !f16::from_f32(x).is_finite())
            {
                Some(value) => Err(WeightsError::BeyondF16 {
                    name: name(),
                    value,
                }),
                None => Ok(()),
            },
            StoredPrecision::I8 => {
                self.check_finite(&name())?;
                match first(|x| x.abs() > integers::MOST) {
                    Some(value) => Err(WeightsError::BeyondI8 {
                        name: name(),
                        value,
                    }),
                    None => Ok(()),
                }
            }
        }
    }

    /// The values' little-endian bytes as f32 or, if `half`, as f16.
    pub(super) fn float_bytes(&self, half: bool) -> Cow<'_, [u8]> {
        match (&self.storage, half) {
            (
                Storage::Stored {
                    file,
                    bytes,
                    elements: Elements::F16,
                },
                true,
            )
            | (
                Storage::Stored {
                    file,
                    bytes,
                    elements: Elements::F32,
                },
                false,
            ) => Cow::Borrowed(&file[bytes.clone()]),
            (Storage::Owned(values), false) if cfg!(target_endian = "little") => {
                Cow::Borrowed(bytemuck::cast_slice(values.as_slice()))
            }
            (_, false) => {
                let values = self.values();
                values.iter().flat_map(|x| x.to_le_bytes()).collect()
            }
            (_, true) => {
                let values = self.values();
                values
                    .iter()
                    .flat_map(|&x| f16::from_f32(x).to_le_bytes())
                    .collect()
            }
        }
    }

    /// The values as 8-bit integers with scales, quantised unless they are stored so; `None` if
    /// this is not a matrix.
    pub(super) fn integer_bytes(&self) -> Option<IntegerBytes<'_>> {
        let [_, columns] = self.shape[..] else {
            return None;
        };
        Some(match &self.storage {
            Storage::Stored {
                file,
                bytes,
                elements: Elements::I8 { scales },
            } => (
                Cow::Borrowed(&file[bytes.clone()]),
                Cow::Borrowed(&file[scales.clone()]),
            ),
            _ => {
                let (values, scales) = integers::quantise(&self.values(), columns);
                (Cow::Owned(values), Cow::Owned(scales))
            }
        })
    }

    fn stored(&self) -> StoredValues<'_> {
        let (file, bytes, elements) = match &self.storage {
            Storage::Owned(values) => return StoredValues::F32(Cow::Borrowed(values.as_slice())),
            Storage::Stored {
                file,
                bytes,
                elements,
            } => (file, bytes, elements),
        };
        // `stored_in` has checked the range and its length.
        let bytes = &file[bytes.clone()];
        match elements {
            Elements::F32 => StoredValues::F32(cast(bytes, f32::from_le_bytes)),
            Elements::F16 => StoredValues::F16(match cast(bytes, u16::from_le_bytes) {
                Cow::Borrowed(bits) => Cow::Borrowed(bits.reinterpret_cast()),
                Cow::Owned(bits) => Cow::Owned(bits.into_iter().map(f16::from_bits).collect()),
            }),
            Elements::I8 { scales } => StoredValues::I8(QuantizedMatrix {
                values: bytemuck::cast_slice(bytes),
                scales: &file[scales.clone()],
                columns: self.shape[1],
            }),
        }
    }

    /// The index in each dimension of the element at `position` in row-major order.
    fn index(&self, mut position: usize) -> Vec<usize> {
        let mut index: Vec<usize> = self
            .shape
            .iter()
            .rev()
            .map(|&extent| {
                let index = position % extent.max(1);
                position /= extent.max(1);
                index
            })
            .collect();
        index.reverse();
        index
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.storage {
            Storage::Owned(_) => "in memory",
            Storage::Stored { .. } => "as stored",
        };
        write!(f, "Tensor({:?} {} {place})", self.shape, self.precision())
    }
}

/// Values in their stored type, copied only if they are not aligned for this machine.
enum StoredValues<'a> {
    F32(Cow<'a, [f32]>),
    F16(Cow<'a, [f16]>),
    I8(QuantizedMatrix<'a>),
}

/// Little-endian values: borrowed, or copied if they are not aligned for this machine.
fn cast<T: bytemuck::Pod, const WIDTH: usize>(
    bytes: &[u8],
    number: impl Fn([u8; WIDTH]) -> T,
) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
        _ => {
            let (chunks, _) = bytes.as_chunks::<WIDTH>();
            Cow::Owned(chunks.iter().map(|&chunk| number(chunk)).collect())
        }
    }
}

/// Elements per parallel task of a check.
const CHUNK: usize = 1 << 16;

/// The position in the tensor of the first value in this chunk that is not `good`.
fn position<T: Copy>(chunk: usize, values: &[T], good: impl Fn(T) -> bool) -> Option<usize> {
    // A loop without an early exit, so that it is vectorised.
    if values.iter().fold(true, |all, &value| all & good(value)) {
        return None;
    }
    let position = values.iter().position(|&value| !good(value))?;
    Some(chunk * CHUNK + position)
}

/// The number of elements of this shape; `None` on overflow.
pub(super) fn element_count(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |count, &extent| count.checked_mul(extent))
}
