//! Second and third pass: counting the words that are kept, then writing the data set.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::chunk::{ChunkFile, ChunkReader, LABELS, Place, SharedFile, StoredChunk, extend_u32s};
use super::layout::{FIELDS, Layout, SOURCE, Side};
use super::select::{Selection, SelectionReader};
use crate::count::WordCounter;
use crate::dataset::{extra_of, stream_names};
use crate::error::{DataError, LineFault};
use crate::parallel;
use crate::report::WordReport;
use crate::scratch::create_part;
use crate::spec::TaskKind;
use crate::vocabulary::Vocabulary;

/// One input, tokenised.
pub(super) struct Part {
    pub(super) scratch: ChunkFile,
    places: Vec<Place>,
    selection: Selection,
    /// Where each chunk begins in the data set; known once the part is surveyed.
    starts: Vec<Extent>,
    /// The place of this input's report.
    pub(super) report: usize,
    /// The name that messages use.
    input: String,
}

/// How much of a data set lies before a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) examples: u64,
    sentences: u64,
    ids: [u64; FIELDS],
}

impl Extent {
    fn add(&mut self, other: &Self) {
        self.examples += other.examples;
        self.sentences += other.sentences;
        let ids = self.ids.iter_mut().zip(other.ids);
        ids.for_each(|(sum, ids)| *sum += ids);
    }
}

/// One thread's working memory.
struct Worker<'a> {
    chunks: ChunkReader,
    flags_of: SelectionReader<'a>,
    chunk: StoredChunk,
    flags: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(part: &'a Part) -> Result<Self, DataError> {
        Ok(Self {
            chunks: part.scratch.reader()?,
            flags_of: part.selection.reader()?,
            chunk: StoredChunk::default(),
            flags: Vec::new(),
        })
    }

    fn read(&mut self, place: Place, first_entry: u64) -> Result<(), DataError> {
        self.chunks.read(place, &mut self.chunk)?;
        self.flags_of
            .read(first_entry, place.entries, &mut self.flags)
    }
}

/// The kept sentences of a stream: flags, the words kept, and the number of words before that.
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
            let words = field.ids.get(start..start + length.min(stored) as usize)?;
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

/// The first entry of each chunk.
fn first_entries(places: &[Place]) -> Vec<u64> {
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

impl Part {
    pub(super) fn new(
        scratch: ChunkFile,
        places: Vec<Place>,
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

    /// Finds where each chunk of an input goes, and counts its words if `counters` are given: one for
    /// each stream.
    pub(super) fn survey(
        &mut self,
        layout: &Layout,
        threads: usize,
        counters: &[Option<&WordCounter>],
        position: &mut Extent,
    ) -> Result<(), DataError> {
        let part = &*self;
        let firsts = first_entries(&part.places);
        let extents = Mutex::new(vec![Extent::default(); part.places.len()]);
        parallel::for_each(
            threads,
            |send| {
                (0..part.places.len()).all(send);
                Ok(())
            },
            || Ok((Worker::new(part)?, Vec::new())),
            |(worker, counts), _, number| {
                worker.read(part.places[number], firsts[number])?;
                let (chunk, flags) = (&worker.chunk, &worker.flags);
                let mut extent = Extent {
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
                                if let Some(count) = counts.get_mut(word as usize) {
                                    *count += weight;
                                }
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
        let mut worker = Worker::new(self)?;
        for (place, first) in self.places.iter().zip(first_entries(&self.places)) {
            worker.read(*place, first)?;
            let words: Vec<&str> = worker.chunk.words[LABELS].iter().collect();
            let kept = worker.chunk.labels.iter().zip(&worker.flags);
            for (label, _) in kept.filter(|(_, flags)| **flags != 0) {
                if let Some(word) = words.get(*label as usize)
                    && !labels.contains(*word)
                {
                    labels.insert((*word).to_owned());
                }
            }
        }
        Ok(())
    }

    /// What each example has beside its sentences, as bytes. `first_row` is the row of the first
    /// line in the files of vectors taken together.
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
            problem: "a record of it has lost its label or line".into(),
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

    /// Writes an input into the files of its data set; returns what became of its words, by side.
    /// `labels` are the task's, sorted; `first_row` is where the input's lines begin among the rows of
    /// the split's vectors.
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
                Ok((Worker::new(self)?, files, Vec::new(), Vec::new()))
            },
            |(worker, files, map, bytes), _, number| {
                let start = self.starts[number];
                worker.read(self.places[number], firsts[number])?;
                let (chunk, flags) = (&worker.chunk, &worker.flags);
                let mut words_of: [WordReport; 2] = Default::default();
                for (stream, vocabulary) in vocabularies.iter().enumerate() {
                    let stream_layout = layout.streams[stream];
                    let dictionary = &chunk.words[layout.dictionary(stream_layout.field)];
                    map.clear();
                    map.extend(dictionary.iter().map(|word| vocabulary.id_or_unknown(word)));
                    let (mut ids, mut ends) = (Vec::new(), Vec::new());
                    let mut end = start.ids[stream];
                    let side = match stream_layout.side {
                        Side::Source => &mut words_of[0],
                        Side::Target => &mut words_of[1],
                    };
                    for (_, words, length) in kept(chunk, flags, layout, stream) {
                        ids.extend(words.iter().map(|word| {
                            map.get(*word as usize).copied().unwrap_or(Vocabulary::UNK)
                        }));
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

/// The names of a data set's files.
fn file_names(kind: TaskKind) -> Vec<String> {
    let streams = stream_names(kind).iter();
    let mut names: Vec<String> = streams
        .flat_map(|name| [format!("{name}.ids"), format!("{name}.ends")])
        .collect();
    names.extend(extra_of(kind).map(|(name, _)| name.to_owned()));
    names
}

/// Creates the files of a data set, empty.
pub(super) fn create_files(folder: &Path, kind: TaskKind) -> Result<(), DataError> {
    fs::create_dir_all(folder).map_err(DataError::io(folder))?;
    for name in file_names(kind) {
        let path = folder.join(name);
        create_part(&path).map_err(DataError::io(&path))?;
    }
    Ok(())
}
