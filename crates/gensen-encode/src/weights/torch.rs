//! PyTorch files of named tensors, as written by `torch.save(model.state_dict(), ...)`.
//!
//! Two formats are supported: the legacy format before PyTorch 1.6 (five pickles, then the
//! storages), written by Python 2 or 3, on a CPU or a GPU; and the zip archive since. In both, a
//! tensor is a view into a storage: an offset, a shape and strides. Several tensors may share one
//! storage, as the weights of a GRU on a GPU do.
//!
//! # Limits
//!
//! The pickle that names the tensors has at most [`MAX_PICKLE_BYTES`]. A view lies within its
//! storage, has at most [`MAX_DIMENSIONS`] dimensions and no more elements than the storage. The
//! tensors of an encoder together are at most twice as large as the file.

mod archive;
mod legacy;
mod view;

use std::collections::BTreeMap;

use half::{bf16, f16};

use super::pickle::ElementType;
use super::{EncoderState, Tensor, WeightsError};
use view::View;

/// The size limit of a pickle in a PyTorch file, in bytes. A large model's takes tens of kilobytes.
pub const MAX_PICKLE_BYTES: usize = 16 << 20;
/// The largest number of dimensions of a tensor.
pub const MAX_DIMENSIONS: usize = 8;

/// The tensors of a PyTorch file. Values are not copied until [`TorchFile::tensor`] is called.
#[derive(Debug)]
pub struct TorchFile<'a> {
    views: BTreeMap<String, View>,
    storages: BTreeMap<String, &'a [u8]>,
    length: usize,
}

impl<'a> TorchFile<'a> {
    /// Reads the structure of a file, given its bytes.
    ///
    /// # Errors
    ///
    /// Bytes in neither format, a pickle with other contents than named tensors, and views or
    /// storages that exceed the file.
    pub fn read(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        if bytes.starts_with(b"PK\x03\x04") {
            archive::read(bytes)
        } else {
            legacy::read(bytes)
        }
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.views.keys().map(String::as_str)
    }

    /// The tensors' names, sorted, and shapes.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let views = self.views.iter();
        views.map(|(name, view)| (name.as_str(), view.shape.as_slice()))
    }

    /// The shape of the tensor with this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.views.get(name).map(|view| view.shape.as_slice())
    }

    /// The tensor with this name, in row-major order and converted to f32.
    ///
    /// # Errors
    ///
    /// A missing tensor, and one of integers.
    pub fn tensor(&self, name: &str) -> Result<Tensor, WeightsError> {
        let view = self.views.get(name);
        let view = view.ok_or_else(|| WeightsError::MissingTensor {
            name: name.to_owned(),
            expected: "any".to_owned(),
        })?;
        let beyond = || WeightsError::Torch(format!("tensor `{name}` reaches beyond its storage"));
        let bytes = self.storages.get(&view.storage.key).ok_or_else(beyond)?;
        let values = match view.storage.element_type {
            ElementType::F32 => view.gather(bytes, f32::from_le_bytes),
            ElementType::F64 => view.gather(bytes, |x| f64::from_le_bytes(x) as f32),
            ElementType::F16 => view.gather(bytes, |x| f16::from_le_bytes(x).to_f32()),
            ElementType::Bf16 => view.gather(bytes, |x| bf16::from_le_bytes(x).to_f32()),
            other => {
                return Err(WeightsError::ElementType {
                    name: name.to_owned(),
                    expected: "floats",
                    found: format!("{other:?}"),
                });
            }
        };
        let tensor = values.and_then(|values| Tensor::new(view.shape.clone(), values));
        tensor.ok_or_else(beyond)
    }

    /// The encoder in this file, and the names of tensors outside of it: decoders and inference
    /// head, in a training checkpoint.
    ///
    /// # Errors
    ///
    /// As [`EncoderState::new`]; tensors that together are more than twice as large as the file.
    pub fn encoder(&self) -> Result<(EncoderState, Vec<String>), WeightsError> {
        let mut taken = 0usize;
        EncoderState::cut_out(self.names(), |name| {
            let size = self.views.get(name).map_or(0, View::byte_len);
            taken = taken.saturating_add(size);
            if taken > self.length.saturating_mul(2) {
                return Err(WeightsError::Torch(format!(
                    "up to tensor `{name}`, the encoder is more than twice as large as the file"
                )));
            }
            self.tensor(name)
        })
    }
}
