//! Named arrays of numbers, in memory or mapped from a file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::WeightsError;

/// Tensors by name.
pub type TensorMap = BTreeMap<String, Tensor>;

/// How weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit IEEE floats: half the size.
    F16,
}

impl Precision {
    /// Bytes a value takes.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
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
    Mapped {
        map: Arc<Mmap>,
        bytes: Range<usize>,
        precision: Precision,
    },
}

impl Tensor {
    /// A tensor of these values, rows first; `None` if there are more or fewer than `shape` says.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        (element_count(&shape)? == values.len()).then(|| Self {
            shape,
            storage: Storage::Owned(Arc::new(values)),
        })
    }

    /// A tensor that lies in a mapped file; `None` if `bytes` are not as many as `shape` says or
    /// not in the file.
    pub(super) fn mapped(
        shape: Vec<usize>,
        precision: Precision,
        map: Arc<Mmap>,
        bytes: Range<usize>,
    ) -> Option<Self> {
        let length = map.get(bytes.clone())?.len();
        (element_count(&shape)?.checked_mul(precision.size())? == length).then_some(Self {
            shape,
            storage: Storage::Mapped {
                map,
                bytes,
                precision,
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
    pub fn precision(&self) -> Precision {
        match &self.storage {
            Storage::Owned(_) => Precision::F32,
            Storage::Mapped { precision, .. } => *precision,
        }
    }

    /// All values, rows first: borrowed where they are stored as f32, converted otherwise.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match self.stored() {
            Stored::F32(values) => values,
            Stored::F16(values) => Cow::Owned(values.to_f32_vec()),
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
        }
        .is_some()
    }

    /// Lets go of the memory that holds parts of the file, for as long as nothing is read again.
    pub(crate) fn release(&self) {
        #[cfg(unix)]
        if let Storage::Mapped { map, bytes, .. } = &self.storage {
            // SAFETY: files are mapped shared and for reading only: their pages hold nothing that
            // is not in the file, and come back from there when they are read again.
            let _ = unsafe {
                map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    bytes.start,
                    bytes.len(),
                )
            };
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
        };
        let Some(position) = wrong else { return Ok(()) };
        Err(WeightsError::NotFinite {
            name: name.to_owned(),
            index: self.index(position),
            value: self.values()[position],
        })
    }

    /// Checks that every value is within the range of `precision`.
    ///
    /// # Errors
    ///
    /// [`WeightsError::BeyondF16`] with the first value that is not, under this `name`.
    pub(super) fn check_range(&self, name: &str, precision: Precision) -> Result<(), WeightsError> {
        if precision == Precision::F32 || self.precision() == Precision::F16 {
            return Ok(());
        }
        let beyond = |value: &&f32| value.is_finite() && !f16::from_f32(**value).is_finite();
        match self.values().iter().find(beyond) {
            None => Ok(()),
            Some(&value) => Err(WeightsError::BeyondF16 {
                name: name.to_owned(),
                value,
            }),
        }
    }

    /// The values' little-endian bytes in this precision.
    pub(super) fn to_bytes(&self, precision: Precision) -> Cow<'_, [u8]> {
        match (&self.storage, precision) {
            (Storage::Mapped { map, bytes, .. }, wanted) if wanted == self.precision() => {
                Cow::Borrowed(&map[bytes.clone()])
            }
            (Storage::Owned(values), Precision::F32) if cfg!(target_endian = "little") => {
                Cow::Borrowed(bytemuck::cast_slice(values.as_slice()))
            }
            (_, Precision::F32) => {
                let values = self.values();
                values.iter().flat_map(|x| x.to_le_bytes()).collect()
            }
            (_, Precision::F16) => {
                let values = self.values();
                values
                    .iter()
                    .flat_map(|&x| f16::from_f32(x).to_le_bytes())
                    .collect()
            }
        }
    }

    fn stored(&self) -> Stored<'_> {
        let (map, bytes, precision) = match &self.storage {
            Storage::Owned(values) => return Stored::F32(Cow::Borrowed(values.as_slice())),
            Storage::Mapped {
                map,
                bytes,
                precision,
            } => (map, bytes, precision),
        };
        // `mapped` made sure that the bytes are there and as many as the shape says.
        let bytes = &map[bytes.clone()];
        match precision {
            Precision::F32 => Stored::F32(cast(bytes, f32::from_le_bytes)),
            Precision::F16 => Stored::F16(match cast(bytes, u16::from_le_bytes) {
                Cow::Borrowed(bits) => Cow::Borrowed(bits.reinterpret_cast()),
                Cow::Owned(bits) => Cow::Owned(bits.into_iter().map(f16::from_bits).collect()),
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
            Storage::Mapped { .. } => "mapped",
        };
        write!(f, "Tensor({:?} {} {place})", self.shape, self.precision())
    }
}

/// Values as they are stored, converted only where the machine cannot use them in place.
enum Stored<'a> {
    F32(Cow<'a, [f32]>),
    F16(Cow<'a, [f16]>),
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
