//! NumPy's `.npy` files, written row by row; complete or absent.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gensen_data::npy::{Header, MAGIC};
use gensen_data::scratch::Scratch;
use gensen_encode::{VectorPrecision, Vectors};

/// Bytes of the padded header; the shape is known only at the end.
const HEADER_BYTES: usize = 192;

/// Whether a file begins with NumPy's magic bytes.
pub(crate) fn is_one(place: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    File::open(place)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

/// Whether a file is an array that this program wrote, with vectors of this shape and no byte more or less.
pub(crate) fn holds(place: &Path, shape: &[u64]) -> std::io::Result<bool> {
    let mut file = File::open(place)?;
    let mut start = Vec::new();
    (&mut file)
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut start)?;
    let numbers: u64 = shape.iter().product();
    let found = file.metadata()?.len();
    Ok([NumberKind::F32, NumberKind::I8, NumberKind::U8]
        .into_iter()
        .any(|kind| {
            let bytes = HEADER_BYTES as u64 + numbers * kind.bytes();
            start == Header::write(kind.descr(), shape, HEADER_BYTES) && found == bytes
        }))
}

/// The number type of a file of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberKind {
    F32,
    I8,
    U8,
}

impl NumberKind {
    /// The type that vectors of this precision are stored as.
    pub(crate) fn of(precision: VectorPrecision) -> Self {
        match precision {
            VectorPrecision::Int8 | VectorPrecision::Binary => Self::I8,
            VectorPrecision::Uint8 | VectorPrecision::Ubinary => Self::U8,
            _ => Self::F32,
        }
    }

    /// NumPy's name of the type.
    pub(crate) fn descr(self) -> &'static str {
        match self {
            Self::F32 => "<f4",
            Self::I8 => "|i1",
            Self::U8 => "|u1",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// A writer of a file under a scratch name.
pub(crate) struct Npy {
    place: PathBuf,
    scratch: Scratch,
    file: BufWriter<File>,
}

impl Npy {
    /// Begins the file at `place`.
    pub(crate) fn create(place: &Path) -> Result<Self> {
        let context = || place.display().to_string();
        let scratch = Scratch::file(place).with_context(context)?;
        let file = File::options().read(true).write(true).open(scratch.path());
        let mut file = BufWriter::with_capacity(1 << 20, file.with_context(context)?);
        file.write_all(&[0; HEADER_BYTES]).with_context(context)?;
        Ok(Self {
            place: place.to_owned(),
            scratch,
            file,
        })
    }

    fn context<T>(&self, result: std::io::Result<T>) -> Result<T> {
        result.with_context(|| self.place.display().to_string())
    }

    /// Appends numbers.
    pub(crate) fn write(&mut self, numbers: impl IntoIterator<Item = f32>) -> Result<()> {
        let written = numbers
            .into_iter()
            .try_for_each(|x| self.file.write_all(&x.to_le_bytes()));
        self.context(written)
    }

    /// Appends vectors.
    pub(crate) fn write_vectors(&mut self, vectors: &Vectors) -> Result<()> {
        let written = match vectors {
            Vectors::F32(vectors) => return self.write(vectors.iter().copied()),
            Vectors::I8(vectors) => {
                let bytes: Vec<u8> = vectors.iter().map(|x| x.cast_unsigned()).collect();
                self.file.write_all(&bytes)
            }
            Vectors::U8(vectors) => {
                let bytes: Vec<u8> = vectors.iter().copied().collect();
                self.file.write_all(&bytes)
            }
            other => bail!("vectors without a .npy type: {:?}", other.dim()),
        };
        self.context(written)
    }

    /// Appends whole numbers.
    pub(crate) fn write_integers(&mut self, numbers: impl IntoIterator<Item = i64>) -> Result<()> {
        let written = numbers
            .into_iter()
            .try_for_each(|x| self.file.write_all(&x.to_le_bytes()));
        self.context(written)
    }

    /// Writes the header and renames the file to its final name.
    pub(crate) fn finish(mut self, descr: &str, shape: &[u64]) -> Result<()> {
        let written = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| {
                self.file
                    .write_all(&Header::write(descr, shape, HEADER_BYTES))
            })
            .and_then(|()| self.file.flush());
        self.context(written)?;
        let place = self.place;
        drop(self.file);
        self.scratch
            .rename_to(&place)
            .with_context(|| place.display().to_string())
    }
}

/// Hidden states `[sentences, longest, width]`. The longest sentence is known only at the end: states are collected
/// unpadded and then written with padding.
pub(crate) struct PaddedNpy {
    ragged: Npy,
    width: usize,
}

impl PaddedNpy {
    /// Begins the file at `place`.
    pub(crate) fn create(place: &Path, width: usize) -> Result<Self> {
        let ragged = Npy::create(place)?;
        Ok(Self { ragged, width })
    }

    /// Appends the states of sentences, one word's after the other.
    pub(crate) fn write(&mut self, states: impl IntoIterator<Item = f32>) -> Result<()> {
        self.ragged.write(states)
    }

    /// Writes the file; `lengths` are the sentences' words.
    pub(crate) fn finish(self, lengths: &[i64]) -> Result<()> {
        let Self { mut ragged, width } = self;
        let place = ragged.place.clone();
        let flushed = ragged.file.flush();
        ragged.context(flushed)?;
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let mut padded = Npy::create(&place)?;
        let source = File::open(ragged.scratch.path());
        let mut source = BufReader::with_capacity(1 << 20, ragged.context(source)?);
        let moved = source.seek(SeekFrom::Start(HEADER_BYTES as u64));
        ragged.context(moved)?;
        let row_bytes = (width * size_of::<f32>()) as u64;
        for &length in lengths {
            let states = (&mut source).take(length as u64 * row_bytes);
            let zeros = std::io::repeat(0).take((longest - length) as u64 * row_bytes);
            let copied = std::io::copy(&mut states.chain(zeros), &mut padded.file);
            ragged.context(copied)?;
        }
        padded.finish("<f4", &[lengths.len() as u64, longest as u64, width as u64])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x.npy");
        let mut file = Npy::create(&place).unwrap();
        file.write([1.0, 2.0]).unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
