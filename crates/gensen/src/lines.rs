//! Text input, a line a sentence, from a file or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::{Context, Result, bail};
use gensen_data::{gzip, text};

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// After so many bytes of text, what was read is handed on.
const CHUNK_BYTES: u64 = 16 << 20;
/// Lines that wait for a reader that is busy.
const WAITING_LINES: usize = 1 << 12;

/// The lines of an input, unpacked if it is gzip. A line ends in `\n` or `\r\n`, the last one also without; a blank line
/// is a line. A byte-order mark at the start is no part of the first line.
pub(crate) struct Lines {
    name: String,
    input: Box<dyn BufRead + Send>,
    size: Option<u64>,
    /// Whether it can be opened again.
    regular: bool,
    line: u64,
    bytes: u64,
    /// Where lines come from that another thread reads, with the bytes of each.
    live: Option<Receiver<Result<(String, u64)>>>,
}

impl Lines {
    /// Opens a file, or standard input if `path` is `-`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            let name = "standard input".to_owned();
            let input = BufReader::with_capacity(1 << 16, io::stdin());
            return Self::unpacked(name, Box::new(input), None, false);
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| name.clone())?;
        let metadata = file.metadata().with_context(|| name.clone())?;
        if metadata.is_dir() {
            bail!("{name}: a folder, expected a text file");
        }
        let regular = metadata.is_file();
        let size = regular.then_some(metadata.len());
        Self::unpacked(name, buffered(file), size, regular)
    }

    /// The lines of what is gzip or text.
    fn unpacked(
        name: String,
        mut input: Box<dyn BufRead + Send>,
        size: Option<u64>,
        regular: bool,
    ) -> Result<Self> {
        let start = input.fill_buf().with_context(|| name.clone())?;
        text::no_pointer(start).with_context(|| name.clone())?;
        if !start.starts_with(&gzip::MAGIC) {
            return Ok(Self::new(name, input, size, regular));
        }
        let input = BufReader::with_capacity(1 << 16, gzip::unpack(input));
        Ok(Self::new(name, Box::new(input), None, regular))
    }

    fn new(name: String, input: Box<dyn BufRead + Send>, size: Option<u64>, regular: bool) -> Self {
        Self {
            name,
            input,
            size,
            regular,
            line: 0,
            bytes: 0,
            live: None,
        }
    }

    /// Passes over all lines before any is read, and starts again. What cannot be read twice,
    /// such as standard input, is copied to a temporary file.
    pub(crate) fn twice(
        mut self,
        path: &Path,
        mut first: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<Self> {
        if self.regular {
            first(&mut self)?;
            return Self::open(path);
        }
        let context = || format!("{}: copying to a temporary file", self.name);
        let mut copy = tempfile::tempfile().with_context(context)?;
        let size = io::copy(&mut self.input, &mut copy).with_context(context)?;
        let again = copy.try_clone().with_context(context)?;
        copy.rewind().with_context(context)?;
        let lines = |copy| Self::new(self.name.clone(), buffered(copy), Some(size), true);
        first(&mut lines(copy))?;
        let mut copy = again;
        copy.rewind()
            .with_context(|| format!("{}: reading the temporary file", self.name))?;
        Ok(lines(copy))
    }

    /// Hands out lines as they come, if the input is no file: a [`chunk`](Lines::chunk) no longer
    /// waits to be full.
    pub(crate) fn live(mut self) -> Self {
        if self.regular {
            return self;
        }
        let name = self.name.clone();
        let (sender, receiver) = sync_channel(WAITING_LINES);
        std::thread::spawn(move || {
            while let Some(line) = self.next().transpose() {
                let failed = line.is_err();
                let line = line.map(|line| (line, self.bytes));
                // Nobody listens any more where the program ends.
                if sender.send(line).is_err() || failed {
                    break;
                }
            }
        });
        let mut live = Self::new(name, Box::new(io::empty()), None, false);
        live.live = Some(receiver);
        live
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
        if let Some(live) = &self.live {
            // The other thread is done when it no longer sends.
            return self.arrived(live.recv().ok());
        }
        let mut line = Vec::new();
        let limit = MAX_LINE_BYTES + 2 + text::MARK_BYTES.len() as u64;
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
        if self.line == 1 && line.starts_with(text::MARK_BYTES) {
            line.drain(..text::MARK_BYTES.len());
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

    /// A line that another thread read, or the end.
    fn arrived(&mut self, line: Option<Result<(String, u64)>>) -> Result<Option<String>> {
        let Some((line, bytes)) = line.transpose()? else {
            return Ok(None);
        };
        self.line += 1;
        self.bytes = bytes;
        Ok(Some(line))
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
            let line = match &self.live {
                // What is there is handed on before more is waited for.
                Some(live) if !lines.is_empty() => match live.try_recv() {
                    Ok(line) => self.arrived(Some(line))?,
                    Err(_) => break,
                },
                _ => self.next()?,
            };
            match line {
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

fn buffered(file: File) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(1 << 16, file))
}
