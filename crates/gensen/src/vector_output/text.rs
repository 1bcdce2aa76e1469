//! Vectors as lines of text: JSON, or comma-separated values (RFC 4180).

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use gensen_encode::Vectors;
use ndarray::Array2;
use serde::Serialize;

use super::sink::Sink;

pub(crate) struct TextWriter {
    sink: Sink,
    kind: TextFormat,
    /// Lines of the input so far.
    line: u64,
}

#[derive(Clone, Copy)]
enum TextFormat {
    Json,
    Csv,
}

/// A line of JSON lines.
#[derive(Serialize)]
struct VectorJson<'a, T> {
    line: u64,
    text: &'a str,
    vector: &'a [T],
}

impl TextWriter {
    pub(super) fn json(place: &Path, gzip: bool, line: u64) -> Result<Self> {
        let sink = Sink::create(place, gzip)?;
        let kind = TextFormat::Json;
        Ok(Self { sink, kind, line })
    }

    pub(super) fn csv(place: &Path, gzip: bool, columns: usize, line: u64) -> Result<Self> {
        let mut sink = Sink::create(place, gzip)?;
        sink.write(|out| {
            out.write_all(b"line,text")?;
            (0..columns).try_for_each(|k| write!(out, ",v{k}"))?;
            out.write_all(b"\n")
        })?;
        let kind = TextFormat::Csv;
        Ok(Self { sink, kind, line })
    }

    pub(super) fn is_read_along(&self) -> bool {
        self.sink.is_read_along()
    }

    pub(super) fn write(&mut self, sentences: &[String], vectors: &Vectors) -> Result<()> {
        match vectors {
            Vectors::F32(vectors) => self.rows(sentences, vectors),
            Vectors::I8(vectors) => self.rows(sentences, vectors),
            Vectors::U8(vectors) => self.rows(sentences, vectors),
            other => anyhow::bail!("vectors without a text form: {:?}", other.dim()),
        }
    }

    fn rows<T: Serialize + Display + Copy>(
        &mut self,
        sentences: &[String],
        vectors: &Array2<T>,
    ) -> Result<()> {
        let Self { sink, kind, line } = self;
        let vectors = vectors.as_standard_layout();
        sink.write(|out| {
            let rows = vectors.rows();
            for (text, vector) in sentences.iter().zip(rows) {
                *line += 1;
                let numbers = vector.to_slice().ok_or(io::ErrorKind::InvalidInput)?;
                match kind {
                    TextFormat::Json => json(out, *line, text, numbers)?,
                    TextFormat::Csv => csv(out, *line, text, numbers)?,
                }
            }
            Ok(())
        })
    }

    pub(super) fn finish(self) -> Result<()> {
        self.sink.finish()
    }
}

fn json<T: Serialize>(out: &mut dyn Write, line: u64, text: &str, vector: &[T]) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &VectorJson { line, text, vector })?;
    out.write_all(b"\n")
}

fn csv<T: Display>(out: &mut dyn Write, line: u64, text: &str, vector: &[T]) -> io::Result<()> {
    match text.contains(['"', ',', '\n', '\r']) {
        true => write!(out, "{line},\"{}\"", text.replace('"', "\"\""))?,
        false => write!(out, "{line},{text}")?,
    }
    vector.iter().try_for_each(|x| write!(out, ",{x}"))?;
    out.write_all(b"\n")
}
