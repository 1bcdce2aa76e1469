//! Safetensors files: read by mapping them, written complete or not at all.
//!
//! A file is checked by the [safetensors crate](::safetensors): a header of at most
//! [`MAX_HEADER_BYTES`] that is valid JSON, tensors that lie end to end and reach exactly to the
//! end of the file. Tensors are F32 or F16, or matrices of I8: of such a matrix `NAME`,
//! `[rows, columns]`, an F32 tensor `NAME.scale`, `[rows]`, holds what each row's integers are
//! multiplied with, and the two are read as one tensor `NAME`. Scales are finite and not negative.

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use gensen_data::scratch::Scratch;
use safetensors::tensor::{Dtype, TensorView, View};
use safetensors::{SafeTensors, serialize_to_file};

use super::integers::is_scale;
use super::map::{Bytes, map_file};
use super::{StoredPrecision, Tensor, TensorMap, WeightsError};

/// The longest header that is read, in bytes. An encoder's has a few hundred.
pub const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Maps a file. Its tensors share the map; nothing but the header and the scales of matrices of I8
/// is read until it is used.
///
/// # Errors
///
/// A file that cannot be opened or is no complete safetensors file; tensors of other types than
/// F32, F16 and I8; a matrix of I8 without scales or with such as are not finite.
pub fn open(path: &Path) -> Result<TensorMap, WeightsError> {
    let map = map_file(path)?;
    read(Arc::new(Bytes::Mapped(map))).map_err(|error| error.in_file(path))
}

/// As [`open`], of a file that is in memory; its tensors share the bytes.
///
/// # Errors
///
/// As [`open`].
pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<TensorMap, WeightsError> {
    read(Arc::new(Bytes::InMemory(bytes.into())))
}

/// What the name of a matrix's scales ends with.
const SCALE: &str = ".scale";

fn read(bytes: Arc<Bytes>) -> Result<TensorMap, WeightsError> {
    if let Some(&length) = bytes.first_chunk::<8>() {
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES {
            return Err(WeightsError::Safetensors(format!(
                "a header of {length} bytes, expected at most {MAX_HEADER_BYTES}"
            )));
        }
    }
    let file = SafeTensors::deserialize(&bytes).map_err(wrong)?;
    let place = |view: &TensorView<'_>| -> Range<usize> {
        let offset = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        offset..offset + view.data().len()
    };
    let is_matrix_of_i8 = |name: &str| {
        file.tensor(name)
            .is_ok_and(|view| view.dtype() == Dtype::I8)
    };
    let mut tensors = TensorMap::new();
    for (name, view) in file.iter() {
        if name.strip_suffix(SCALE).is_some_and(is_matrix_of_i8) {
            continue;
        }
        let shape = view.shape().to_vec();
        let tensor = match view.dtype() {
            Dtype::F32 => Tensor::floats(shape, false, &bytes, place(&view)),
            Dtype::F16 => Tensor::floats(shape, true, &bytes, place(&view)),
            Dtype::I8 => {
                let scales = scales(&file, name, &view)?;
                Tensor::integers(shape, &bytes, place(&view), place(&scales))
            }
            other => {
                return Err(WeightsError::ElementType {
                    name: name.to_owned(),
                    expected: "F32, F16 or I8",
                    found: format!("{other:?}"),
                });
            }
        };
        let tensor = tensor
            .ok_or_else(|| WeightsError::Safetensors(format!("tensor `{name}` is not in it")))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// The scales of a matrix of I8, checked.
fn scales<'d>(
    file: &SafeTensors<'d>,
    name: &str,
    matrix: &TensorView<'_>,
) -> Result<TensorView<'d>, WeightsError> {
    let &[rows, _] = matrix.shape() else {
        return Err(WeightsError::Shape {
            name: name.to_owned(),
            expected: "[rows, columns], as it is of I8".to_owned(),
            found: matrix.shape().to_vec(),
        });
    };
    let scale_name = format!("{name}{SCALE}");
    let Ok(scales) = file.tensor(&scale_name) else {
        return Err(WeightsError::MissingTensor {
            name: scale_name,
            expected: format!("[{rows}]"),
        });
    };
    if scales.dtype() != Dtype::F32 {
        return Err(WeightsError::ElementType {
            name: scale_name,
            expected: "F32",
            found: format!("{:?}", scales.dtype()),
        });
    }
    if scales.shape() != [rows] {
        return Err(WeightsError::Shape {
            name: scale_name,
            expected: format!("[{rows}]"),
            found: scales.shape().to_vec(),
        });
    }
    let (numbers, _) = scales.data().as_chunks();
    let numbers = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes));
    if let Some((row, value)) = numbers.enumerate().find(|&(_, value)| !is_scale(value)) {
        return Err(WeightsError::Scale {
            name: scale_name,
            row,
            value,
        });
    }
    Ok(scales)
}

/// Writes a file, complete or not at all.
///
/// # Errors
///
/// A file that cannot be written; with [`StoredPrecision::F16`], values beyond that type's range;
/// with [`StoredPrecision::I8`], values that are not finite.
pub fn write(
    path: &Path,
    tensors: &TensorMap,
    precision: StoredPrecision,
) -> Result<(), WeightsError> {
    for (name, tensor) in tensors {
        tensor.check_range(name, precision)?;
    }
    let views = tensors
        .iter()
        .flat_map(|(name, tensor)| views(name, tensor, precision));
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

/// What a file of this precision has of a tensor.
fn views<'a>(
    name: &str,
    tensor: &'a Tensor,
    precision: StoredPrecision,
) -> impl Iterator<Item = (String, Stored<'a>)> {
    let integers = match precision {
        StoredPrecision::I8 => tensor.integer_bytes(),
        StoredPrecision::F32 | StoredPrecision::F16 => None,
    };
    let stored = |dtype, shape: &[usize], bytes| Stored {
        dtype,
        shape: shape.to_vec(),
        bytes,
    };
    let shape = tensor.shape();
    let (own, scales) = match integers {
        Some((values, scales)) => (
            stored(Dtype::I8, shape, values),
            Some(stored(Dtype::F32, &shape[..1], scales)),
        ),
        None if precision == StoredPrecision::F16 => {
            (stored(Dtype::F16, shape, tensor.float_bytes(true)), None)
        }
        None => (stored(Dtype::F32, shape, tensor.float_bytes(false)), None),
    };
    let scales = scales.map(|scales| (format!("{name}{SCALE}"), scales));
    std::iter::once((name.to_owned(), own)).chain(scales)
}

/// A tensor's bytes.
struct Stored<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
