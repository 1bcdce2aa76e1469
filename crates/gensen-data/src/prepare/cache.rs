//! The cache: a folder for each key, written completely or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{DataError, chain};
use crate::report::DataReport;
use crate::scratch::{Scratch, lock_file, publish, remove_stale, sync_folder, write_file};
use crate::spec::TaskKind;

/// The format's version, incremented with every change to a cache folder's contents or meaning.
pub(super) const FORMAT: u32 = 1;

const MANIFEST: &str = "manifest.json";

/// The size limit of a manifest in bytes.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// The contents of a complete cache folder. It is written last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CacheManifest {
    pub(super) format: u32,
    pub(super) key: String,
    pub(super) tasks: Vec<TaskEntry>,
    pub(super) report: DataReport,
    /// The size of every other file, by its path in the folder.
    pub(super) files: BTreeMap<String, u64>,
}

/// A task in a manifest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskEntry {
    pub(super) name: String,
    pub(super) kind: TaskKind,
    /// The number of examples of each split the task has.
    pub(super) splits: BTreeMap<String, u64>,
    /// A classification task's labels, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<String>,
}

/// The folder of a key and its manifest; `None` if it does not exist or is damaged.
pub(super) fn find(cache: &Path, key: &str) -> Option<(PathBuf, CacheManifest)> {
    let folder = cache.join(key);
    match read_manifest(&folder, key) {
        Ok(manifest) => manifest.map(|manifest| (folder, manifest)),
        Err(error) => {
            tracing::warn!("{}; the data is prepared again", chain(&error));
            None
        }
    }
}

fn read_manifest(folder: &Path, key: &str) -> Result<Option<CacheManifest>, DataError> {
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
    let manifest: CacheManifest =
        serde_json::from_slice(&text).map_err(|error| DataError::io(&path)(error.into()))?;
    if (manifest.format, manifest.key.as_str()) != (FORMAT, key) {
        return Err(damaged("its manifest belongs to another folder".into()));
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

/// The scratch folder of a preparation in the cache; deleted with this value.
pub(super) struct Workshop(Scratch);

/// The file that a process locks while it moves a finished folder to its final name.
const GATE: &str = ".lock";

impl Workshop {
    /// Creates the scratch folder for `key`, after removing those of killed processes.
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

    /// The folder for temporary files.
    pub(super) fn work(&self) -> PathBuf {
        self.0.path().join("work")
    }

    /// The folder that becomes the finished one.
    pub(super) fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Syncs the files, writes the manifest and moves the folder to its final name. If another
    /// process has finished the same folder meanwhile, that one is returned.
    pub(super) fn finish(
        self,
        cache: &Path,
        mut manifest: CacheManifest,
    ) -> Result<(PathBuf, CacheManifest), DataError> {
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
        // This replaces a damaged folder, for which `find` returns `None`.
        publish(&out, &folder).map_err(DataError::io(&folder))?;
        Ok((folder, manifest))
    }
}

/// Locks the cache against other processes that finish a folder, for the lifetime of the value.
/// `None` if the file system has no locks; then, of two processes that finish at once, one fails.
fn gate(cache: &Path) -> Result<Option<File>, DataError> {
    let path = cache.join(GATE);
    let file = lock_file(&path).map_err(DataError::io(&path))?;
    match file.lock() {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(DataError::io(&path)(error)),
    }
}

/// Syncs every file of a folder and adds its size to `sizes`.
fn sync_files(
    folder: &Path,
    prefix: &str,
    sizes: &mut BTreeMap<String, u64>,
) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = format!("{prefix}{}", name.to_string_lossy());
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
