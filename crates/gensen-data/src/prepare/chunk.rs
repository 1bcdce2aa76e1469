//! Chunks: the tokenised examples of one block, with words numbered by the chunk's own
//! dictionaries.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::layout::FIELDS;
use crate::error::DataError;
use crate::scratch::create_part;
use crate::words::WordTable;

/// One field of a chunk's examples: the sources, for instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// The number of words of each sentence before truncation, or [`BREAK`].
    pub(super) lengths: Vec<u32>,
    /// The words after truncation, as their numbers in the chunk's dictionary.
    pub(super) ids: Vec<u32>,
}

/// Marks the end of a document in [`Field::lengths`].
pub(super) const BREAK: u32 = u32::MAX;

/// The examples of one block; for running text, its sentences.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) fields: [Field; FIELDS],
    /// The distinct words, in order of appearance.
    pub(super) words: [WordTable; FIELDS],
    /// The label of each example: its number (NLI), or its number in the dictionary [`LABELS`].
    pub(super) labels: Vec<u32>,
    /// The line of each example in its file, counted from 1.
    pub(super) lines: Vec<u32>,
}

/// The index of the dictionary of a classification task's labels.
pub(super) const LABELS: usize = FIELDS - 1;

impl Field {
    fn clear(&mut self) {
        self.lengths.clear();
        self.ids.clear();
    }
}

impl Chunk {
    pub(super) fn clear(&mut self) {
        self.fields.iter_mut().for_each(Field::clear);
        self.words.iter_mut().for_each(WordTable::clear);
        self.labels.clear();
        self.lines.clear();
    }
}

/// The position of a chunk in the scratch file, and its number of entries (examples or sentences,
/// and breaks).
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkPlace {
    offset: u64,
    bytes: u64,
    pub(super) entries: u64,
}

/// A scratch file of chunks, appended to by many threads and then read several times.
pub(super) struct ChunkFile {
    path: PathBuf,
    file: Mutex<(File, u64)>,
}

/// Reads chunks back.
pub(super) struct ChunkReader {
    path: PathBuf,
    file: File,
    bytes: Vec<u8>,
}

/// A chunk read from the file: like [`Chunk`], with dictionaries as lists.
#[derive(Debug, Default)]
pub(super) struct StoredChunk {
    pub(super) fields: [Field; FIELDS],
    pub(super) words: [WordList; FIELDS],
    pub(super) labels: Vec<u32>,
    pub(super) lines: Vec<u32>,
}

/// A list of words, concatenated.
#[derive(Debug, Default)]
pub(super) struct WordList {
    text: String,
    lengths: Vec<u32>,
}

impl WordList {
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.lengths.iter().map(move |&length| {
            let end = start + length as usize;
            // `ChunkReader::read` checked that the lengths add up to that of the text.
            let word = &self.text[start..end];
            start = end;
            word
        })
    }
}

impl ChunkFile {
    pub(super) fn create(path: PathBuf) -> Result<Self, DataError> {
        let file = create_part(&path).map_err(DataError::io(&path))?;
        Ok(Self {
            path,
            file: Mutex::new((file, 0)),
        })
    }

