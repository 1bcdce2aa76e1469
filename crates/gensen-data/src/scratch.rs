//! Atomic writing of files and folders: they are complete or absent.
//!
//! Data is written under a scratch name next to the destination (its *place*), synced to disk, and
//! then renamed. So neither a crash nor a full disk leaves incomplete data at the destination. An
//! interrupted program calls [`remove_all`]; scratch files of a killed program are removed when the
//! same destination is written again, or by [`remove_stale`].
//!
//! A regular file at the destination is replaced, and its mode kept. A symbolic link is followed,
//! and its target replaced. Devices, pipes, sockets and open descriptors (`/dev/stdout`) are
//! written to directly: the scratch file is in the folder for temporary files, and its contents are
//! copied at the end.

#![allow(
    clippy::disallowed_methods,
    reason = "the one place that creates and renames files"
)]

mod destination;
mod stale;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use destination::Destination;
pub use destination::stream;
pub use stale::remove_stale;
use stale::{lock, remove_stale_of};

/// The bytes of a destination's name that its scratch name repeats, so that the whole scratch name
/// is within the 255 bytes that file systems allow.
const NAME_BYTES: usize = 200;

/// The scratch files and folders of this process.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A panic elsewhere cannot leave the set half changed: each change is one insertion or removal.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file or folder under a scratch name. It is removed when dropped, unless it was
/// [renamed](Scratch::rename_to).
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// The device, pipe or descriptor that its bytes are copied to, if the destination is one.
    through: Option<File>,
    /// A lock that shows other processes that the scratch file is in use.
    _lock: Option<File>,
}

impl Scratch {
    /// Creates an empty folder next to `place`.
    ///
    /// # Errors
    ///
    /// If the parent folder of `place` cannot be created or written.
    pub fn folder(place: &Path) -> io::Result<Self> {
        Self::beside(place, |path| fs::create_dir(path))
    }

    /// Creates an empty file next to `place`, or next to its target if it is a symbolic link.
    ///
    /// # Errors
    ///
    /// If the parent folder cannot be created or written; if `place` is a pipe without a reader.
    pub fn file(place: &Path) -> io::Result<Self> {
        let create = |path: &Path| File::create_new(path).map(drop);
        match Destination::of(place)? {
            Destination::File(target) => Self::beside(&target, create),
            Destination::Stream => {
                let through = destination::open_stream(place)?;
                let temporary = std::env::temp_dir().join(file_name(place)?);
                let mut scratch = Self::beside(&temporary, create)?;
                scratch.through = Some(through);
                Ok(scratch)
            }
        }
    }

    fn beside(place: &Path, create: impl Fn(&Path) -> io::Result<()>) -> io::Result<Self> {
        let folder = parent(place);
        fs::create_dir_all(folder)?;
        let name = file_name(place)?.to_string_lossy();
        let name = &name[..name.floor_char_boundary(NAME_BYTES)];
        // Best effort: a stale scratch file that stays does no harm.
        let _ = remove_stale_of(folder, Some(name));
        let process = std::process::id();
        let mut live = live();
        for number in 0..1000 {
            let path = folder.join(format!(".{name}.{process}-{number}.scratch"));
            match create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    live.insert(path.clone());
                    let _lock = lock(&path);
                    return Ok(Self {
                        path,
                        through: None,
                        _lock,
                    });
                }
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "too many scratch names are taken",
        ))
    }

    /// Its path while it is a scratch file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs it and renames it to `place`, replacing a file or folder there.
    ///
    /// # Errors
    ///
    /// If it cannot be synced or renamed; it is then removed.
    pub fn rename_to(mut self, place: &Path) -> io::Result<()> {
        if let Some(through) = &mut self.through {
            io::copy(&mut File::open(&self.path)?, through)?;
            return through.flush();
        }
        let target = prepare(&self.path, place)?;
        let aside = aside(&self.path, &target)?;
        let mut live = live();
        replace(&self.path, &target, aside.as_ref())?;
        live.remove(&self.path);
        drop(live);
        sync_folder(parent(&target))
    }
}

/// A scratch folder for the folder at `target`, if `finished` is a folder too: one folder cannot be
/// renamed over another that is not empty.
fn aside(finished: &Path, target: &Path) -> io::Result<Option<Scratch>> {
    let folders = finished.is_dir() && target.is_dir();
    folders.then(|| Scratch::folder(target)).transpose()
}

