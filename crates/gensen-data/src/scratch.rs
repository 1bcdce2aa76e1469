//! Files and folders that are complete or absent.
//!
//! What is written goes to a scratch name beside its place, is synced to the disk and only then
//! renamed, so that neither a crash nor a full disk leaves half of it under its own name. A program
//! that is interrupted calls [`remove_all`]; what one leaves that was killed is removed when the
//! same place is next written, or by [`remove_stale`].
//!
//! Only regular files are replaced, and keep their mode. A symbolic link is followed, and what it
//! leads to is replaced. Devices, pipes and sockets, and what a program's descriptors
//! (`/dev/stdout`) lead to, are written through: the scratch file is in the folder for temporary
//! files, and is copied in the end.

#![allow(
    clippy::disallowed_methods,
    reason = "the one place that creates and renames files"
)]

mod place;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use place::Place;
pub use place::stream;

/// Bytes of a place's name that its scratch name repeats: with what is put around them they fit the
/// 255 bytes that file systems allow.
const NAME_BYTES: usize = 200;

/// The scratch files and folders of this process.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // Insertions and removals are whole, whatever panicked beside them.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something under a scratch name, which is removed unless [renamed](Scratch::rename_to).
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Where its bytes go if its place is written through.
    through: Option<File>,
    /// Held to show other processes that this one still writes it.
    _lock: Option<File>,
}

impl Scratch {
    /// A new, empty folder beside `place`.
    ///
    /// # Errors
    ///
    /// If the folder around `place` cannot be made or written.
    pub fn folder(place: &Path) -> io::Result<Self> {
        Self::beside(place, |path| fs::create_dir(path))
    }

    /// A new, empty file beside `place`, or beside what that leads to.
    ///
    /// # Errors
    ///
    /// If the folder around `place` cannot be made or written; for a pipe that nobody reads.
    pub fn file(place: &Path) -> io::Result<Self> {
        let create = |path: &Path| File::create_new(path).map(drop);
        match Place::of(place)? {
            Place::File(target) => Self::beside(&target, create),
            Place::Stream => {
                let through = place::open_stream(place)?;
                let name = place.file_name().unwrap_or_default();
                let mut scratch = Self::beside(&std::env::temp_dir().join(name), create)?;
                scratch.through = Some(through);
                Ok(scratch)
            }
        }
    }

    fn beside(place: &Path, create: impl Fn(&Path) -> io::Result<()>) -> io::Result<Self> {
        let folder = parent(place);
        fs::create_dir_all(folder)?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let name = &name[..name.floor_char_boundary(NAME_BYTES)];
        // What cannot be removed harms nobody.
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

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs it and gives it its own name, in place of a file or folder of that name.
    ///
    /// # Errors
    ///
    /// If it cannot be synced or renamed; then it is removed.
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

/// Where what is at `target` steps aside for `finished`, if that cannot be renamed over it: a
/// folder cannot where there is a folder with files.
fn aside(finished: &Path, target: &Path) -> io::Result<Option<Scratch>> {
    let folders = finished.is_dir() && target.is_dir();
    folders.then(|| Scratch::folder(target)).transpose()
}

/// Renames `finished` to `target`. What is there is removed with `aside`.
fn replace(finished: &Path, target: &Path, aside: Option<&Scratch>) -> io::Result<()> {
    let Some(aside) = aside else {
        return fs::rename(finished, target);
    };
    let old = aside.path().join("old");
    fs::rename(target, &old)?;
    fs::rename(finished, target).inspect_err(|_| drop(fs::rename(&old, target)))
}

/// Removes a folder. It is renamed first: one that lost only some of its files is not left under
/// its name.
///
/// # Errors
///
/// If it cannot be renamed, or what was renamed cannot be removed.
pub fn remove_folder(place: &Path) -> io::Result<()> {
    let aside = Scratch::folder(place)?;
    let old = aside.path().join("old");
    fs::rename(place, &old)?;
    fs::remove_dir_all(&old)
}

/// Creates a file that is part of something under a scratch name, and complete or absent with it.
///
/// # Errors
///
/// If it cannot be created.
pub fn create_part(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Opens a file that holds nothing, and is there to be [locked](File::lock). It stays: a lock on a
/// file that others may remove keeps nobody out.
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
        // It is no longer there if it was renamed.
        if live.remove(&self.path) {
            // Best effort: what is left under a scratch name harms nobody.
            let _ = remove(&self.path);
        }
    }
}

/// Removes what this process has under scratch names. From then on it can neither make nor rename
/// anything of that kind: a thread that tries to waits for the end. Call it from a thread that
/// handles a signal, and exit.
pub fn remove_all() {
    let live = live();
    for path in &*live {
        // Another thread may be writing to a folder while it is removed.
        let _ = (0..10).find(|_| remove(path).is_ok());
    }
    std::mem::forget(live);
}

/// Removes from a folder, but not from those in it, what dead processes left under scratch names.
///
/// Where files cannot be locked (Windows, some network file systems), nothing is removed, since
/// nothing tells the living from the dead.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn remove_stale(folder: &Path) -> io::Result<()> {
    remove_stale_of(folder, None)
}

