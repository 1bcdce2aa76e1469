//! Small text files that people write.

use std::fs;
use std::io;
use std::path::Path;

/// The byte-order mark (U+FEFF) that some editors put in front of UTF-8.
pub const MARK: char = '\u{feff}';

/// A text without the byte-order mark in front of it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Reads a file of UTF-8, without the byte-order mark in front of it.
///
/// # Errors
/// If it cannot be read, or is not UTF-8 ([`io::ErrorKind::InvalidData`]).
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
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
