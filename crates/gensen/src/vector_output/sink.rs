//! Destinations of text: standard output, a pipe or device, or a file written atomically.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use gensen_data::scratch::{self, Scratch};

use crate::output::OutputError;

type Through = BufWriter<Box<dyn Write>>;

pub(super) struct Sink {
    writer: Writer,
    /// `-` for standard output.
    place: PathBuf,
    /// The scratch file that gets its name at the end, if it is a file.
    scratch: Option<Scratch>,
}

enum Writer {
    Plain(Through),
    Gzip(Box<GzEncoder<Through>>),
}

impl Sink {
    pub(super) fn create(place: &Path, gzip: bool) -> Result<Self> {
        let context = || place.display().to_string();
        let (through, scratch): (Box<dyn Write>, _) = if place == Path::new("-") {
            (Box::new(io::stdout().lock()), None)
        } else if let Some(stream) = scratch::stream(place).with_context(context)? {
            (Box::new(stream), None)
        } else {
            let scratch = Scratch::file(place).with_context(context)?;
            let file = File::options().write(true).open(scratch.path());
            (Box::new(file.with_context(context)?), Some(scratch))
        };
        let through = BufWriter::with_capacity(1 << 16, through);
        Ok(Self {
            writer: match gzip {
                true => Writer::Gzip(Box::new(GzEncoder::new(through, Compression::default()))),
                false => Writer::Plain(through),
            },
            place: place.to_owned(),
            scratch,
        })
    }

    /// Whether output is flushed at once, for a reader at the other end.
    pub(super) fn is_read_along(&self) -> bool {
        self.scratch.is_none() && matches!(self.writer, Writer::Plain(_))
    }

    /// Writes, and flushes if there is a reader.
    pub(super) fn write(
        &mut self,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let through = self.is_read_along();
        let written = match &mut self.writer {
            Writer::Plain(writer) if through => fill(writer).and_then(|()| writer.flush()),
            Writer::Plain(writer) => fill(writer),
            Writer::Gzip(writer) => fill(writer),
        };
        self.named(written)
    }

    /// Flushes, and renames a file to its final name.
    pub(super) fn finish(mut self) -> Result<()> {
        let flushed = match &mut self.writer {
            Writer::Plain(writer) => writer.flush(),
            Writer::Gzip(writer) => writer.try_finish().and_then(|()| writer.get_mut().flush()),
        };
        self.named(flushed)?;
        let Self {
            writer,
            place,
            scratch,
        } = self;
        drop(writer);
        match scratch {
            None => Ok(()),
            Some(scratch) => scratch
                .rename_to(&place)
                .with_context(|| place.display().to_string()),
        }
    }

    fn named(&self, result: io::Result<()>) -> Result<()> {
        match self.place == Path::new("-") {
            true => Ok(result.map_err(OutputError::from)?),
            false => result.with_context(|| self.place.display().to_string()),
        }
    }
}
