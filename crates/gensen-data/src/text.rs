//! What text files that people bring begin with, and small ones that they write.

use std::fs;
use std::io;
use std::path::Path;

/// The byte-order mark (U+FEFF) that some editors put in front of UTF-8.
pub const MARK: char = '\u{feff}';

/// [`MARK`] in UTF-8.
pub const MARK_BYTES: &[u8] = b"\xef\xbb\xbf";

/// What a Git LFS pointer begins with.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A text without the byte-order mark in front of it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Bytes of UTF-8 without the byte-order mark in front of them.
pub fn bytes_without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK_BYTES).unwrap_or(bytes)
}

/// Refuses the start of a file if it is a Git LFS pointer: the few lines that stand for a large file
/// in a repository that was cloned without Git LFS.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`], which says what to do.
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
    let problem =
        "a Git LFS pointer, not the file that it stands for: fetch that with `git lfs pull`";
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

/// Refuses what cannot be read twice: all but regular files.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`], which says what to do; what the system says if it cannot tell.
pub fn regular(path: impl AsRef<Path>) -> io::Result<()> {
    if fs::metadata(path)?.is_file() {
        return Ok(());
    }
    let problem =
        "not a regular file: a pipe or device cannot be read twice; save it to a file first";
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

/// Reads a file of UTF-8, without the byte-order mark in front of it.
///
/// # Errors
/// If it cannot be read, is not UTF-8, or is a Git LFS pointer ([`io::ErrorKind::InvalidData`]).
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    no_pointer(text.as_bytes())?;
    Ok(match text.strip_prefix(MARK) {
        Some(text) => text.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
