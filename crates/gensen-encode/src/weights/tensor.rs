//! Named arrays of numbers, computed or as a file stores them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::WeightsError;
use super::integers::{self, Integers};
use super::map::Bytes;

/// Tensors by name.
pub type TensorMap = BTreeMap<String, Tensor>;

/// How weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredPrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit IEEE floats: half the size.
    F16,
    /// Matrices as 8-bit integers with an f32 scale a row, a quarter of the size; all else as f32.
    I8,
}

/// The name of no [`StoredPrecision`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no precision of stored weights; expected f32, f16 or i8")]
pub struct UnknownPrecision(String);

impl FromStr for StoredPrecision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| UnknownPrecision(name.to_owned()))
    }
}

impl StoredPrecision {
    /// All there are, the largest first.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::I8];

    /// What users call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
        }
    }

    /// Bytes a value takes; of [`StoredPrecision::I8`], one of a matrix.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::I8 => 1,
        }
    }
}

impl fmt::Display for StoredPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An array of numbers, rows first.
///
/// Clones of a mapped tensor share the file's pages.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    storage: Storage,
}

#[derive(Clone)]
enum Storage {
    Owned(Arc<Vec<f32>>),
    Stored {
        file: Arc<Bytes>,
        bytes: Range<usize>,
        elements: Elements,
    },
}

/// What a file holds of a tensor.
#[derive(Clone)]
enum Elements {
    F32,
    F16,
    /// A matrix as integers, and where the file has its rows' scales.
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

/// The bytes of a matrix's values as integers, and of the scales of its rows.
type IntegerBytes<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl Tensor {
    /// A tensor of these values, rows first; `None` if there are more or fewer than `shape` says.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        (element_count(&shape)? == values.len()).then(|| Self {
            shape,
            storage: Storage::Owned(Arc::new(values)),
        })
    }

    /// A tensor of f32, or else of f16, that lies in a file; `None` if `bytes` are not as many as
    /// `shape` says or not in the file.
    pub(super) fn floats(
        shape: Vec<usize>,
        half: bool,
        file: &Arc<Bytes>,
        bytes: Range<usize>,
    ) -> Option<Self> {
        let elements = if half { Elements::F16 } else { Elements::F32 };
        Self::stored_in(shape, elements, file, bytes)
    }

    /// A matrix of integers that lies in a file, and its rows' scales; `None` if the shape is no
    /// matrix's, or if either has more or fewer bytes than it says or is not in the file.
    pub(super) fn integers(
        shape: Vec<usize>,
        file: &Arc<Bytes>,
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
        file: &Arc<Bytes>,
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

    /// The extent of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How the values are stored.
    pub fn precision(&self) -> StoredPrecision {
        match &self.storage {
            Storage::Owned(_) => StoredPrecision::F32,
            Storage::Stored { elements, .. } => elements.precision(),
        }
    }

    /// All values, rows first: borrowed where they are stored as f32, converted otherwise.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match self.stored() {
            Stored::F32(values) => values,
            Stored::F16(values) => Cow::Owned(values.to_f32_vec()),
            Stored::I8(values) => Cow::Owned(values.to_f32_vec()),
        }
    }

    /// Copies row `row` (of the first dimension) into `out`; false if there is no such row or
    /// `out` is not as long as one.
    ///
    /// Of a mapped tensor, no other row is read.
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
            Stored::F32(values) => values.get(range).map(|row| out.copy_from_slice(row)),
            Stored::F16(values) => values.get(range).map(|row| row.convert_to_f32_slice(out)),
            Stored::I8(values) => values.copy_row(row, out),
        }
        .is_some()
    }

    /// Lets go of the memory that holds parts of the file, for as long as nothing is read again.
    pub(crate) fn release(&self) {
        if let Storage::Stored { file, bytes, .. } = &self.storage {
            file.release(bytes);
        }
    }

    /// Whether values lie so that any row can be read where it is stored.
    pub(crate) fn is_in_place(&self) -> bool {
        match self.stored() {
            Stored::F32(values) => matches!(values, Cow::Borrowed(_)),
            Stored::F16(values) => matches!(values, Cow::Borrowed(_)),
            Stored::I8(_) => true,
        }
    }

    /// The bits of the values if they are stored as f16 and lie aligned in the file.
    pub fn f16_values(&self) -> Option<&[f16]> {
        match self.stored() {
            Stored::F16(Cow::Borrowed(values)) => Some(values),
            _ => None,
        }
    }

    /// Checks that every value is a finite number.
    ///
    /// # Errors
    ///
    /// [`WeightsError::NotFinite`] with the first value that is not, under this `name`.
    pub fn check_finite(&self, name: &str) -> Result<(), WeightsError> {
        let wrong = match self.stored() {
            Stored::F32(values) => values
                .par_chunks(CHUNK)
                .enumerate()
                .find_map_first(|(chunk, values)| position(chunk, values, |x| x.is_finite())),
            Stored::F16(values) => values
                .par_chunks(CHUNK)
                .enumerate()
                .find_map_first(|(chunk, values)| position(chunk, values, |x| x.is_finite())),
            // Integers times scales that were checked when the file was opened.
            Stored::I8(_) => None,
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
    /// [`WeightsError::BeyondF16`] with the first value beyond the range of f16,
    /// [`WeightsError::NotFinite`] or [`WeightsError::BeyondI8`] with the first that integers and a
    /// scale cannot hold, under this `name`.
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

    /// The bytes of the values as integers and of the scales of the rows; those of the file if it
    /// has such. `None` if this is no matrix.
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

    fn stored(&self) -> Stored<'_> {
        let (file, bytes, elements) = match &self.storage {
            Storage::Owned(values) => return Stored::F32(Cow::Borrowed(values.as_slice())),
            Storage::Stored {
                file,
                bytes,
                elements,
            } => (file, bytes, elements),
        };
        // `stored_in` made sure that the bytes are there and as many as the shape says.
        let bytes = &file[bytes.clone()];
        match elements {
            Elements::F32 => Stored::F32(cast(bytes, f32::from_le_bytes)),
            Elements::F16 => Stored::F16(match cast(bytes, u16::from_le_bytes) {
                Cow::Borrowed(bits) => Cow::Borrowed(bits.reinterpret_cast()),
                Cow::Owned(bits) => Cow::Owned(bits.into_iter().map(f16::from_bits).collect()),
            }),
            Elements::I8 { scales } => Stored::I8(Integers {
                values: bytemuck::cast_slice(bytes),
                scales: &file[scales.clone()],
                columns: self.shape[1],
            }),
        }
    }

    /// The index in each dimension of the element at this position.
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

/// Values as they are stored, converted only where the machine cannot use them in place.
enum Stored<'a> {
    F32(Cow<'a, [f32]>),
    F16(Cow<'a, [f16]>),
    I8(Integers<'a>),
}

/// Little-endian numbers in place, or copied where they are not aligned for this machine.
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

/// Elements checked by one thread at a time.
const CHUNK: usize = 1 << 16;

/// Where in all the values the first one of this chunk stands that is not `good`.
fn position<T: Copy>(chunk: usize, values: &[T], good: impl Fn(T) -> bool) -> Option<usize> {
    // Without a way out of the loop, so that it is vectorised.
    if values.iter().fold(true, |all, &value| all & good(value)) {
        return None;
    }
    let position = values.iter().position(|&value| !good(value))?;
    Some(chunk * CHUNK + position)
}

/// The number of elements of this shape unless it is beyond what can be addressed.
pub(super) fn element_count(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |count, &extent| count.checked_mul(extent))
}
