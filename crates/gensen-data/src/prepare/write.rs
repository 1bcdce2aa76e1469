//! The second and third pass over an input: counting the words of the examples kept, then writing
//! the examples to the data set.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::chunk::{
    ChunkFile, ChunkPlace, ChunkReader, LABELS, SharedFile, StoredChunk, extend_u32s,
};
use super::layout::{FIELDS, Layout, SOURCE, StreamSide};
use super::select::{Selection, SelectionReader};
use crate::count::WordCounter;
use crate::dataset::{extra_of, stream_names};
use crate::error::{DataError, LineFault};
use crate::parallel;
use crate::report::WordReport;
use crate::scratch::create_part;
use crate::spec::TaskKind;
use crate::vocabulary::Vocabulary;

/// One tokenised input: a part of its split.
pub(super) struct InputPart {
    pub(super) scratch: ChunkFile,
    places: Vec<ChunkPlace>,
    selection: Selection,
    /// The start of each chunk in the data set; set by [`InputPart::survey`].
    starts: Vec<DataSize>,
    /// The index of this input's report.
    pub(super) report: usize,
    /// The input's name in messages.
    input: String,
}

/// The size of the part of a data set before a chunk, or that of a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DataSize {
    pub(super) examples: u64,
    sentences: u64,
    ids: [u64; FIELDS],
}

impl DataSize {
    fn add(&mut self, other: &Self) {
        self.examples += other.examples;
        self.sentences += other.sentences;
        let ids = self.ids.iter_mut().zip(other.ids);
        ids.for_each(|(sum, ids)| *sum += ids);
    }
}

/// Reads a part's chunks with their flags: one thread's state.
struct PartReader<'a> {
    chunks: ChunkReader,
    flags_of: SelectionReader<'a>,
    chunk: StoredChunk,
    flags: Vec<u8>,
}

impl<'a> PartReader<'a> {
    fn new(part: &'a InputPart) -> Result<Self, DataError> {
        Ok(Self {
            chunks: part.scratch.reader()?,
            flags_of: part.selection.reader()?,
            chunk: StoredChunk::default(),
            flags: Vec::new(),
        })
    }

    fn read(&mut self, place: ChunkPlace, first_entry: u64) -> Result<(), DataError> {
        self.chunks.read(place, &mut self.chunk)?;
        self.flags_of
            .read(first_entry, place.entries, &mut self.flags)
    }
}

/// The sentences of a stream that are kept: flags, words after truncation, and the number of words
/// before.
fn kept<'a>(
    chunk: &'a StoredChunk,
    flags: &'a [u8],
    layout: &Layout,
    stream: usize,
) -> impl Iterator<Item = (u8, &'a [u32], u32)> {
    let stream = layout.streams[stream];
    let field = &chunk.fields[stream.field];
    let stored = layout.kept_words(stream.field);
    let mut start = 0;
    flags
        .iter()
        .zip(&field.lengths)
        .filter_map(move |(&flags, &length)| {
            if length == super::chunk::BREAK {
                return None;
            }
            // A chunk read from the file was written with this many ids for each sentence.
            let words = &field.ids[start..start + length.min(stored) as usize];
            start += words.len();
            (flags != 0).then(|| {
                (
                    flags,
                    &words[..words.len().min(stream.max_words as usize)],
                    length,
                )
            })
        })
}

/// The number of each chunk's first entry in the input.
fn first_entries(places: &[ChunkPlace]) -> Vec<u64> {
    let mut next = 0;
    places
        .iter()
        .map(|place| {
            let first = next;
            next += place.entries;
            first
        })
        .collect()
}

impl InputPart {
    pub(super) fn new(
        scratch: ChunkFile,
        places: Vec<ChunkPlace>,
        selection: Selection,
        report: usize,
        input: &str,
    ) -> Self {
        Self {
            input: input.to_owned(),
            scratch,
            places,
            selection,
            starts: Vec::new(),
            report,
        }
    }