    /// Appends a chunk; `bytes` is a reusable buffer.
    pub(super) fn append(
        &self,
        chunk: &Chunk,
        bytes: &mut Vec<u8>,
    ) -> Result<ChunkPlace, DataError> {
        bytes.clear();
        for field in &chunk.fields {
            put_u32s(bytes, &field.lengths);
        }
        put_u32s(bytes, &chunk.labels);
        put_u32s(bytes, &chunk.lines);
        // Ids are stored in two bytes if they fit, as they nearly always do.
        let narrow = chunk.words.iter().all(|words| words.len() <= 1 << 16);
        bytes.push(u8::from(narrow));
        for field in &chunk.fields {
            match narrow {
                true => put_u16s(bytes, &field.ids),
                false => put_u32s(bytes, &field.ids),
            }
        }
        for words in &chunk.words {
            let lengths: Vec<u32> = words.words().map(|word| word.len() as u32).collect();
            put_u32s(bytes, &lengths);
            put_bytes(bytes, words.text().as_bytes());
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.0.write_all(bytes).map_err(DataError::io(&self.path))?;
        let place = ChunkPlace {
            offset: file.1,
            bytes: bytes.len() as u64,
            entries: chunk.fields[0].lengths.len() as u64,
        };
        file.1 += place.bytes;
        Ok(place)
    }

    /// Deletes the file.
    pub(super) fn remove(self) -> Result<(), DataError> {
        std::fs::remove_file(&self.path).map_err(DataError::io(&self.path))
    }

    pub(super) fn reader(&self) -> Result<ChunkReader, DataError> {
        Ok(ChunkReader {
            path: self.path.clone(),
            file: File::open(&self.path).map_err(DataError::io(&self.path))?,
            bytes: Vec::new(),
        })
    }
}

impl ChunkReader {
    /// Reads a whole chunk.
    pub(super) fn read(
        &mut self,
        place: ChunkPlace,
        chunk: &mut StoredChunk,
    ) -> Result<(), DataError> {
        self.load(place.offset, place.bytes)?;
        let mut rest = &self.bytes[..];
        let mut take = || {
            for field in &mut chunk.fields {
                take_u32s(&mut rest, &mut field.lengths)?;
            }
            take_u32s(&mut rest, &mut chunk.labels)?;
            take_u32s(&mut rest, &mut chunk.lines)?;
            let narrow = *rest.split_off_first()? == 1;
            for field in &mut chunk.fields {
                match narrow {
                    true => take_u16s(&mut rest, &mut field.ids)?,
                    false => take_u32s(&mut rest, &mut field.ids)?,
                }
            }
            for words in &mut chunk.words {
                take_u32s(&mut rest, &mut words.lengths)?;
                words.text.clear();
                words
                    .text
                    .push_str(std::str::from_utf8(take_bytes(&mut rest)?).ok()?);
                let length: u64 = words.lengths.iter().map(|&length| u64::from(length)).sum();
                (length == words.text.len() as u64).then_some(())?;
            }
            Some(())
        };
        take().ok_or_else(|| self.damaged())
    }

    /// Reads only the lengths of a chunk's first field.
    pub(super) fn read_lengths(
        &mut self,
        place: ChunkPlace,
        lengths: &mut Vec<u32>,
    ) -> Result<(), DataError> {
        self.load(place.offset, 8 + place.entries * 4)?;
        take_u32s(&mut &self.bytes[..], lengths).ok_or_else(|| self.damaged())
    }

    fn load(&mut self, offset: u64, bytes: u64) -> Result<(), DataError> {
        self.bytes.resize(bytes as usize, 0);
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(&mut self.bytes))
            .map_err(DataError::io(&self.path))
    }

    fn damaged(&self) -> DataError {
        DataError::Damaged {
            path: self.path.display().to_string(),
            problem: "a chunk differs from what was written".into(),
        }
    }
}

/// A file that many threads write to, each at positions of its own.
pub(super) struct SharedFile {
    path: PathBuf,
    file: File,
}

impl SharedFile {
    /// Opens a new handle on an existing file.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(DataError::io(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DataError> {
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(DataError::io(&self.path))
    }
}

pub(super) fn extend_u32s(bytes: &mut Vec<u8>, numbers: &[u32]) {
    let start = bytes.len();
    bytes.resize(start + numbers.len() * 4, 0);
    let (places, _) = bytes[start..].as_chunks_mut::<4>();
    for (place, number) in places.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
}

fn put_u32s(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend((numbers.len() as u64).to_le_bytes());
    extend_u32s(bytes, numbers);
}

/// Writes numbers that are less than 2^16.
fn put_u16s(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend((numbers.len() as u64).to_le_bytes());
    let start = bytes.len();
    bytes.resize(start + numbers.len() * 2, 0);
    let (places, _) = bytes[start..].as_chunks_mut::<2>();
    for (place, number) in places.iter_mut().zip(numbers) {
        *place = (*number as u16).to_le_bytes();
    }
}

fn put_bytes(bytes: &mut Vec<u8>, data: &[u8]) {
    bytes.extend((data.len() as u64).to_le_bytes());
    bytes.extend(data);
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    take(rest, 1)
}

fn take_u32s(rest: &mut &[u8], numbers: &mut Vec<u32>) -> Option<()> {
    let (words, _) = take(rest, 4)?.as_chunks::<4>();
    numbers.clear();
    numbers.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
    Some(())
}

fn take_u16s(rest: &mut &[u8], numbers: &mut Vec<u32>) -> Option<()> {
    let (words, _) = take(rest, 2)?.as_chunks::<2>();
    numbers.clear();
    numbers.extend(
        words
            .iter()
            .map(|word| u32::from(u16::from_le_bytes(*word))),
    );
    Some(())
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length))
        .ok()?
        .checked_mul(size)?;
    let (data, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some(data)
}
