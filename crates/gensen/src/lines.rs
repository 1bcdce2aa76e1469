//! Text input, one sentence per line, from a file or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use gensen_data::digest::{Digest, hex};
use gensen_data::lines::{LineReader, checked};
use gensen_data::{gzip, text};

/// Bytes of text after which a chunk ends.
const CHUNK_BYTES: u64 = 16 << 20;
/// Lines buffered for a slower reader.
const WAITING_LINES: usize = 1 << 12;

/// The stream of lines.
type InputStream = Box<dyn Read + Send>;

/// The lines of an input, decompressed if it is gzip. A line ends in `\n` or `\r\n`, optional for the last; blank lines
/// count. A byte-order mark at the start is dropped.
pub(crate) struct Lines {
    input: LineReader<InputStream>,
    size: Option<u64>,
    /// Whether it can be opened again.
    regular: bool,
    bytes: u64,
    /// Lines that another thread reads, each with the bytes read so far.
    live: Option<Receiver<Result<(String, u64)>>>,
}

impl Lines {
    /// Opens a file, or standard input if `path` is `-`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            let name = "standard input".to_owned();
            let input = BufReader::with_capacity(1 << 16, io::stdin());
            return Self::unpacked(name, input, None, false);
        }
        Self::open_file(path, |file| file)
    }

    /// As [`open`](Lines::open) of a file, with the hash of what is read.
    pub(crate) fn open_hashed(path: &Path) -> Result<(Self, FileHash)> {
        let digest = Arc::default();
        let hash = FileHash(Arc::clone(&digest));
        let lines = Self::open_file(path, |file| Hashed { file, digest })?;
        Ok((lines, hash))
    }

    fn open_file<R: Read + Send + 'static>(
        path: &Path,
        reader: impl FnOnce(File) -> R,
    ) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| name.clone())?;
        let metadata = file.metadata().with_context(|| name.clone())?;
        if metadata.is_dir() {
            bail!("{name}: a folder, expected a text file");
        }
        let regular = metadata.is_file();
        let size = regular.then_some(metadata.len());
        let input = BufReader::with_capacity(1 << 16, reader(file));
        Self::unpacked(name, input, size, regular)
    }

    /// The lines of gzip or text.
    fn unpacked(
        name: String,
        mut input: impl BufRead + Send + 'static,
        size: Option<u64>,
        regular: bool,
    ) -> Result<Self> {
        let start = input.fill_buf().with_context(|| name.clone())?;
        text::no_pointer(start).with_context(|| name.clone())?;
        if !start.starts_with(&gzip::MAGIC) {
            return Ok(Self::new(&name, input, size, regular));
        }
        Ok(Self::new(&name, gzip::unpack(input), None, regular))
    }

    fn new(
        name: &str,
        input: impl Read + Send + 'static,
        size: Option<u64>,
        regular: bool,
    ) -> Self {
        Self {
            input: LineReader::new(name, Box::new(input)),
            size,
            regular,
            bytes: 0,
            live: None,
        }
    }

    /// Makes a first pass over all lines, and starts again. An input that cannot be read twice, such as standard
    /// input, is copied to a temporary file.
    pub(crate) fn twice(
        mut self,
        path: &Path,
        mut first: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<Self> {
        if self.regular {
            first(&mut self)?;
            return Self::open(path);
        }
        let name = self.input.file().clone();
        let context = || format!("{name}: copying to a temporary file");
        let mut copy = tempfile::tempfile().with_context(context)?;
        let size = io::copy(&mut self.input.into_stream(), &mut copy).with_context(context)?;
        let again = copy.try_clone().with_context(context)?;
        copy.rewind().with_context(context)?;
        let lines = |copy| Self::new(&name, copy, Some(size), true);
        first(&mut lines(copy))?;
        let mut copy = again;
        copy.rewind()
            .with_context(|| format!("{name}: reading the temporary file"))?;
        Ok(lines(copy))
    }

    /// For inputs other than files, returns lines as they arrive: a [`chunk`](Lines::chunk) no longer waits to be
    /// full.
    pub(crate) fn live(mut self) -> Self {
        if self.regular {
            return self;
        }
        let name = self.input.file().clone();
        let (sender, receiver) = sync_channel(WAITING_LINES);
        std::thread::spawn(move || {
            while let Some(line) = self.next().transpose() {
                let failed = line.is_err();
                let line = line.map(|line| (line, self.bytes));
                // The receiver is gone when the program ends.
                if sender.send(line).is_err() || failed {
                    break;
                }
            }
        });
        let mut live = Self::new(&name, io::empty(), None, false);
        live.live = Some(receiver);
        live
    }

    /// The file, for messages.
    pub(crate) fn name(&self) -> &str {
        self.input.file()
    }

    /// The input's size in bytes, if it is a file.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line without its end; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        if let Some(live) = &self.live {
            // The channel is closed after the last line.
            return self.arrived(live.recv().ok());
        }
        let number = self.input.lines() + 1;
        let name = self.input.file().clone();
        let Some(line) = self.input.next_line()? else {
            return Ok(None);
        };
        let line = checked(&name, number, line)?;
        let line = line.strip_suffix('\r').unwrap_or(line).to_owned();
        self.bytes = self.input.bytes();
        Ok(Some(line))
    }

    /// Unwraps a line read by another thread; `None` at the end.
    fn arrived(&mut self, line: Option<Result<(String, u64)>>) -> Result<Option<String>> {
        let Some((line, bytes)) = line.transpose()? else {
            return Ok(None);
        };
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
                // Lines that have arrived are returned before more are awaited.
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

    /// Skips this number of lines.
    pub(crate) fn skip(&mut self, lines: u64) -> Result<()> {
        for _ in 0..lines {
            self.next()?;
        }
        Ok(())
    }
}

/// The hash of a file whose lines are being read. Reading the last line reads the whole file, gzip or not.
pub(crate) struct FileHash(Arc<Mutex<Digest>>);

impl FileHash {
    /// The SHA-256 of the bytes read so far, in hexadecimal.
    pub(crate) fn finish(self) -> String {
        let digest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hex(&digest.clone().finish())
    }
}

struct Hashed {
    file: File,
    digest: Arc<Mutex<Digest>>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        digest.update(&buffer[..read]);
        Ok(read)
    }
}