    /// Computes the start of each chunk in the data set and advances `position` past this input.
    /// Adds the words of each stream to its counter in `counters`, if it has one.
    pub(super) fn survey(
        &mut self,
        layout: &Layout,
        threads: usize,
        counters: &[Option<&WordCounter>],
        position: &mut DataSize,
    ) -> Result<(), DataError> {
        let part = &*self;
        let firsts = first_entries(&part.places);
        let extents = Mutex::new(vec![DataSize::default(); part.places.len()]);
        parallel::for_each(
            threads,
            |send| {
                (0..part.places.len()).all(send);
                Ok(())
            },
            || Ok((PartReader::new(part)?, Vec::new())),
            |(reader, counts), _, number| {
                reader.read(part.places[number], firsts[number])?;
                let (chunk, flags) = (&reader.chunk, &reader.flags);
                let mut extent = DataSize {
                    examples: flags.iter().filter(|flags| **flags & SOURCE != 0).count() as u64,
                    sentences: flags.iter().filter(|flags| **flags != 0).count() as u64,
                    ids: [0; FIELDS],
                };
                for (stream, counter) in counters.iter().enumerate() {
                    let dictionary = &chunk.words[layout.dictionary(layout.streams[stream].field)];
                    counts.clear();
                    counts.resize(dictionary.len(), 0u64);
                    for (flags, words, _) in kept(chunk, flags, layout, stream) {
                        extent.ids[stream] += words.len() as u64;
                        let weight = layout.count_weight(stream, flags);
                        if counter.is_some() && weight > 0 {
                            for &word in words {
                                counts[word as usize] += weight;
                            }
                        }
                    }
                    if let Some(counter) = counter {
                        counter.add(dictionary.iter().zip(counts.iter().copied()))?;
                    }
                }
                extents.lock().unwrap_or_else(PoisonError::into_inner)[number] = extent;
                Ok(())
            },
        )?;
        let extents = extents.into_inner().unwrap_or_else(PoisonError::into_inner);
        for extent in &extents {
            self.starts.push(*position);
            position.add(extent);
        }
        Ok(())
    }

    /// Adds the labels of the examples kept.
    pub(super) fn labels(&self, labels: &mut BTreeSet<String>) -> Result<(), DataError> {
        let mut reader = PartReader::new(self)?;
        for (place, first) in self.places.iter().zip(first_entries(&self.places)) {
            reader.read(*place, first)?;
            let words: Vec<&str> = reader.chunk.words[LABELS].iter().collect();
            let kept = reader.chunk.labels.iter().zip(&reader.flags);
            for (label, _) in kept.filter(|(_, flags)| **flags != 0) {
                let word = words[*label as usize];
                if !labels.contains(word) {
                    labels.insert(word.to_owned());
                }
            }
        }
        Ok(())
    }

    /// The bytes of a chunk in the file named by [`extra_of`]. `sentences` is the number of
    /// sentences before the chunk, `first_row` the row of the input's first line among all rows of
    /// the split's vectors.
    fn extra(
        &self,
        layout: &Layout,
        (chunk, flags): (&StoredChunk, &[u8]),
        labels: &[String],
        (sentences, first_row): (u64, u64),
    ) -> Result<Vec<u8>, DataError> {
        let kept = || flags.iter().enumerate().filter(|(_, flags)| **flags != 0);
        let damaged = || DataError::Damaged {
            path: self.input.clone(),
            problem: "an example has lost its label or line number".into(),
        };
        match layout.kind {
            TaskKind::Nli => {
                let label = |(k, _): (usize, _)| Some(*chunk.labels.get(k)? as u8);
                let labels = kept().map(label).collect::<Option<_>>();
                labels.ok_or_else(damaged)
            }
            TaskKind::Classification => {
                let words: Vec<&str> = chunk.words[LABELS].iter().collect();
                let mut bytes = Vec::new();
                for (k, _) in kept() {
                    let word = chunk.labels.get(k).and_then(|&k| words.get(k as usize));
                    let word = *word.ok_or_else(damaged)?;
                    let number = labels.binary_search_by(|label| label.as_str().cmp(word));
                    let Ok(number) = number else {
                        let line = *chunk.lines.get(k).ok_or_else(damaged)?;
                        let fault = LineFault::UnseenLabel(word.to_owned());
                        return Err(DataError::line(&self.input, line.into(), fault));
                    };
                    bytes.extend((number as u32).to_le_bytes());
                }
                Ok(bytes)
            }
            TaskKind::Distillation => {
                let row = |(k, _): (usize, _)| {
                    Some((first_row + u64::from(*chunk.lines.get(k)?) - 1).to_le_bytes())
                };
                let rows = kept().map(row).collect::<Option<Vec<_>>>();
                Ok(rows.ok_or_else(damaged)?.concat())
            }
            TaskKind::SkipThought | TaskKind::NextSentence => {
                let middles = (sentences..).zip(kept().map(|(_, flags)| flags));
                let middles = middles.filter(|(_, flags)| **flags & SOURCE != 0);
                Ok(middles
                    .flat_map(|(sentence, _)| sentence.to_le_bytes())
                    .collect())
            }
            TaskKind::Translation | TaskKind::Seq2seq | TaskKind::Parsing | TaskKind::Pairs => {
                Ok(Vec::new())
            }
        }
    }

