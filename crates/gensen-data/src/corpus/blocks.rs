//! Text in blocks of whole lines: what one worker takes at a time.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use super::inference::Columns;
use crate::error::{DataError, LineFault};
use crate::text;

/// The longest line (for trees: the longest tree) that is read, in bytes.
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// The size that blocks have unless a line is longer: their distinct words fit in a core's cache.
const BLOCK_BYTES: usize = 1 << 18;

/// Whole lines of one file.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) file: Arc<str>,
    /// The number of the first line, counted from 1.
    pub(crate) first_line: u64,
    text: Vec<u8>,
    /// The same lines of line-aligned files.
    pub(crate) aligned: Vec<(Arc<str>, Vec<u8>)>,
    /// Whether a document begins here.
    pub(crate) document_start: bool,
    /// Where a row's fields are.
    pub(crate) columns: Columns,
}

impl Block {
    pub(crate) fn new(file: Arc<str>, first_line: u64, text: Vec<u8>) -> Self {
        Self {
            file,
            first_line,
            text,
            aligned: Vec::new(),
            document_start: false,
            columns: Columns::Plain,
        }
    }

    /// The block's text.
    pub(crate) fn text(&self) -> Result<&str, DataError> {
        checked(&self.file, self.first_line, &self.text)
    }

    /// The texts of the line-aligned files.
    pub(crate) fn aligned_texts(&self) -> Result<Vec<&str>, DataError> {
        let aligned = self.aligned.iter();
        aligned
            .map(|(file, text)| checked(file, self.first_line, text))
            .collect()
    }
}

/// Text that is UTF-8 and without NUL bytes; else the first line at fault.
fn checked<'a>(file: &str, first_line: u64, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    let line_at =
        |offset: usize| first_line + memchr::memchr_iter(b'\n', &bytes[..offset]).count() as u64;
    let nul = memchr::memchr(0, bytes);
    match std::str::from_utf8(bytes) {
        Err(error) if nul.is_none_or(|nul| error.valid_up_to() < nul) => Err(DataError::line(
            file,
            line_at(error.valid_up_to()),
            LineFault::InvalidUtf8,
        )),
        Ok(text) if nul.is_none() => Ok(text),
        _ => Err(DataError::line(
            file,
            line_at(nul.unwrap_or_default()),
            LineFault::Nul,
        )),
    }
}

/// The lines of a text with their numbers; a carriage return before the line end is dropped.
pub(crate) fn numbered_lines(text: &str, first_line: u64) -> impl Iterator<Item = (u64, &str)> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    (first_line..).zip(
        text.split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line)),
    )
}

/// Cuts a stream into blocks of whole lines, in bounded memory.
pub(crate) struct LineReader<'a> {
    file: Arc<str>,
    stream: Box<dyn Read + 'a>,
    /// Bytes read and not handed out.
    pending: Vec<u8>,
    /// So many of `pending` were handed out already.
    start: usize,
    lines: u64,
    begun: bool,
    ended: bool,
}

impl<'a> LineReader<'a> {
    pub(crate) fn new(file: impl Into<Arc<str>>, stream: Box<dyn Read + 'a>) -> Self {
        Self {
            file: file.into(),
            stream,
            pending: Vec::new(),
            start: 0,
            lines: 0,
            begun: false,
            ended: false,
        }
    }

