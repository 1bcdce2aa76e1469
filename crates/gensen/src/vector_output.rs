//! Output of vectors in any format: a file that is complete or absent, or a stream to standard output or a pipe.

mod format;
#[cfg(feature = "parquet")]
mod parquet;
mod sink;
mod text;

use std::path::Path;

use anyhow::Result;
use gensen_encode::{VectorConverter, Vectors};

use crate::npy::{self, Npy};

pub(crate) use format::{Format, Written};

/// A writer of vectors.
pub(crate) enum VectorOutput {
    Npy(Npy, npy::NumberKind),
    Lines(text::TextWriter),
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::Parquet>),
}

impl VectorOutput {
    /// Begins a file at `place`, or standard output if that is `-`; the first vector is that of line `lines_before` + 1.
    pub(crate) fn create(
        place: &Path,
        written: Written,
        converter: &VectorConverter,
        lines_before: u64,
    ) -> Result<Self> {
        let columns = converter.columns();
        let kind = npy::NumberKind::of(converter.precision());
        Ok(match written.format {
            Format::Npy => Self::Npy(Npy::create(place)?, kind),
            Format::Jsonl => {
                Self::Lines(text::TextWriter::json(place, written.gzip, lines_before)?)
            }
            Format::Csv => Self::Lines(text::TextWriter::csv(
                place,
                written.gzip,
                columns,
                lines_before,
            )?),
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let file = parquet::Parquet::create(place, kind, lines_before)?;
                Self::Parquet(Box::new(file))
            }
        })
    }

    /// Whether output is flushed line by line, for a reader at the other end.
    pub(crate) fn is_read_along(&self) -> bool {
        matches!(self, Self::Lines(lines) if lines.is_read_along())
    }

    /// Appends the vectors of these sentences.
    pub(crate) fn write(&mut self, sentences: &[String], vectors: &Vectors) -> Result<()> {
        match self {
            Self::Npy(file, _) => file.write_vectors(vectors),
            Self::Lines(lines) => lines.write(sentences, vectors),
            #[cfg(feature = "parquet")]
            Self::Parquet(file) => file.write(sentences, vectors),
        }
    }

    /// Renames the file to its final name; `[lines, columns]` is its shape.
    pub(crate) fn finish(self, lines: u64, columns: u64) -> Result<()> {
        match self {
            Self::Npy(file, kind) => file.finish(kind.descr(), &[lines, columns]),
            Self::Lines(lines) => lines.finish(),
            #[cfg(feature = "parquet")]
            Self::Parquet(file) => file.finish(),
        }
    }
}
