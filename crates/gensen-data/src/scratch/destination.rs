//! Resolving the path of a destination.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The limit on consecutive symbolic links, as on Linux.
const MAX_LINKS: usize = 40;

/// The kind of a destination.
pub(super) enum Destination {
    /// A regular file, a folder, or nothing yet. The path with symbolic links in its last component
    /// resolved.
    File(PathBuf),
    /// A device, pipe, socket or open descriptor, which is written to directly.
    Stream,
}

impl Destination {
    /// Resolves `path`.
    ///
    /// # Errors
    ///
    /// If symbolic links form a cycle; those of the system.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut target = path.to_owned();
        for _ in 0..MAX_LINKS {
            let metadata = match fs::symlink_metadata(&target) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Self::File(target));
                }
                Err(error) => return Err(error),
            };
            if !metadata.is_symlink() {
                let regular = metadata.is_file() || metadata.is_dir();
                return Ok(match regular {
                    true => Self::File(target),
                    false => Self::Stream,
                });
            }
            let folder = super::parent(&target);
            // /dev/stdout and /dev/fd/3 lead there: other processes may write to the same open
            // file.
            if fs::canonicalize(folder)?.starts_with("/proc") {
                return Ok(Self::Stream);
            }
            target = folder.join(fs::read_link(&target)?);
        }
        let problem = "symbolic links that form a cycle";
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    }
}

/// Opens a device, pipe, socket or descriptor (such as `/dev/stdout`) for writing; `None` if the
/// path is a regular file or does not exist.
///
/// # Errors
///
/// If it cannot be opened for writing; if it is a pipe without a reader.
pub fn stream(place: &Path) -> io::Result<Option<File>> {
    match Destination::of(place)? {
        Destination::File(_) => Ok(None),
        Destination::Stream => open_stream(place).map(Some),
    }
}

/// Opens a device, pipe or descriptor for appending, so that a file behind a descriptor keeps its
/// contents.
pub(super) fn open_stream(place: &Path) -> io::Result<File> {
    // Held until the pipe is open: without a writer, its reader would see the end of the file.
    #[cfg(unix)]
    let _writer = await_reader(place)?;
    File::options().append(true).open(place)
}

/// Waits a few seconds for a pipe to have a reader, since opening it without one would block for
/// ever. Returns a writer of the pipe; `None` if `place` is not a pipe.
#[cfg(unix)]
fn await_reader(place: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    use std::time::Duration;

    if !fs::metadata(place)?.file_type().is_fifo() {
        return Ok(None);
    }
    for wait in 0..50 {
        std::thread::sleep(Duration::from_millis(100 * u64::from(wait > 0)));
        let mut options = File::options();
        options.append(true).custom_flags(libc::O_NONBLOCK);
        match options.open(place) {
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {}
            opened => return opened.map(Some),
        }
    }
    Err(io::Error::other("a pipe without a reader"))
}

/// Gives a file the mode and, if permitted, the owner of the file it will replace.
pub(super) fn keep_mode(finished: &Path, target: &Path) -> io::Result<()> {
    let old = match fs::metadata(target) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        let new = fs::metadata(finished)?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            // Best effort: only root may change a file's owner.
            let _ = chown(finished, Some(old.uid()), Some(old.gid()));
        }
    }
    fs::set_permissions(finished, old.permissions())
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::process::Command;

    use super::super::{publish, write_file};
    use super::*;

    fn write(place: &Path, text: &str) -> io::Result<()> {
        write_file(place, |file| file.write_all(text.as_bytes()))
    }

    #[test]
    fn what_a_link_leads_to_is_replaced_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("target"), "old").unwrap();
        symlink("../target", path("sub/link")).unwrap();
        symlink("sub/link", path("again")).unwrap();
        symlink("new", path("dangling")).unwrap();
        for (link, target) in [
            ("sub/link", "target"),
            ("again", "target"),
            ("dangling", "new"),
        ] {
            write(&path(link), link).unwrap();
            assert_eq!(fs::read_to_string(path(target)).unwrap(), link);
            fs::write(path("finished"), "published").unwrap();
            publish(&path("finished"), &path(link)).unwrap();
            assert_eq!(fs::read_to_string(path(target)).unwrap(), "published");
            assert!(fs::symlink_metadata(path(link)).unwrap().is_symlink());
            assert!(!path("finished").exists());
        }
        symlink("circle", path("circle")).unwrap();
        assert!(write(&path("circle"), "x").is_err());
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("private");
        for mode in [0o640, 0o600, 0o444] {
            fs::write(&place, "old").unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            write(&place, "new").unwrap();
            fs::write(folder.path().join("finished"), "newer").unwrap();
            publish(&folder.path().join("finished"), &place).unwrap();
            let found = fs::metadata(&place).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{found:o}");
            assert_eq!(fs::read_to_string(&place).unwrap(), "newer");
            fs::remove_file(&place).unwrap();
        }
    }

    #[test]
    fn devices_and_pipes_are_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("/dev/null", path("null")).unwrap();
        write(&path("null"), "nothing").unwrap();
        let device = fs::metadata("/dev/null").unwrap();
        assert!(device.file_type().is_char_device());

        let pipe = path("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut text = String::new();
                File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
                text
            })
        };
        write(&pipe, "through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert!(stream(&path("none")).unwrap().is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_descriptor_keeps_what_was_written_to_it() {
        use std::os::fd::AsRawFd;

        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("log");
        let mut log = File::create(&place).unwrap();
        log.write_all(b"before\n").unwrap();
        let descriptor = format!("/dev/fd/{}", log.as_raw_fd());
        write(Path::new(&descriptor), "through\n").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "before\nthrough\n");
    }
}
