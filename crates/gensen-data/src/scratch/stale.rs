//! Scratch files and folders that dead processes left.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::{live, remove};

/// Removes the scratch files and folders that dead processes left directly in `folder`.
///
/// On systems without file locks (Windows, some network file systems) nothing is removed, since
/// those of running processes cannot be recognised.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn remove_stale(folder: &Path) -> io::Result<()> {
    remove_stale_of(folder, None)
}

/// [`remove_stale`] for the destination `name`, or for all.
pub(super) fn remove_stale_of(folder: &Path, name: Option<&str>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.file_name();
        let of_process = scratch_name(&found).filter(|(of, _)| name.is_none_or(|name| name == *of));
        let Some((_, process)) = of_process else {
            continue;
        };
        let path = entry.path();
        if is_stale(&path, process) {
            let _ = remove(&path);
        }
    }
    Ok(())
}

/// The destination's name and the process id in a scratch name.
fn scratch_name(name: &OsStr) -> Option<(&str, u32)> {
    let name = name.to_str()?.strip_prefix('.')?.strip_suffix(".scratch")?;
    let (name, numbers) = name.rsplit_once('.')?;
    let (process, number) = numbers.split_once('-')?;
    number.parse::<u32>().ok()?;
    Some((name, process.parse().ok()?))
}

/// Whether a scratch file or folder is no longer in use: its process does not run on this machine,
/// and its lock is free.
fn is_stale(path: &Path, process: u32) -> bool {
    if process == std::process::id() {
        // An earlier process may have had the same id, as happens in containers.
        if live().contains(path) {
            return false;
        }
    } else if Path::new("/proc").join(process.to_string()).exists() {
        return false;
    }
    cfg!(unix) && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Locks a scratch file or folder to show that it is in use; `None` if the system cannot.
pub(super) fn lock(path: &Path) -> Option<File> {
    if !cfg!(unix) {
        // Mandatory locks would keep this process from writing, too.
        return None;
    }
    let file = File::open(path).ok()?;
    match file.try_lock() {
        Ok(()) => Some(file),
        // Some file systems have no locks.
        Err(TryLockError::Error(_) | TryLockError::WouldBlock) => None,
    }
}
