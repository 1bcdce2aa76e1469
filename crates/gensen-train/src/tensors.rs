//! Writes and reads safetensors files one tensor at a time, so that saving a model needs no second
//! copy of it in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use gensen_data::digest::Hashing;
use gensen_data::scratch;
use gensen_model::parameters::NamedTensor;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

/// Name and shape of a tensor to write.
pub(crate) struct Announced {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

/// Writes f32 tensors; `fill` passes their numbers in the announced order. Returns the file's hash
/// and size.
pub(crate) fn write(
    path: &Path,
    announced: Vec<Announced>,
    fill: impl FnOnce(&mut dyn FnMut(&[f32]) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<(String, u64)> {
    let mut end = 0;
    let infos = announced.into_iter().map(|tensor| {
        let start = end;
        end += tensor.shape.iter().product::<usize>() * size_of::<f32>();
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: tensor.shape,
            data_offsets: (start, end),
        };
        (tensor.name, info)
    });
    let metadata = Some(HashMap::from([("format".into(), "pt".into())]));
    let metadata = Metadata::new(metadata, infos.collect()).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = Hashing::new(BufWriter::with_capacity(
        1 << 20,
        scratch::create_part(path)?,
    ));
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let mut bytes = Vec::with_capacity(1 << 16);
    fill(&mut |numbers: &[f32]| {
        for chunk in numbers.chunks(1 << 14) {
            bytes.clear();
            chunk
                .iter()
                .for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
            file.write_all(&bytes)?;
        }
        Ok(())
    })?;
    let (writer, hash, written) = file.finish();
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    if written != (8 + header.len() + end) as u64 {
        return Err(io::Error::other(
            "tensors differ in size from those announced",
        ));
    }
    Ok((hash, written))
}

/// A memory-mapped file of f32 tensors.
pub(crate) struct Mapped(Mmap);

impl Mapped {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: checkpoints are written under a scratch name and renamed; nothing writes to a
        // file that has its final name, and its hash has been checked.
        let map = unsafe { Mmap::map(&file)? };
        SafeTensors::read_metadata(&map).map_err(io::Error::other)?;
        Ok(Self(map))
    }

    /// A tensor by name; `None` if it is absent or not f32.
    pub(crate) fn tensor(&self, name: &str) -> Option<NamedTensor> {
        let tensors = SafeTensors::deserialize(&self.0).ok()?;
        let view = tensors.tensor(name).ok()?;
        if view.dtype() != Dtype::F32 {
            return None;
        }
        let bytes = view.data().as_chunks::<4>().0;
        Some(NamedTensor {
            name: name.into(),
            shape: view.shape().to_vec(),
            data: bytes.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        })
    }
}
