//! Layout on disk. Everything except finished data is below `DATA/.fetch`:
//!
//! - `downloads/` verified files as the servers sent them; may be deleted at any time,
//! - `partial/` unfinished downloads, which the next call resumes,
//! - `stage/` outputs of a set's steps, under a scratch name,
//! - `done/SET.toml` the files of a complete set, written last,
//! - `sums.txt` the SHA-256 of every download.

use super::error::{Result, at};
use gensen_data::output::tell;
use gensen_data::scratch::{self, Scratch};
use gensen_data::{files, text};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The data folder and its scratch area.
pub struct Store {
    root: PathBuf,
    /// A lock held until the program ends: two calls on one folder take turns.
    _lock: File,
}

/// The contents of a complete set.
#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Stamp {
    /// Hash of the set's definition; a different one means that it is rebuilt.
    pub definition: String,
    /// Paths below the data folder, with sizes in bytes.
    pub files: Vec<(String, u64)>,
}

impl Store {
    /// Opens a data folder, creating it if necessary. Waits for another call that uses it, and removes what killed calls left
    /// unfinished, except partial downloads.
    pub fn open(root: &Path) -> Result<Self> {
        let area = root.join(".fetch");
        fs::create_dir_all(&area).map_err(at(&area))?;
        let path = area.join("lock");
        let lock = scratch::lock_file(&path).map_err(at(&path))?;
        if lock.try_lock().is_err() {
            tell!("waiting for another call that uses {}", root.display());
            lock.lock().map_err(at(&path))?;
        }
        // No other call is running, so everything there is left over.
        remove_dir(&area.join("stage"))?;
        for folder in ["done", "partial"] {
            remove_stale(&area.join(folder))?;
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

    /// An empty folder for the outputs of a set's steps, removed unless [published](Store::publish).
    pub fn stage(&self, set: &str) -> Result<Scratch> {
        let path = self.root.join(".fetch/stage").join(set);
        Scratch::folder(&path).map_err(at(&path))
    }

    /// The stamp of a set, if it is complete and has this definition.
    pub fn finished(&self, set: &str, definition: &str) -> Option<Stamp> {
        let text = text::read(self.stamp_path(set)).ok()?;
        let stamp: Stamp = toml::from_str(&text).ok()?;
        let whole = stamp.definition == definition
            && stamp.files.iter().all(|(path, size)| {
                fs::metadata(self.root.join(path))
                    .is_ok_and(|file| file.is_file() && file.len() == *size)
            });
        whole.then_some(stamp)
    }

    /// Moves the outputs of the steps to the data folder, except `tmp/`, and stamps the set.
    pub fn publish(&self, stage: Scratch, set: &str, definition: &str) -> Result<Stamp> {
        let files = files::below(stage.path(), |path| !path.starts_with("tmp/"))?;
        let mut stamp = Stamp {
            definition: definition.to_owned(),
            files: Vec::new(),
        };
        for (path, from) in files {
            let to = self.root.join(&path);
            let size = fs::metadata(&from).map_err(at(&from))?.len();
            scratch::publish(&from, &to).map_err(at(&to))?;
            stamp.files.push((path, size));
        }
        write_toml(&self.stamp_path(set), &stamp)?;
        Ok(stamp)
    }
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Removes scratch files in a folder and its subfolders, if it exists.
fn remove_stale(folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    scratch::remove_stale(folder).map_err(at(folder))?;
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        if entry.file_type().map_err(at(folder))?.is_dir() {
            remove_stale(&entry.path())?;
        }
    }
    Ok(())
}

/// Creates a file's folder.
pub fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(at(parent)),
        None => Ok(()),
    }
}

/// Writes a small record, complete or not at all.
pub fn write_toml(path: &Path, record: &impl Serialize) -> Result<()> {
    #[allow(
        clippy::expect_used,
        reason = "records are tables of strings, numbers and lists, which TOML can say"
    )]
    let text = toml::to_string(record).expect("a record is a table");
    scratch::write_file(path, |file| file.write_all(text.as_bytes())).map_err(at(path))
}
