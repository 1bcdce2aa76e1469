//! The zip archive: `NAME/data.pkl` with the tensors, `NAME/data/KEY` with each storage's elements.
//!
//! PyTorch stores its entries without compression, so that they are used where they lie.

use std::collections::BTreeMap;
use std::io::{self, Cursor};

use zip::{CompressionMethod, ZipArchive};

use super::super::WeightsError;
use super::super::pickle::Pickle;
use super::view::{Views, views, wrong};
use super::{MAX_PICKLE_BYTES, TorchFile};

pub(super) fn read(bytes: &[u8]) -> Result<TorchFile<'_>, WeightsError> {
    let mut archive = Archive::open(bytes)?;
    let folder = archive.folder()?;
    if let Some(order) = archive.entry(&format!("{folder}byteorder"))?
        && order != b"little"
    {
        return Err(wrong("it was not written by a little-endian machine"));
    }
    let pickle = archive.entry(&format!("{folder}data.pkl"))?;
    let pickle = pickle.ok_or_else(|| wrong("the archive has no data.pkl"))?;
    if pickle.len() > MAX_PICKLE_BYTES {
        return Err(wrong(format!(
            "data.pkl has {} bytes, expected at most {MAX_PICKLE_BYTES}",
            pickle.len()
        )));
    }
    let Views { views, storages } = views(&Pickle::read(pickle)?)?;

    let mut contents = BTreeMap::new();
    for (key, storage) in storages {
        let elements = archive.entry(&format!("{folder}data/{key}"))?;
        let elements = elements.ok_or_else(|| wrong(format!("storage `{key}` is missing")))?;
        if storage.length.checked_mul(storage.element_type.size()) != Some(elements.len()) {
            return Err(wrong(format!(
                "storage `{key}` has {} bytes, expected {} elements of {} bytes",
                elements.len(),
                storage.length,
                storage.element_type.size()
            )));
        }
        contents.insert(key, elements);
    }
    Ok(TorchFile {
        views,
        storages: contents,
        length: bytes.len(),
    })
}

/// A zip archive in memory.
struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes read so far: entries that overlap would add up to more than the file.
    read: usize,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| wrong(format!("not a zip archive: {error}")))?;
        Ok(Self {
            bytes,
            zip,
            read: 0,
        })
    }

    /// What stands in front of `data.pkl`.
    fn folder(&self) -> Result<String, WeightsError> {
        let mut folders = self.zip.file_names().filter_map(|name| {
            let folder = name.strip_suffix("data.pkl")?;
            (folder.is_empty() || folder.ends_with('/')).then(|| folder.to_owned())
        });
        match (folders.next(), folders.next()) {
            (Some(folder), None) => Ok(folder),
            (None, _) => Err(wrong("the archive has no data.pkl")),
            (Some(_), Some(_)) => Err(wrong("the archive has more than one data.pkl")),
        }
    }

    /// An entry's bytes, checked against its checksum; `None` if there is no such entry.
    fn entry(&mut self, name: &str) -> Result<Option<&'a [u8]>, WeightsError> {
        let wrong = |what: String| wrong(format!("archive entry `{name}`: {what}"));
        let Some(index) = self.zip.index_for_name(name) else {
            return Ok(None);
        };
        let mut entry = self
            .zip
            .by_index(index)
            .map_err(|error| wrong(error.to_string()))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(wrong("compressed, which PyTorch never does".to_owned()));
        }
        let length = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        let bytes = entry
            .data_start()
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| self.bytes.get(start..start.checked_add(length)?))
            .ok_or_else(|| wrong("reaches beyond the file".to_owned()))?;
        self.read = self.read.saturating_add(length);
        if self.read > self.bytes.len() {
            return Err(wrong("entries overlap".to_owned()));
        }
        io::copy(&mut entry, &mut io::sink()).map_err(|error| wrong(error.to_string()))?;
        Ok(Some(bytes))
    }
}
