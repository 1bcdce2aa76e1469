//! A memory-mapped stream of sentences.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::batch::Sentences;
use crate::error::DataError;
use crate::vocabulary::Vocabulary;

/// Sentences without special words: word ids as little-endian u32, and for each sentence the
/// position after its last id as little-endian u64.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ids: Mmap,
    ends: Mmap,
}

impl Stream {
    /// Maps the files of the stream `name` in a folder.
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self, DataError> {
        Ok(Self {
            ids: map(&folder.join(format!("{name}.ids")))?,
            ends: map(&folder.join(format!("{name}.ends")))?,
        })
    }

    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64 / 8
    }

    pub(super) fn end(&self, sentence: u64) -> Option<u64> {
        read_u64(&self.ends, sentence)
    }

    /// The range of a sentence's ids.
    fn range(&self, sentence: u64) -> Option<(u64, u64)> {
        let start = match sentence.checked_sub(1) {
            Some(before) => self.end(before)?,
            None => 0,
        };
        let end = self.end(sentence)?;
        (start <= end).then_some((start, end))
    }

    /// The number of words of a sentence, with special words; 0 for an absent sentence, which is
    /// stored without words.
    pub(super) fn words(&self, sentence: u64) -> Option<u64> {
        let (start, end) = self.range(sentence)?;
        Some(if start == end { 0 } else { end - start + 2 })
    }

    /// Appends a sentence with its special words; an absent one as a sentence of length 0.
    pub(super) fn push_to(&self, sentence: u64, sentences: &mut Sentences) -> Option<()> {
        let (start, end) = self.range(sentence)?;
        let bytes = self
            .ids
            .get(usize::try_from(start * 4).ok()?..usize::try_from(end * 4).ok()?)?;
        if start == end {
            sentences.lengths.push(0);
            return Some(());
        }
        sentences.ids.push(Vocabulary::BOS);
        let (words, _) = bytes.as_chunks::<4>();
        sentences
            .ids
            .extend(words.iter().map(|word| u32::from_le_bytes(*word)));
        sentences.ids.push(Vocabulary::EOS);
        sentences.lengths.push((end - start) as u32 + 2);
        Some(())
    }
}

/// Maps a file written by preparation.
pub(super) fn map(path: &Path) -> Result<Mmap, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    // SAFETY: prepared files are complete when they are renamed to this path, and no code writes to
    // them afterwards. As with any map, truncating a file from outside while it is mapped ends the
    // process.
    unsafe { Mmap::map(&file) }.map_err(DataError::io(path))
}

/// Number `index` of little-endian numbers; `None` beyond the end.
pub(super) fn read_u32(bytes: &[u8], index: u64) -> Option<u32> {
    let start = usize::try_from(index).ok()?.checked_mul(4)?;
    let word = bytes.get(start..start.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

pub(super) fn read_u64(bytes: &[u8], index: u64) -> Option<u64> {
    let start = usize::try_from(index).ok()?.checked_mul(8)?;
    let word = bytes.get(start..start.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}
