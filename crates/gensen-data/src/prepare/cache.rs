//! The cache folder: what prepared data is named by, and how it becomes complete or absent.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{DataError, chain};
use crate::report::Report;
use crate::scratch::{Scratch, lock_file, publish, remove_stale, sync_folder, write_file};
use crate::spec::TaskKind;

/// Raised whenever the meaning of a cache folder changes.
pub(super) const FORMAT: u32 = 1;

const MANIFEST: &str = "manifest.json";

/// The largest manifest that is read, in bytes.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// What a complete cache folder holds; written last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) key: String,
    pub(super) tasks: Vec<TaskEntry>,
    pub(super) report: Report,
    /// The size of every other file, by its path in the folder.
    pub(super) files: BTreeMap<String, u64>,
}

/// One task in a manifest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskEntry {
    pub(super) name: String,
    pub(super) kind: TaskKind,
    /// Examples of each split that there is.
    pub(super) splits: BTreeMap<String, u64>,
    /// A classification task's labels, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<String>,
}

/// Opens the finished folder of a key: `None` if there is none, or if it is not complete.
pub(super) fn find(cache: &Path, key: &str) -> Option<(PathBuf, Manifest)> {
    let folder = cache.join(key);
    match read_manifest(&folder, key) {
        Ok(manifest) => manifest.map(|manifest| (folder, manifest)),
        Err(error) => {
            tracing::warn!("{}; it is prepared anew", chain(&error));
            None
        }
    }
}

fn read_manifest(folder: &Path, key: &str) -> Result<Option<Manifest>, DataError> {
    let path = folder.join(MANIFEST);
    if !folder.exists() {
        return Ok(None);
    }
    let damaged = |problem: String| DataError::Damaged {
        path: folder.display().to_string(),
        problem,
    };
    let size = fs::metadata(&path).map_err(DataError::io(&path))?.len();
    if size > MAX_MANIFEST_BYTES {
        return Err(damaged(format!("its manifest has {size} bytes")));
    }
    let text = fs::read(&path).map_err(DataError::io(&path))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if (manifest.format, manifest.key.as_str()) != (FORMAT, key) {
        return Err(damaged("its manifest is another folder's".into()));
    }
    for (name, size) in &manifest.files {
        let path = folder.join(name);
        let found = fs::metadata(&path).map_err(DataError::io(&path))?.len();
        if found != *size {
            return Err(damaged(format!(
                "`{name}` has {found} bytes, expected {size}"
            )));
        }
    }
    Ok(Some(manifest))
}

/// A folder in the cache where preparation works; gone with this value unless it is finished.
pub(super) struct Workshop(Scratch);

/// Locked by the process that gives a folder its name.
const GATE: &str = ".lock";

impl Workshop {
    /// For the folder of `key`. What killed processes left in the cache is removed.
    pub(super) fn open(cache: &Path, key: &str) -> Result<Self, DataError> {
        fs::create_dir_all(cache).map_err(DataError::io(cache))?;
        remove_stale(cache).map_err(DataError::io(cache))?;
        let folder = Scratch::folder(&cache.join(key)).map_err(DataError::io(cache))?;
        for name in ["work", "out"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).map_err(DataError::io(&path))?;
        }
        Ok(Self(folder))
    }

    /// For files that are gone when preparation ends.
    pub(super) fn work(&self) -> PathBuf {
        self.0.path().join("work")
    }

    /// For what becomes the finished folder.
    pub(super) fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Syncs what was written, writes the manifest last, and gives the folder its name. If another
    /// process was faster, its folder stays and this one's work is dropped.
    pub(super) fn finish(
        self,
        cache: &Path,
        mut manifest: Manifest,
    ) -> Result<(PathBuf, Manifest), DataError> {
        let out = self.out();
        sync_files(&out, "", &mut manifest.files)?;
        let path = out.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest).map_err(std::io::Error::other);
        let written = text.and_then(|text| write_file(&path, |file| file.write_all(&text)));
        written.map_err(DataError::io(&path))?;

        let _gate = gate(cache)?;
        if let Some(found) = find(cache, &manifest.key) {
            return Ok(found);
        }
        let folder = cache.join(&manifest.key);
        // In place of one that is not complete, as `find` says.
        publish(&out, &folder).map_err(DataError::io(&folder))?;
        Ok((folder, manifest))
    }
}

/// Waits until no other process gives a folder its name; others wait as long as the value lasts.
/// `None` where the file system has no locks: then the process that is second fails.
fn gate(cache: &Path) -> Result<Option<File>, DataError> {
    let path = cache.join(GATE);
    let file = lock_file(&path).map_err(DataError::io(&path))?;
    match file.lock() {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(DataError::io(&path)(error)),
    }
}

/// Syncs every file of a folder and notes its size.
fn sync_files(
    folder: &Path,
    prefix: &str,
    sizes: &mut BTreeMap<String, u64>,
) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        let name = format!(
            "{prefix}{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        );
        if path.is_dir() {
            sync_files(&path, &format!("{name}/"), sizes)?;
            sync_folder(&path).map_err(DataError::io(&path))?;
        } else {
            let file = File::open(&path).map_err(DataError::io(&path))?;
            file.sync_all().map_err(DataError::io(&path))?;
            sizes.insert(name, file.metadata().map_err(DataError::io(&path))?.len());
        }
    }
    Ok(())
}
