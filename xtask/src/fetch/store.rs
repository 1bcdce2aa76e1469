//! Where things lie on disk. Everything but finished data is below `DATA/.fetch`:
//!
//! - `downloads/` verified files as the servers sent them; may be deleted at any time,
//! - `partial/` unfinished downloads, which the next call goes on with,
//! - `stage/` what the steps of a set have written so far, under a scratch name,
//! - `done/SET.toml` written last: which files the set consists of,
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
    /// Opens a data folder; made if it is not there. Waits for another call that uses it, and
    /// removes what calls that were killed left unfinished, parts of downloads excepted.
    pub fn open(root: &Path) -> Result<Self> {
        let area = root.join(".fetch");
        fs::create_dir_all(&area).map_err(at(&area))?;
        let path = area.join("lock");
        let lock = scratch::lock_file(&path).map_err(at(&path))?;
        if lock.try_lock().is_err() {
            tell!("waiting for another call that uses {}", root.display());
            lock.lock().map_err(at(&path))?;
        }
        // Nobody else is at work here, so all of it is left over.
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

    /// An empty folder for the steps of a set to write into, removed unless it is
    /// [published](Store::publish).
    pub fn stage(&self, set: &str) -> Result<Scratch> {
        let path = self.root.join(".fetch/stage").join(set);
        Scratch::folder(&path).map_err(at(&path))
    }

    /// The stamp of a set that is complete and made in that way, if it is.
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

    /// Moves what the steps wrote to its place, `tmp/` excepted, and stamps the set.
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

/// Removes what is left under scratch names in a folder and those in it, if it is there.
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

/// Makes the folder a file is to lie in.
pub fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(at(parent)),
        None => Ok(()),
    }
}

/// Writes a small record so that it is there whole or not at all.
pub fn write_toml(path: &Path, record: &impl Serialize) -> Result<()> {
    #[allow(
        clippy::expect_used,
        reason = "records are tables of strings, numbers and lists, which TOML can say"
    )]
    let text = toml::to_string(record).expect("a record is a table");
    scratch::write_file(path, |file| file.write_all(text.as_bytes())).map_err(at(path))
}