    /// Writes an input to the files of its data set. Returns the statistics of its source and
    /// target words. `labels` are the task's labels, sorted; `first_row` is the row of the input's
    /// first line among all rows of the split's vectors.
    pub(super) fn write(
        &self,
        layout: &Layout,
        threads: usize,
        vocabularies: &[&Vocabulary],
        (labels, first_row): (&[String], u64),
        folder: &Path,
    ) -> Result<[WordReport; 2], DataError> {
        let firsts = first_entries(&self.places);
        let report: Mutex<[WordReport; 2]> = Mutex::default();
        let names = file_names(layout.kind);
        parallel::for_each(
            threads,
            |send| {
                (0..self.places.len()).all(send);
                Ok(())
            },
            || {
                let files = names
                    .iter()
                    .map(|name| SharedFile::open(&folder.join(name)));
                let files = files.collect::<Result<Vec<_>, _>>()?;
                Ok((PartReader::new(self)?, files, Vec::new(), Vec::new()))
            },
            |(reader, files, map, bytes), _, number| {
                let start = self.starts[number];
                reader.read(self.places[number], firsts[number])?;
                let (chunk, flags) = (&reader.chunk, &reader.flags);
                let mut words_of: [WordReport; 2] = Default::default();
                for (stream, vocabulary) in vocabularies.iter().enumerate() {
                    let stream_layout = layout.streams[stream];
                    let dictionary = &chunk.words[layout.dictionary(stream_layout.field)];
                    map.clear();
                    map.extend(dictionary.iter().map(|word| vocabulary.id_or_unknown(word)));
                    let (mut ids, mut ends) = (Vec::new(), Vec::new());
                    let mut end = start.ids[stream];
                    let side = match stream_layout.side {
                        StreamSide::Source => &mut words_of[0],
                        StreamSide::Target => &mut words_of[1],
                    };
                    for (_, words, length) in kept(chunk, flags, layout, stream) {
                        ids.extend(words.iter().map(|&word| map[word as usize]));
                        end += words.len() as u64;
                        ends.extend(end.to_le_bytes());
                        side.truncated += u64::from(length > stream_layout.max_words);
                    }
                    side.words += ids.len() as u64;
                    side.unknown += ids.iter().filter(|id| **id == Vocabulary::UNK).count() as u64;
                    bytes.clear();
                    extend_u32s(bytes, &ids);
                    files[stream * 2].write_at(start.ids[stream] * 4, bytes)?;
                    files[stream * 2 + 1].write_at(start.sentences * 8, &ends)?;
                }
                let position = (start.sentences, first_row);
                let extra = self.extra(layout, (chunk, flags), labels, position)?;
                if let Some(size) = extra_of(layout.kind).map(|(_, size)| size) {
                    files[vocabularies.len() * 2].write_at(start.examples * size, &extra)?;
                }
                let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                report
                    .iter_mut()
                    .zip(&words_of)
                    .for_each(|(sum, words)| sum.add(words));
                Ok(())
            },
        )?;
        Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The names of the files of a data set.
fn file_names(kind: TaskKind) -> Vec<String> {
    let streams = stream_names(kind).iter();
    let mut names: Vec<String> = streams
        .flat_map(|name| [format!("{name}.ids"), format!("{name}.ends")])
        .collect();
    names.extend(extra_of(kind).map(|(name, _)| name.to_owned()));
    names
}

/// Creates the files of a data set, all empty.
pub(super) fn create_files(folder: &Path, kind: TaskKind) -> Result<(), DataError> {
    fs::create_dir_all(folder).map_err(DataError::io(folder))?;
    for name in file_names(kind) {
        let path = folder.join(name);
        create_part(&path).map_err(DataError::io(&path))?;
    }
    Ok(())
}
