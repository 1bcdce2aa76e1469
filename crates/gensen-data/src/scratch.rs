//! Files and folders that are complete or absent.
//!
//! What is written goes to a scratch name beside its place, is synced to the disk and only then
//! renamed, so that neither a crash nor a full disk leaves half of it under its own name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Something under a scratch name, which is removed unless [renamed](Scratch::rename_to).
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new, empty folder beside `place`.
    ///
    /// # Errors
    ///
    /// If the folder around `place` cannot be made or written.
    pub fn folder(place: &Path) -> io::Result<Self> {
        let scratch = Self::beside(place)?;
        fs::create_dir(&scratch.path)?;
        Ok(scratch)
    }

    /// A new, empty file beside `place`.
    ///
    /// # Errors
    ///
    /// If the folder around `place` cannot be made or written.
    pub fn file(place: &Path) -> io::Result<Self> {
        let scratch = Self::beside(place)?;
        File::create_new(&scratch.path)?;
        Ok(scratch)
    }

    fn beside(place: &Path) -> io::Result<Self> {
        let folder = parent(place);
        fs::create_dir_all(folder)?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let process = std::process::id();
        for number in 0..1000 {
            let path = folder.join(format!(".{name}.{process}-{number}.scratch"));
            if fs::symlink_metadata(&path).is_err() {
                return Ok(Self { path });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "too many scratch names are taken",
        ))
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs it and gives it its own name, in place of a file of that name.
    ///
    /// # Errors
    ///
    /// If it cannot be synced or renamed; then it is removed.
    pub fn rename_to(self, place: &Path) -> io::Result<()> {
        sync(&self.path)?;
        fs::rename(&self.path, place)?;
        sync_folder(parent(place))?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: what is left under a scratch name harms nobody.
        let _ = match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&self.path),
            Ok(_) => fs::remove_file(&self.path),
            Err(_) => Ok(()),
        };
    }
}

/// Writes a file, complete or not at all, and syncs the names in its folder.
///
/// ```
/// use std::io::Write;
/// # let folder = tempfile::tempdir()?;
/// # let place = folder.path().join("words.txt");
/// gensen_data::scratch::write_file(&place, |file| writeln!(file, "whole"))?;
/// assert_eq!(std::fs::read_to_string(&place)?, "whole\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If it cannot be written; then whatever was there before is still there.
pub fn write_file(
    place: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let scratch = Scratch::file(place)?;
    let mut file = BufWriter::new(File::options().write(true).open(scratch.path())?);
    fill(&mut file)?;
    file.flush()?;
    scratch.rename_to(place)
}

/// The folder that `place` is in.
fn parent(place: &Path) -> &Path {
    match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes what was renamed in a folder survive a power cut.
///
/// # Errors
///
/// If the system cannot.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    sync(if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    })
}

/// Brings a file or the entries of a folder to the disk.
fn sync(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        // Windows syncs what is open for writing alone, and has no such thing for folders.
        File::options().write(true).open(path)?.sync_all()
    } else if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}