/// [`remove_stale`], of one place or of all.
fn remove_stale_of(folder: &Path, name: Option<&str>) -> io::Result<()> {
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

/// The place's name and the process in a scratch name.
fn scratch_name(name: &OsStr) -> Option<(&str, u32)> {
    let name = name.to_str()?.strip_prefix('.')?.strip_suffix(".scratch")?;
    let (name, numbers) = name.rsplit_once('.')?;
    let (process, number) = numbers.split_once('-')?;
    number.parse::<u32>().ok()?;
    Some((name, process.parse().ok()?))
}

/// Whether nobody writes it any more: its process is not one that runs here, and its lock is free.
fn is_stale(path: &Path, process: u32) -> bool {
    if process == std::process::id() {
        // Of this process, or of an earlier one with the same number, as in containers.
        if live().contains(path) {
            return false;
        }
    } else if Path::new("/proc").join(process.to_string()).exists() {
        return false;
    }
    cfg!(unix) && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Marks a scratch file or folder as being written.
fn lock(path: &Path) -> Option<File> {
    if !cfg!(unix) {
        // Where locks keep others from writing, they would keep this process from it too.
        return None;
    }
    let file = File::open(path).ok()?;
    match file.try_lock() {
        Ok(()) => Some(file),
        // Not on every file system.
        Err(TryLockError::Error(_) | TryLockError::WouldBlock) => None,
    }
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

/// Whether a file could be written at this place now.
///
/// # Errors
///
/// As [`Scratch::file`]; a pipe's reader is not asked for.
pub fn check(place: &Path) -> io::Result<()> {
    match Place::of(place)? {
        Place::File(_) => Scratch::file(place).map(drop),
        Place::Stream => Ok(()),
    }
}

/// Moves a finished file or folder to its place: synced, renamed, and the names in the folder synced.
/// Places are as those of [`Scratch`]; where a link leads to another file system, the file is copied.
///
/// # Errors
///
/// If it cannot be synced or renamed; then it stays where it is.
pub fn publish(finished: &Path, place: &Path) -> io::Result<()> {
    let copy = || {
        write_file(place, |file| {
            io::copy(&mut File::open(finished)?, file).map(drop)
        })?;
        fs::remove_file(finished)
    };
    fs::create_dir_all(parent(place))?;
    if finished.is_file() && matches!(Place::of(place)?, Place::Stream) {
        return copy();
    }
    let target = prepare(finished, place)?;
    let aside = aside(finished, &target)?;
    match replace(finished, &target, aside.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices && finished.is_file() => copy(),
        renamed => renamed.and_then(|()| sync_folder(parent(&target))),
    }
}

/// Syncs what is finished, gives a file the mode of the one that it replaces, and says what to
/// rename it to.
fn prepare(finished: &Path, place: &Path) -> io::Result<PathBuf> {
    sync(finished)?;
    if finished.is_dir() {
        return Ok(place.to_owned());
    }
    match Place::of(place)? {
        Place::File(target) => {
            place::keep_mode(finished, &target)?;
            Ok(target)
        }
        Place::Stream => Err(io::Error::other(
            "no regular file any more, and not replaced",
        )),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A process that is no longer there.
    fn dead() -> u32 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .arg("--list")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[cfg(unix)]
    #[test]
    fn what_a_dead_process_left_is_removed_when_its_place_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (dead, own) = (dead(), std::process::id());
        let left = |name: &str| fs::write(folder.path().join(name), "half").unwrap();
        left(&format!(".a.{dead}-0.scratch"));
        left(&format!(".a.{own}-7.scratch"));
        left(&format!(".b.{dead}-0.scratch"));
        left(&format!(".a.{dead}-x.scratch"));
        left(".a.scratch");
        fs::create_dir(folder.path().join(format!(".a.{dead}-1.scratch"))).unwrap();
        fs::write(folder.path().join(format!(".a.{dead}-1.scratch/file")), "").unwrap();
        let other = Scratch::file(&folder.path().join("a")).unwrap();
        write_file(&folder.path().join("a"), |file| file.write_all(b"whole")).unwrap();
        let other_name = other.path().file_name().unwrap().to_str().unwrap();
        let mut expected = vec![
            format!(".a.{dead}-x.scratch"),
            ".a.scratch".into(),
            format!(".b.{dead}-0.scratch"),
            other_name.into(),
            "a".into(),
        ];
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        remove_stale(folder.path()).unwrap();
        expected.retain(|name| !name.starts_with(".b"));
        assert_eq!(names(folder.path()), expected);
        drop(other);
        expected.retain(|name| !name.contains(&format!(".{own}-")));
        assert_eq!(names(folder.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn what_another_process_still_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        // In a container whose numbers mean nothing here: the lock alone shows that it lives.
        let path = folder.path().join(format!(".a.{}-0.scratch", dead()));
        fs::create_dir(&path).unwrap();
        let held = lock(&path).unwrap();
        drop(Scratch::folder(&folder.path().join("a")).unwrap());
        assert!(path.exists());
        drop(held);
        drop(Scratch::folder(&folder.path().join("a")).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn names_as_long_as_the_system_allows_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x".repeat(255), "é".repeat(127)] {
            let place = folder.path().join(name);
            let (one, two) = (
                Scratch::file(&place).unwrap(),
                Scratch::file(&place).unwrap(),
            );
            assert_ne!(one.path(), two.path());
            one.rename_to(&place).unwrap();
        }
        assert_eq!(names(folder.path()).len(), 2);
    }
}
