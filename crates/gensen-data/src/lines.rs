//! Lines of text from streams of any length, read with one limit on their length.
//!
//! Lines end at a line feed and nowhere else. A byte-order mark before the first line is removed.
//! Lines are bytes; [`checked`] makes text of them.

use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::error::{DataError, LineFault};
use crate::text;

/// The length limit of a line (of a tree, for trees) in bytes.
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// The default size of blocks in bytes; a longer line makes a larger block. The distinct words of a
/// block of this size fit in a core's cache.
const BLOCK_BYTES: usize = 1 << 18;

/// Reads a stream line by line or in blocks of whole lines, in bounded memory.
///
/// ```
/// use gensen_data::lines::LineReader;
///
/// let mut lines = LineReader::new("greetings", &b"\xef\xbb\xbfhello\nworld"[..]);
/// assert_eq!(lines.next_line()?, Some(&b"hello"[..]));
/// assert_eq!(lines.next_line()?, Some(&b"world"[..]));
/// assert_eq!(lines.next_line()?, None);
/// assert_eq!(lines.lines(), 2);
/// # Ok::<(), gensen_data::error::DataError>(())
/// ```
#[derive(Debug)]
pub struct LineReader<R> {
    file: Arc<str>,
    stream: R,
    block_bytes: usize,
    /// `buffer[start..end]` was read from the stream and is not returned yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The number of lines returned.
    lines: u64,
    /// The number of bytes of the stream returned, with the byte-order mark.
    bytes: u64,
    /// Whether the byte-order mark has been looked for.
    begun: bool,
    has_mark: bool,
    ended: bool,
}

impl<R: Read> LineReader<R> {
    /// Reads `stream`; errors call it `file`.
    pub fn new(file: impl Into<Arc<str>>, stream: R) -> Self {
        Self {
            file: file.into(),
            stream,
            block_bytes: BLOCK_BYTES,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            lines: 0,
            bytes: 0,
            begun: false,
            has_mark: false,
            ended: false,
        }
    }