    pub(crate) fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// The number of lines handed out.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// An error if the whole file held nothing.
    pub(crate) fn not_empty(&self) -> Result<(), DataError> {
        match self.lines {
            0 => Err(DataError::Empty {
                file: self.file.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// About [`BLOCK_BYTES`] of whole lines and the number of the first one.
    pub(crate) fn next_block(&mut self) -> Result<Option<(Vec<u8>, u64)>, DataError> {
        self.next_block_where(|bytes| memchr::memrchr(b'\n', bytes).map(|end| end + 1))
    }

    /// A block that ends where `cut` finds its last good place in the bytes at hand, or at the
    /// end of the file.
    pub(crate) fn next_block_where(
        &mut self,
        cut: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Option<(Vec<u8>, u64)>, DataError> {
        let mut wanted = BLOCK_BYTES;
        loop {
            self.fill(wanted)?;
            let bytes = &self.pending[self.start..];
            if self.ended && bytes.len() <= wanted {
                let all = bytes.len();
                return Ok((all > 0).then(|| self.hand_out(all)));
            }
            if let Some(end) = cut(bytes) {
                return Ok(Some(self.hand_out(end)));
            }
            self.check_length(bytes.len(), self.lines + 1)?;
            wanted = bytes.len() * 2;
        }
    }

    /// The next `count` lines, or as many as there are.
    pub(crate) fn next_lines(&mut self, count: u64) -> Result<Option<(Vec<u8>, u64)>, DataError> {
        let (mut searched, mut found) = (0, 0);
        loop {
            let bytes = &self.pending[self.start..];
            for end in memchr::memchr_iter(b'\n', &bytes[searched..]) {
                found += 1;
                if found == count {
                    let end = searched + end + 1;
                    return Ok(Some(self.hand_out(end)));
                }
            }
            if self.ended {
                let all = bytes.len();
                return Ok((all > 0).then(|| self.hand_out(all)));
            }
            let line = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
            self.check_length(bytes.len() - line, self.lines + found + 1)?;
            searched = bytes.len();
            self.fill(searched + BLOCK_BYTES)?;
        }
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

    /// Reads until `wanted` bytes are pending or the stream ends.
    fn fill(&mut self, wanted: usize) -> Result<(), DataError> {
        if self.start > 0 {
            self.pending.drain(..self.start);
            self.start = 0;
        }
        while !self.ended && self.pending.len() < wanted {
            let have = self.pending.len();
            self.pending.resize(wanted, 0);
            let read = match self.stream.read(&mut self.pending[have..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    self.pending.truncate(have);
                    continue;
                }
                read => read.map_err(DataError::io(&*self.file))?,
            };
            self.pending.truncate(have + read);
            self.ended = read == 0;
        }
        if !self.begun && (self.ended || self.pending.len() >= 3) {
            self.begun = true;
            text::no_pointer(&self.pending).map_err(DataError::io(&*self.file))?;
            if self.pending.starts_with(text::MARK_BYTES) {
                self.pending.drain(..text::MARK_BYTES.len());
            }
        }
        Ok(())
    }

    fn hand_out(&mut self, bytes: usize) -> (Vec<u8>, u64) {
        let text = self.pending[self.start..self.start + bytes].to_vec();
        self.start += bytes;
        let first_line = self.lines + 1;
        self.lines += memchr::memchr_iter(b'\n', &text).count() as u64;
        if text.last() != Some(&b'\n') {
            self.lines += 1;
        }
        (text, first_line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &[u8]) -> LineReader<'static> {
        LineReader::new("f", Box::new(std::io::Cursor::new(text.to_vec())))
    }

    #[test]
    fn blocks_hold_whole_lines_and_nothing_is_lost() {
        let text: String = (0..400_000).map(|i| format!("line {i}\n")).collect();
        let mut lines = reader(text.as_bytes());
        let (mut all, mut next, mut blocks) = (Vec::new(), 1, 0);
        while let Some((block, first)) = lines.next_block().unwrap() {
            assert_eq!(first, next);
            assert_eq!(block.last(), Some(&b'\n'));
            next += memchr::memchr_iter(b'\n', &block).count() as u64;
            all.extend(block);
            blocks += 1;
        }
        assert!(all == text.as_bytes() && blocks > 3);
        assert_eq!(lines.lines(), 400_000);
    }

    #[test]
    fn lines_are_counted_exactly() {
        let text: String = (0..300_000).map(|i| format!("{i}\n")).collect();
        let mut lines = reader(text.strip_suffix('\n').unwrap().as_bytes());
        for count in [1, 2, 250_000, 7] {
            let before = lines.lines();
            let (block, first) = lines.next_lines(count).unwrap().unwrap();
            assert_eq!((first, lines.lines()), (before + 1, before + count));
            assert!(block.starts_with(format!("{before}\n").as_bytes()));
        }
        assert!(lines.next_lines(u64::MAX).unwrap().is_some());
        assert_eq!(lines.lines(), 300_000);
        assert!(lines.next_lines(1).unwrap().is_none());
    }

    #[test]
    fn marks_and_line_ends() {
        let mut lines = reader(b"\xef\xbb\xbfa\r\n\xef\xbb\xbfb");
        let (text, first) = lines.next_block().unwrap().unwrap();
        let block = Block::new("f".into(), first, text);
        let found: Vec<_> = numbered_lines(block.text().unwrap(), 1).collect();
        assert_eq!(found, [(1, "a"), (2, "\u{feff}b")]);
        assert!(reader(b"").next_block().unwrap().is_none());
        assert!(reader(b"\xef\xbb\xbf").next_block().unwrap().is_none());
    }

    #[test]
    fn bad_bytes_are_found_in_their_line() {
        let fault = |bytes: &[u8]| {
            Block::new("f".into(), 10, bytes.to_vec())
                .text()
                .unwrap_err()
                .to_string()
        };
        assert!(fault(b"a\nb\n\xff\n").starts_with("f, line 12: invalid UTF-8"));
        assert!(fault(b"a\nb\0\n\xff\n").starts_with("f, line 11: a NUL byte"));
        assert!(fault(b"a\n\xff\nb\0\n").starts_with("f, line 11: invalid UTF-8"));
        assert!(fault(b"\xff\xfea\0").starts_with("f, line 10: invalid UTF-8"));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut lines = LineReader::new("f", Box::new(std::io::repeat(b'x')));
        let error = lines.next_block().unwrap_err().to_string();
        assert!(error.starts_with("f, line 1: longer than"), "{error}");
        let mut lines = LineReader::new(
            "f",
            Box::new(Read::chain(&b"a\nb\n"[..], std::io::repeat(b'x'))),
        );
        let error = lines.next_lines(5).unwrap_err().to_string();
        assert!(error.starts_with("f, line 3: longer than"), "{error}");
    }
}
