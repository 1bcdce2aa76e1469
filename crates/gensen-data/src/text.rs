//! Small text files, byte-order marks and Git LFS pointers.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The byte-order mark (U+FEFF) that some editors write at the start of UTF-8 files.
pub const MARK: char = '\u{feff}';

/// [`MARK`] in UTF-8.
pub const MARK_BYTES: &[u8] = b"\xef\xbb\xbf";

/// The first bytes of a Git LFS pointer.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A text without the byte-order mark at its start.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// UTF-8 bytes without the byte-order mark at their start.
pub fn bytes_without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK_BYTES).unwrap_or(bytes)
}

/// Checks that a file, whose first bytes are `start`, is not a Git LFS pointer: the small file that
/// replaces a large one in a repository cloned without Git LFS.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if it is one, with what to do.
///
/// ```
/// let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
/// let said = gensen_data::text::no_pointer(pointer).unwrap_err().to_string();
/// assert!(said.contains("git lfs pull"));
/// assert!(gensen_data::text::no_pointer(b"version 2").is_ok());
/// ```
pub fn no_pointer(start: &[u8]) -> io::Result<()> {
    if !bytes_without_mark(start).starts_with(POINTER) {
        return Ok(());
    }
    let problem = "a Git LFS pointer instead of the file itself, which `git lfs pull` downloads";
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

/// Checks that a path is a regular file, which can be read more than once.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if it is not, with what to do; those of the system.
pub fn regular(path: impl AsRef<Path>) -> io::Result<()> {
    if fs::metadata(path)?.is_file() {
        return Ok(());
    }
    let problem =
        "not a regular file: a pipe or device cannot be read twice; save it to a file first";
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

/// Reads a file of at most `limit` bytes. Its size is not asked for in advance: a device without an end has none.
///
/// # Errors
/// If it cannot be read; [`io::ErrorKind::InvalidData`] if it is larger or a Git LFS pointer.
pub fn bytes(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let problem = format!("more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    no_pointer(&bytes)?;
    Ok(bytes)
}

/// The largest file that [`read`] reads, in bytes.
pub const MAX_BYTES: u64 = 256 << 20;

/// Reads a UTF-8 file of at most [`MAX_BYTES`], without its byte-order mark.
///
/// # Errors
/// If it cannot be read; [`io::ErrorKind::InvalidData`] if it is larger (also a device without an end), not UTF-8, or a Git
/// LFS pointer.
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let text = String::from_utf8(bytes(path, MAX_BYTES)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))?;
    Ok(match text.strip_prefix(MARK) {
        Some(text) => text.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_without_an_end_is_refused() {
        let said = read("/dev/zero").unwrap_err().to_string();
        assert_eq!(said, format!("more than {MAX_BYTES} bytes"));
    }

    #[test]
    fn one_mark_in_front_is_taken_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        for (text, expected) in [
            ("\u{feff}a\u{feff}", "a\u{feff}"),
            ("\u{feff}\u{feff}", "\u{feff}"),
            ("a", "a"),
            ("", ""),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap(), expected);
            assert_eq!(without_mark(text), expected);
        }
    }
}
