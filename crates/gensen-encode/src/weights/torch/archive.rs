//! The zip format: `NAME/data.pkl` describes the tensors, `NAME/data/KEY` holds a storage's
//! elements.
//!
//! PyTorch does not compress entries, so they are used in place.

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
        return Err(wrong("its byte order is not little-endian"));
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
    /// The bytes of all entries read so far; more than the file has if entries overlap.
    read: usize,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| damaged("not a zip archive".to_owned(), error))?;
        Ok(Self {
            bytes,
            zip,
            read: 0,
        })
    }

    /// The folder of `data.pkl`, with the slash at its end.
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
            .map_err(|error| damaged(format!("archive entry `{name}`"), error))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(wrong(
                "it is compressed, which PyTorch never does".to_owned(),
            ));
        }
        let length = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        let bytes = entry
            .data_start()
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| self.bytes.get(start..start.checked_add(length)?))
            .ok_or_else(|| wrong("it reaches beyond the file".to_owned()))?;
        self.read = self.read.saturating_add(length);
        if self.read > self.bytes.len() {
            return Err(wrong("it overlaps another entry".to_owned()));
        }
        // Reads the entry once more to compare its checksum.
        io::copy(&mut entry, &mut io::sink())
            .map_err(|error| damaged(format!("archive entry `{name}`"), error))?;
        Ok(Some(bytes))
    }
}

fn damaged(part: String, error: impl std::error::Error + Send + Sync + 'static) -> WeightsError {
    WeightsError::Archive {
        part,
        source: Box::new(error),
    }
}