    /// Sets the approximate size of blocks in bytes.
    pub fn block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes.max(1);
        self
    }

    /// The stream, at the position up to which it was read.
    pub fn into_stream(self) -> R {
        self.stream
    }

    /// The stream's name in errors.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The number of lines returned so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The number of bytes of the stream returned so far, with line ends and the byte-order mark.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the stream begins with a byte-order mark; `false` until the first line is read.
    pub fn has_mark(&self) -> bool {
        self.has_mark
    }

    /// After the end: an error if the stream was empty.
    pub(crate) fn not_empty(&self) -> Result<(), DataError> {
        match self.lines {
            0 => Err(DataError::Empty {
                file: self.file.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// The next line without its line feed, `None` at the end. It does not wait for more of the
    /// stream than the line.
    ///
    /// # Errors
    ///
    /// Those of the stream; [`LineFault::TooLong`]; if the stream is a Git LFS pointer.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, DataError> {
        let mut searched = 0;
        loop {
            let bytes = self.pending();
            if let Some(at) = memchr::memchr(b'\n', &bytes[searched..]) {
                let length = searched + at;
                self.check_length(length, self.lines + 1)?;
                let line = self.take(length + 1)?;
                return Ok(Some(&self.buffer[line][..length]));
            }
            searched = bytes.len();
            self.check_length(searched, self.lines + 1)?;
            if self.ended && searched == 0 {
                return Ok(None);
            }
            if self.ended {
                let line = self.take(searched)?;
                return Ok(Some(&self.buffer[line]));
            }
            self.fill(searched + 1, self.block_bytes.max(2 * searched))?;
        }
    }

    /// A block of whole lines of about [`block_bytes`](Self::block_bytes), and the number of its
    /// first line; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`next_line`](Self::next_line).
    pub fn next_block(&mut self) -> Result<Option<(Vec<u8>, u64)>, DataError> {
        self.next_block_where(|bytes| memchr::memrchr(b'\n', bytes).map(|end| end + 1))
    }

    /// A block that ends at the position that `cut` returns for the bytes read so far, or at the
    /// end of the stream.
    pub(crate) fn next_block_where(
        &mut self,
        cut: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Option<(Vec<u8>, u64)>, DataError> {
        let mut wanted = self.block_bytes;
        loop {
            self.fill(wanted, wanted)?;
            let bytes = self.pending();
            let all = bytes.len();
            if self.ended && all <= wanted {
                return self.hand_out(all);
            }
            if let Some(end) = cut(bytes) {
                return self.hand_out(end);
            }
            self.check_length(all, self.lines + 1)?;
            wanted = all * 2;
        }
    }

    /// The next `count` lines, or all lines left if there are fewer, and the number of the first;
    /// `None` at the end.
    pub(crate) fn next_lines(&mut self, count: u64) -> Result<Option<(Vec<u8>, u64)>, DataError> {
        let (mut searched, mut found) = (0, 0);
        loop {
            let bytes = self.pending();
            for end in memchr::memchr_iter(b'\n', &bytes[searched..]) {
                found += 1;
                if found == count {
                    let end = searched + end + 1;
                    return self.hand_out(end);
                }
            }
            searched = bytes.len();
            if self.ended {
                return self.hand_out(searched);
            }
            let line = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
            self.check_length(searched - line, self.lines + found + 1)?;
            let wanted = searched + self.block_bytes;
            self.fill(wanted, wanted)?;
        }
    }

    /// The bytes that were read and are not returned yet.
    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn check_length(&self, bytes: usize, line: u64) -> Result<(), DataError> {
        if bytes > MAX_LINE_BYTES {
            let fault = LineFault::TooLong {
                cap: MAX_LINE_BYTES,
            };
            return Err(DataError::line(&self.file, line, fault));
        }
        Ok(())
    }

    /// Reads until `wanted` bytes are pending or the stream ends. The buffer's capacity `room` may
    /// be larger, to use what a single read returns beyond that.
    fn fill(&mut self, wanted: usize, room: usize) -> Result<(), DataError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while !self.ended && self.end < wanted {
            if self.buffer.len() < room {
                self.buffer.resize(room, 0);
            }
            match self.stream.read(&mut self.buffer[self.end..room]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(DataError::io(&*self.file)(error)),
                Ok(read) => {
                    self.end += read;
                    self.ended = read == 0;
                }
            }
            if !self.begun {
                self.take_mark();
            }
        }
        Ok(())
    }

    /// Removes the byte-order mark, once enough bytes are read to recognise it.
    fn take_mark(&mut self) {
        let mark = text::MARK_BYTES.len();
        if !self.ended && self.end < mark {
            return;
        }
        self.begun = true;
        self.has_mark = self.pending().starts_with(text::MARK_BYTES);
        if self.has_mark {
            self.buffer.copy_within(mark..self.end, 0);
            self.end -= mark;
            self.bytes += mark as u64;
        }
    }

    /// Counts the next `bytes`, which are whole lines, as returned; their range in the buffer.
    fn take(&mut self, bytes: usize) -> Result<Range<usize>, DataError> {
        let taken = self.start..self.start + bytes;
        let text = &self.buffer[taken.clone()];
        if self.lines == 0 {
            text::no_pointer(text).map_err(DataError::io(&*self.file))?;
        }
        self.lines += memchr::memchr_iter(b'\n', text).count() as u64;
        self.lines += u64::from(text.last().is_some_and(|&last| last != b'\n'));
        self.bytes += bytes as u64;
        self.start = taken.end;
        Ok(taken)
    }

    /// The next `bytes` with the number of their first line; `None` for no bytes, at the end.
    fn hand_out(&mut self, bytes: usize) -> Result<Option<(Vec<u8>, u64)>, DataError> {
        if bytes == 0 {
            return Ok(None);
        }
        let first_line = self.lines + 1;
        let taken = self.take(bytes)?;
        Ok(Some((self.buffer[taken].to_vec(), first_line)))
    }
}

/// Bytes as text, which must be UTF-8 without NUL bytes; `first_line` is the number of its first
/// line in `file`.
///
/// # Errors
///
/// [`DataError::Line`] with the first line that is not.
pub fn checked<'a>(file: &str, first_line: u64, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    let (offset, fault) = match (std::str::from_utf8(bytes), memchr::memchr(0, bytes)) {
        (Ok(text), None) => return Ok(text),
        (Ok(_), Some(nul)) => (nul, LineFault::Nul),
        (Err(error), Some(nul)) if nul < error.valid_up_to() => (nul, LineFault::Nul),
        (Err(error), _) => (error.valid_up_to(), LineFault::InvalidUtf8),
    };
    let line = first_line + memchr::memchr_iter(b'\n', &bytes[..offset]).count() as u64;
    Err(DataError::line(file, line, fault))
}

/// The lines of a block, without their line feeds.
pub fn split(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(block.strip_suffix(b"\n").unwrap_or(block));
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = memchr::memchr(b'\n', bytes);
        rest = end.map(|end| &bytes[end + 1..]);
        Some(&bytes[..end.unwrap_or(bytes.len())])
    })
}

/// The lines of a text with their numbers, without line feeds and carriage returns before them.
pub(crate) fn numbered_lines(text: &str, first_line: u64) -> impl Iterator<Item = (u64, &str)> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    (first_line..).zip(
        text.split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line)),
    )
}

#[cfg(test)]
mod tests;
