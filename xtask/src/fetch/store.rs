//! Where things lie on disk. Everything but finished data is below `DATA/.fetch`:
//!
//! - `downloads/` verified files as the servers sent them; may be deleted at any time,
//! - `partial/` unfinished downloads, which the next call goes on with,
//! - `stage/SET/` what the steps of a set have written so far,
//! - `done/SET.toml` written last: which files the set consists of,
//! - `sums.txt` the SHA-256 of every download.

use super::error::{Result, at};
use gensen_data::scratch;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The data folder and its scratch area.
pub struct Store {
    root: PathBuf,
    /// Held until the program ends: two calls on one folder take turns.
    _lock: File,
}

/// What a finished set consists of.
#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Stamp {
    /// Hash of how the set is made; another one means it is made anew.
    pub definition: String,
    /// Paths below the data folder, with sizes in bytes.
    pub files: Vec<(String, u64)>,
}

impl Store {
    /// Opens a data folder; made if it is not there. Waits for another call that uses it.
    pub fn open(root: &Path) -> Result<Self> {
        let scratch = root.join(".fetch");
        fs::create_dir_all(&scratch).map_err(at(&scratch))?;
        let path = scratch.join("lock");
        let lock = File::create(&path).map_err(at(&path))?;
        if lock.try_lock().is_err() {
            eprintln!("waiting for another call that uses {}", root.display());
            lock.lock().map_err(at(&path))?;
        }
        Ok(Self {
            root: root.into(),
            _lock: lock,
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn download(&self, name: &str) -> PathBuf {
        self.root.join(".fetch/downloads").join(name)
    }

    pub fn partial(&self, name: &str) -> PathBuf {
        self.root
            .join(".fetch/partial")
            .join(format!("{name}.part"))
    }

    pub fn sums(&self) -> PathBuf {
        self.root.join(".fetch/sums.txt")
    }

    fn stamp_path(&self, set: &str) -> PathBuf {
        self.root.join(".fetch/done").join(format!("{set}.toml"))
    }

    /// An empty folder for the steps of a set to write into.
    pub fn stage(&self, set: &str) -> Result<PathBuf> {
        let path = self.root.join(".fetch/stage").join(set);
        remove_dir(&path)?;
        fs::create_dir_all(&path).map_err(at(&path))?;
        Ok(path)
    }

    /// The stamp of a set that is complete and made in that way, if it is.
    pub fn finished(&self, set: &str, definition: &str) -> Option<Stamp> {
        let text = fs::read_to_string(self.stamp_path(set)).ok()?;
        let stamp: Stamp = toml::from_str(&text).ok()?;
        let whole = stamp.definition == definition
            && stamp.files.iter().all(|(path, size)| {
                fs::metadata(self.root.join(path))
                    .is_ok_and(|file| file.is_file() && file.len() == *size)
            });
        whole.then_some(stamp)
    }

    /// Moves what the steps wrote to its place, `tmp/` excepted, and stamps the set.
    pub fn publish(&self, set: &str, definition: &str) -> Result<Stamp> {
        let stage = self.root.join(".fetch/stage").join(set);
        let mut files = Vec::new();
        list_files(&stage, "", &mut files)?;
        files.retain(|path| !path.starts_with("tmp/"));
        let mut stamp = Stamp {
            definition: definition.to_owned(),
            files: Vec::new(),
        };
        for path in files {
            let (from, to) = (stage.join(&path), self.root.join(&path));
            let file = File::open(&from).map_err(at(&from))?;
            file.sync_all().map_err(at(&from))?;
            let size = file.metadata().map_err(at(&from))?.len();
            create_parent(&to)?;
            fs::rename(&from, &to).map_err(at(&to))?;
            sync_parent(&to);
            stamp.files.push((path, size));
        }
        let text = toml::to_string(&stamp).unwrap_or_default();
        write_whole(&self.stamp_path(set), text.as_bytes())?;
        remove_dir(&stage)?;
        Ok(stamp)
    }
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

fn list_files(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(at(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list_files(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}

/// Makes the folder a file is to lie in.
pub fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(at(parent)),
        None => Ok(()),
    }
}

/// Makes a rename last through a power cut, where the system lets a folder be synced.
pub fn sync_parent(path: &Path) {
    if let Some(folder) = path.parent().and_then(|parent| File::open(parent).ok()) {
        // Not every file system can; the rename itself is atomic all the same.
        let _ = folder.sync_all();
    }
}

/// Writes a small file so that it is there whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    scratch::write_file(path, |file| file.write_all(bytes)).map_err(at(path))
}
