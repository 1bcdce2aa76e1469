//! The formats of word vectors, and their detection.

use std::fmt;

use gensen_data::npy;

/// A file format of word vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorFormat {
    /// Lines of `word number ...`: GloVe; with a first line `rows dimensions`, word2vec text and
    /// fastText `.vec`.
    Text,
    /// word2vec binary: a line `rows dimensions`, then for each row the word, a space and 32-bit
    /// little-endian floats.
    Word2vecBinary,
    /// HDF5 with `embedding`, `[words, dimensions]`, and `words_flatten`, as the reference's
    /// converter writes.
    Hdf5,
    /// A `.npy` matrix `[words, dimensions]`, and a list of its words in another file.
    Npy,
    /// Vectors from memory.
    Memory,
}

impl fmt::Display for VectorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Word2vecBinary => "word2vec binary",
            Self::Hdf5 => "HDF5",
            Self::Npy => ".npy",
            Self::Memory => "in memory",
        })
    }
}

/// The number of bytes that [`detect`] needs.
pub(super) const SAMPLE_BYTES: usize = 16 * 1024;

/// Detects the format from the (decompressed) start of a file; `None` if it is unknown.
pub(super) fn detect(sample: &[u8]) -> Option<VectorFormat> {
    if sample.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Some(VectorFormat::Hdf5);
    }
    if sample.starts_with(npy::MAGIC) {
        return Some(VectorFormat::Npy);
    }
    let end = sample.iter().position(|&b| b == b'\n');
    let (first_line, rest) = sample.split_at(end.unwrap_or(sample.len()));
    let has_header = parse_header(first_line).is_some();
    match (has_header, is_text(first_line) && is_text(rest)) {
        (_, true) => Some(VectorFormat::Text),
        (true, false) => Some(VectorFormat::Word2vecBinary),
        (false, false) => None,
    }
}

/// Text has no ASCII control characters except tabs and line ends; a few binary floats always do.
/// Invalid UTF-8 counts as text: published vectors have such words.
fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|&b| b >= b' ' && b != 0x7f || matches!(b, b'\t' | b'\n' | b'\r'))
}

/// The header of word2vec and fastText: two integers, rows and dimensions.
pub(super) fn parse_header(line: &[u8]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(line).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let (rows, dimensions) = (fields.next()?, fields.next()?);
    let whole = |field: &str| {
        field
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| field.parse().ok())?
    };
    if fields.next().is_some() {
        None
    } else {
        Some((whole(rows)?, whole(dimensions)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_contents() {
        assert_eq!(
            detect(b"the 0.1 -0.2\nof 0.3 0.4\n"),
            Some(VectorFormat::Text)
        );
        assert_eq!(
            detect(b"2 2\nthe 0.1 -0.2\nof 0.3 0.4\n"),
            Some(VectorFormat::Text)
        );
        assert_eq!(
            detect("nb\u{a0}sp\u{85} 0.1\n".as_bytes()),
            Some(VectorFormat::Text)
        );
        assert_eq!(
            detect(b"2 1\nthe \x00\x00\x80\x3f"),
            Some(VectorFormat::Word2vecBinary)
        );
        assert_eq!(detect(b"\x93NUMPY\x01\x00"), Some(VectorFormat::Npy));
        assert_eq!(detect(b"\x89HDF\r\n\x1a\n"), Some(VectorFormat::Hdf5));
        assert_eq!(detect(b"\x80\x02}q\x00."), None);
    }

    #[test]
    fn headers() {
        assert_eq!(parse_header(b"2196017 300\r"), Some((2_196_017, 300)));
        assert_eq!(parse_header(b"the 300"), None);
        assert_eq!(parse_header(b"+2 300"), None);
        assert_eq!(parse_header(b"5 0.25"), None);
        assert_eq!(parse_header(b"1 2 3"), None);
        assert_eq!(parse_header(b"99999999999999999999999 3"), None);
    }
}