/// Renames `finished` to `target`. A folder at `target` is first moved to `aside`, to be deleted
/// with it.
fn replace(finished: &Path, target: &Path, aside: Option<&Scratch>) -> io::Result<()> {
    let Some(aside) = aside else {
        return fs::rename(finished, target);
    };
    let old = aside.path().join("old");
    fs::rename(target, &old)?;
    fs::rename(finished, target).inspect_err(|_| drop(fs::rename(&old, target)))
}

/// Removes a folder. It is renamed first, so that an interruption does not leave an incomplete
/// folder under its name.
///
/// # Errors
///
/// If it cannot be renamed, or its contents cannot be removed.
pub fn remove_folder(place: &Path) -> io::Result<()> {
    let aside = Scratch::folder(place)?;
    let old = aside.path().join("old");
    fs::rename(place, &old)?;
    fs::remove_dir_all(&old)
}

/// Creates a file inside a scratch folder, with which it becomes complete or is removed.
///
/// # Errors
///
/// If it cannot be created.
pub fn create_part(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Opens or creates an empty file to be [locked](File::lock). It must never be removed: a process
/// could otherwise lock the removed file while another locks its successor.
///
/// # Errors
///
/// If it cannot be created or opened.
pub fn lock_file(path: &Path) -> io::Result<File> {
    File::create(path)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut live = live();
        // It is not in the set if it was renamed.
        if live.remove(&self.path) {
            // Best effort: a stale scratch file that stays does no harm.
            let _ = remove(&self.path);
        }
    }
}

/// Removes all scratch files and folders of this process. Afterwards any thread that creates or
/// renames one blocks for ever. Call it from a thread that handles a signal, then exit.
pub fn remove_all() {
    let live = live();
    for path in &*live {
        // Retried, since another thread may be adding files to a folder while it is removed.
        let _ = (0..10).find(|_| remove(path).is_ok());
    }
    std::mem::forget(live);
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Writes a file atomically: `fill` writes its contents, which are then synced and renamed to
/// `place`.
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
/// If it cannot be written; a file that was at `place` before is then unchanged.
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

/// Checks that a file can be written at `place`.
///
/// # Errors
///
/// As [`Scratch::file`], except that a pipe need not have a reader.
pub fn check(place: &Path) -> io::Result<()> {
    match Destination::of(place)? {
        Destination::File(_) => Scratch::file(place).map(drop),
        Destination::Stream => Ok(()),
    }
}

/// Syncs a finished file or folder and moves it to `place`, replacing a file or folder there. The
/// destination is treated as in the [module's description](self). If a symbolic link leads to
/// another file system, the file is copied.
///
/// # Errors
///
/// If it cannot be synced or renamed; `finished` then stays as it is.
pub fn publish(finished: &Path, place: &Path) -> io::Result<()> {
    let copy = || {
        write_file(place, |file| {
            io::copy(&mut File::open(finished)?, file).map(drop)
        })?;
        fs::remove_file(finished)
    };
    fs::create_dir_all(parent(place))?;
    if finished.is_file() && matches!(Destination::of(place)?, Destination::Stream) {
        return copy();
    }
    let target = prepare(finished, place)?;
    let aside = aside(finished, &target)?;
    match replace(finished, &target, aside.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices && finished.is_file() => copy(),
        renamed => renamed.and_then(|()| sync_folder(parent(&target))),
    }
}

/// Syncs a finished file or folder, gives a file the mode of the one it replaces, and returns the
/// path to rename it to.
fn prepare(finished: &Path, place: &Path) -> io::Result<PathBuf> {
    sync(finished)?;
    if finished.is_dir() {
        return Ok(place.to_owned());
    }
    match Destination::of(place)? {
        Destination::File(target) => {
            destination::keep_mode(finished, &target)?;
            Ok(target)
        }
        Destination::Stream => Err(io::Error::other(
            "was replaced by a device, pipe or descriptor meanwhile; not overwritten",
        )),
    }
}

/// The name in the last component of a path.
///
/// # Errors
///
/// If there is none: the path is empty, a root, or ends in `..`.
fn file_name(place: &Path) -> io::Result<&OsStr> {
    let problem = "a path without a file name";
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, problem);
    place.file_name().ok_or_else(no_name)
}

/// The folder that contains `place`.
fn parent(place: &Path) -> &Path {
    match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Syncs the entries of a folder to disk, so that renames in it survive a power failure.
///
/// # Errors
///
/// Those of the system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    sync(if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    })
}

/// Syncs a file, or the entries of a folder, to disk.
fn sync(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        // Windows syncs only files opened for writing, and cannot sync folders.
        File::options().write(true).open(path)?.sync_all()
    } else if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
