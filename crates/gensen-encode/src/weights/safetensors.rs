//! Safetensors files: read by mapping them, written complete or not at all.
//!
//! A file is checked by the [safetensors crate](::safetensors): a header of at most
//! [`MAX_HEADER_BYTES`] that is valid JSON, tensors that lie end to end and reach exactly to the
//! end of the file. Tensors are f32 or f16.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use gensen_data::scratch::Scratch;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, View};
use safetensors::{SafeTensors, serialize_to_file};

use super::map::map_file;
use super::{Precision, Tensor, TensorMap, WeightsError};

/// The longest header that is read, in bytes. An encoder's has a few hundred.
pub const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Maps a file. Its tensors share the map; nothing but the header is read until it is used.
///
/// # Errors
///
/// A file that cannot be opened or is no complete safetensors file; tensors that are neither f32
/// nor f16.
pub fn open(path: &Path) -> Result<TensorMap, WeightsError> {
    let map = map_file(path)?;
    read(Arc::new(map)).map_err(|error| error.in_file(path))
}

fn read(map: Arc<Mmap>) -> Result<TensorMap, WeightsError> {
    if let Some(&length) = map.first_chunk::<8>() {
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES {
            return Err(WeightsError::Safetensors(format!(
                "a header of {length} bytes, expected at most {MAX_HEADER_BYTES}"
            )));
        }
    }
    let file = SafeTensors::deserialize(&map).map_err(wrong)?;
    let start = map.as_ptr() as usize;
    let mut tensors = TensorMap::new();
    for (name, view) in file.iter() {
        let precision = match view.dtype() {
            Dtype::F32 => Precision::F32,
            Dtype::F16 => Precision::F16,
            other => {
                return Err(WeightsError::ElementType {
                    name: name.to_owned(),
                    expected: "F32 or F16",
                    found: format!("{other:?}"),
                });
            }
        };
        let offset = view.data().as_ptr() as usize - start;
        let bytes = offset..offset + view.data().len();
        let tensor = Tensor::mapped(view.shape().to_vec(), precision, Arc::clone(&map), bytes)
            .ok_or_else(|| WeightsError::Safetensors(format!("tensor `{name}` is not in it")))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// Writes a file, complete or not at all.
///
/// # Errors
///
/// A file that cannot be written; with [`Precision::F16`], values beyond that type's range.
pub fn write(path: &Path, tensors: &TensorMap, precision: Precision) -> Result<(), WeightsError> {
    for (name, tensor) in tensors {
        tensor.check_range(name, precision)?;
    }
    let views = tensors
        .iter()
        .map(|(name, tensor)| (name, AsPrecision { tensor, precision }));
    let scratch = Scratch::file(path).map_err(WeightsError::io(path))?;
    // The crate replaces the file by one that nobody else may read: the permissions are put back.
    let permissions = fs::metadata(scratch.path())
        .map_err(WeightsError::io(path))?
        .permissions();
    serialize_to_file(views, None, scratch.path()).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => WeightsError::io(path)(source),
        error => wrong(error).in_file(path),
    })?;
    fs::set_permissions(scratch.path(), permissions).map_err(WeightsError::io(path))?;
    scratch.rename_to(path).map_err(WeightsError::io(path))
}

fn wrong(error: safetensors::SafeTensorError) -> WeightsError {
    WeightsError::Safetensors(error.to_string())
}

/// A tensor as bytes of one precision.
struct AsPrecision<'a> {
    tensor: &'a Tensor,
    precision: Precision,
}

impl View for AsPrecision<'_> {
    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::F32 => Dtype::F32,
            Precision::F16 => Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.tensor.to_bytes(self.precision)
    }

    fn data_len(&self) -> usize {
        self.tensor.len() * self.precision.size()
    }
}
