//! Safetensors files: memory-mapped when read, written complete or not at all.
//!
//! The header has at most [`MAX_HEADER_BYTES`]; the [safetensors crate](::safetensors) checks that
//! it is valid JSON, and that the tensors are contiguous and end exactly at the end of the file.
//! Tensors are F32 or F16, or matrices of I8. A matrix `NAME` of I8, `[rows, columns]`, comes with
//! an F32 tensor `NAME.scale`, `[rows]`, the scale of each row; both are read as one tensor `NAME`.
//! Scales are finite and not negative.

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use gensen_data::scratch::Scratch;
use safetensors::tensor::{Dtype, TensorView, View};
use safetensors::{SafeTensors, serialize_to_file};

use super::integers::is_scale;
use super::map::{FileBytes, map_file};
use super::{StoredPrecision, Tensor, TensorMap, WeightsError};

/// The size limit of the header, in bytes. An encoder's takes a few hundred.
pub const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Memory-maps a file. Its tensors share the map; only the header and the scales of matrices of I8
/// are read at once.
///
/// # Errors
///
/// A file that cannot be opened, is malformed or truncated; tensors of other types than F32, F16
/// and I8; a matrix of I8 without scales or with invalid ones.
pub fn open(path: &Path) -> Result<TensorMap, WeightsError> {
    let map = map_file(path)?;
    read(Arc::new(FileBytes::Mapped(map))).map_err(|error| error.in_file(path))
}

/// As [`open`], for a file in memory; its tensors share the bytes.
///
/// # Errors
///
/// As [`open`].
pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<TensorMap, WeightsError> {
    read(Arc::new(FileBytes::InMemory(bytes.into())))
}

/// The suffix of the name of a matrix's scales.
const SCALE: &str = ".scale";

fn read(bytes: Arc<FileBytes>) -> Result<TensorMap, WeightsError> {
    if let Some(&length) = bytes.first_chunk::<8>() {
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES {
            return Err(WeightsError::LongHeader {
                bytes: length,
                limit: MAX_HEADER_BYTES,
            });
        }
    }
    let file = SafeTensors::deserialize(&bytes).map_err(WeightsError::Safetensors)?;
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
        #[allow(
            clippy::expect_used,
            reason = "`deserialize` has compared each tensor's bytes with its shape, and `scales` those of the scales"
        )]
        tensors.insert(name.to_owned(), tensor.expect("a tensor of its shape"));
    }
    Ok(tensors)
}

/// Finds and checks the scales of a matrix of I8.
fn scales<'d>(
    file: &SafeTensors<'d>,
    name: &str,
    matrix: &TensorView<'_>,
) -> Result<TensorView<'d>, WeightsError> {
    let &[rows, _] = matrix.shape() else {
        return Err(WeightsError::Shape {
            name: name.to_owned(),
            expected: "[rows, columns], as its type is I8".to_owned(),
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
    // `serialize_to_file` replaces the file by one that only its owner may read; restore
    // permissions.
    let permissions = fs::metadata(scratch.path())
        .map_err(WeightsError::io(path))?
        .permissions();
    serialize_to_file(views, None, scratch.path()).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => WeightsError::io(path)(source),
        error => WeightsError::Safetensors(error).in_file(path),
    })?;
    fs::set_permissions(scratch.path(), permissions).map_err(WeightsError::io(path))?;
    scratch.rename_to(path).map_err(WeightsError::io(path))
}

/// A tensor as a file of this precision stores it, with its scales if there are any.
fn views<'a>(
    name: &str,
    tensor: &'a Tensor,
    precision: StoredPrecision,
) -> impl Iterator<Item = (String, TensorBytes<'a>)> {
    let integers = match precision {
        StoredPrecision::I8 => tensor.integer_bytes(),
        StoredPrecision::F32 | StoredPrecision::F16 => None,
    };
    let stored = |dtype, shape: &[usize], bytes| TensorBytes {
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

/// A tensor to write.
struct TensorBytes<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for TensorBytes<'_> {
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
