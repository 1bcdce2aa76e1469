//! Text input, a line a sentence, from a file or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// After so many bytes of text, what was read is handed on.
const CHUNK_BYTES: u64 = 16 << 20;
/// What some editors begin UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of an input. A line ends in `\n` or `\r\n`, the last one also without; a blank line
/// is a line. A byte-order mark at the start is no part of the first line.
pub(crate) struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    size: Option<u64>,
    line: u64,
    bytes: u64,
}

impl Lines {
    /// Opens a file, or standard input if `path` is `-`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            let input = Box::new(io::stdin().lock());
            return Ok(Self::new("standard input".to_owned(), input, None));
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| name.clone())?;
        let metadata = file.metadata().with_context(|| name.clone())?;
        if metadata.is_dir() {
            bail!("{name}: a folder, expected a text file");
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self::new(name, buffered(file), size))
    }

    fn new(name: String, input: Box<dyn BufRead>, size: Option<u64>) -> Self {
        Self {
            name,
            input,
            size,
            line: 0,
            bytes: 0,
        }
    }

    /// Passes over all lines before any is read, and starts again. What cannot be read twice,
    /// such as standard input, is copied to a temporary file.
    pub(crate) fn twice(
        mut self,
        path: &Path,
        mut first: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<Self> {
        if self.size.is_some() {
            first(&mut self)?;
            return Self::open(path);
        }
        let context = || format!("{}: copying to a temporary file", self.name);
        let mut copy = tempfile::tempfile().with_context(context)?;
        let size = io::copy(&mut self.input, &mut copy).with_context(context)?;
        let again = copy.try_clone().with_context(context)?;
        copy.rewind().with_context(context)?;
        first(&mut Self::new(
            self.name.clone(),
            buffered(copy),
            Some(size),
        ))?;
        let mut copy = again;
        copy.rewind()
            .with_context(|| format!("{}: reading the temporary file", self.name))?;
        Ok(Self::new(self.name, buffered(copy), Some(size)))
    }

    /// The file, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The input's size in bytes, if it is a file.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line without its end, or nothing after the last.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let limit = MAX_LINE_BYTES + 2 + BYTE_ORDER_MARK.len() as u64;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut line);
        let read = read.with_context(|| self.name.clone())?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.bytes += read as u64;
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        if self.line == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        let (name, number) = (&self.name, self.line);
        if line.len() as u64 > MAX_LINE_BYTES {
            bail!("{name}, line {number}: longer than the {MAX_LINE_BYTES} bytes that are read");
        }
        if line.contains(&0) {
            bail!(
                "{name}, line {number}: a NUL byte (text must be UTF-8; is the file UTF-16 or binary?)"
            );
        }
        match String::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(_) => {
                bail!("{name}, line {number}: invalid UTF-8 (text must be UTF-8; convert it first)")
            }
        }
    }

    /// The next lines, a multiple of `multiple` unless the input ends; none after the last.
    pub(crate) fn chunk(&mut self, multiple: usize, most: u64) -> Result<Vec<String>> {
        let (begin, mut lines) = (self.bytes, Vec::new());
        let whole = 64 * multiple;
        while (lines.len() as u64) < most {
            let full = lines.len() >= whole || self.bytes - begin >= CHUNK_BYTES;
            if full && lines.len().is_multiple_of(multiple) {
                break;
            }
            match self.next()? {
                Some(line) => lines.push(line),
                None => break,
            }
        }
        Ok(lines)
    }

    /// Reads past so many lines.
    pub(crate) fn skip(&mut self, lines: u64) -> Result<()> {
        for _ in 0..lines {
            self.next()?;
        }
        Ok(())
    }
}

fn buffered(file: File) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(1 << 16, file))
}
