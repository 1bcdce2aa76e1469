//! Prepared examples, mapped from disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::batch::{Batch, NliBatch, Sentences, Seq2SeqBatch};
use crate::error::DataError;
use crate::spec::TaskKind;
use crate::vocabulary::Vocabulary;

/// The examples of one split of one task, in file order, mapped from disk: a corpus may be larger
/// than memory. A clone shares the maps.
#[derive(Clone, Debug)]
pub struct Dataset {
    maps: Arc<Maps>,
}

#[derive(Debug)]
struct Maps {
    folder: String,
    kind: TaskKind,
    len: u64,
    streams: [Stream; 2],
    /// Labels of sentence pairs, or the middle sentences of triples.
    extra: Option<Mmap>,
}

/// Sentences without their special words: word ids as little-endian u32, and for each sentence the
/// number of ids up to its end as little-endian u64.
#[derive(Debug)]
struct Stream {
    ids: Mmap,
    ends: Mmap,
}

/// The names of a kind's two streams of sentences.
pub(crate) fn stream_names(kind: TaskKind) -> [&'static str; 2] {
    match kind {
        TaskKind::Nli => ["premises", "hypotheses"],
        _ => ["source", "target"],
    }
}

/// The name of what a kind has beside sentences.
pub(crate) fn extra_name(kind: TaskKind) -> Option<&'static str> {
    match kind {
        TaskKind::Nli => Some("labels"),
        TaskKind::SkipThought => Some("triples"),
        _ => None,
    }
}

impl Dataset {
    /// Maps a folder that preparation wrote.
    pub(crate) fn open(folder: &Path, kind: TaskKind, len: u64) -> Result<Self, DataError> {
        let map = |name: &str| {
            let path = folder.join(name);
            let file = File::open(&path).map_err(DataError::io(&path))?;
            // SAFETY: prepared files are complete when they get their name and nobody writes to
            // them afterwards; as with any map, a person who cuts one short while it is in use
            // ends the process.
            unsafe { Mmap::map(&file) }.map_err(DataError::io(&path))
        };
        let [first, second] = stream_names(kind);
        let stream = |name: &str| {
            Ok(Stream {
                ids: map(&format!("{name}.ids"))?,
                ends: map(&format!("{name}.ends"))?,
            })
        };
        let maps = Maps {
            folder: folder.display().to_string(),
            kind,
            len,
            streams: [stream(first)?, stream(second)?],
            extra: extra_name(kind).map(map).transpose()?,
        };
        let dataset = Self {
            maps: Arc::new(maps),
        };
        dataset.check()?;
        Ok(dataset)
    }

    /// Checks that the files fit together.
    fn check(&self) -> Result<(), DataError> {
        let maps = &*self.maps;
        for (stream, name) in maps.streams.iter().zip(stream_names(maps.kind)) {
            let sentences = stream.len();
            let ids = sentences
                .checked_sub(1)
                .and_then(|last| stream.end(last))
                .unwrap_or_default();
            let enough = maps.kind == TaskKind::SkipThought || sentences == maps.len;
            if !enough || ids * 4 != stream.ids.len() as u64 {
                let problem = format!(
                    "`{name}` has {sentences} sentences and {ids} ids in {} bytes",
                    stream.ids.len()
                );
                return Err(self.damaged(problem));
            }
        }
        let expected = match maps.kind {
            TaskKind::Nli => maps.len,
            TaskKind::SkipThought => maps.len * 8,
            _ => return Ok(()),
        };
        let found = maps.extra.as_ref().map_or(0, |extra| extra.len() as u64);
        if found != expected {
            return Err(self.damaged(format!(
                "{found} bytes beside the sentences, expected {expected}"
            )));
        }
        Ok(())
    }

    fn damaged(&self, problem: String) -> DataError {
        DataError::Damaged {
            path: self.maps.folder.clone(),
            problem,
        }
    }

    /// The number of examples: pairs, or triples of neighbouring sentences.
    #[expect(
        clippy::len_without_is_empty,
        reason = "preparation refuses a split without examples"
    )]
    pub fn len(&self) -> u64 {
        self.maps.len
    }

    /// What the examples are.
    pub fn kind(&self) -> TaskKind {
        self.maps.kind
    }

    /// The length of an example's source sentence (NLI: of its premise) as in a batch, special
    /// words included; `None` if there is no such example.
    pub fn source_length(&self, index: u64) -> Option<u32> {
        let sentence = self.source_sentence(index)?;
        let (start, end) = self.maps.streams[0].range(sentence)?;
        Some((end - start) as u32 + 2)
    }

    /// The examples at `indices` as a batch, in that order.
    ///
    /// # Errors
    /// [`DataError::Index`] for an example that does not exist, [`DataError::Damaged`] if the
    /// prepared files contradict themselves.
    pub fn batch_of(&self, indices: &[u64]) -> Result<Batch, DataError> {
        if let Some(&index) = indices.iter().find(|index| **index >= self.len()) {
            return Err(DataError::Index {
                index,
                len: self.len(),
            });
        }
        let [first, second] = &self.maps.streams;
        let collect = |stream: &Stream, offset: i64| {
            let mut sentences = Sentences::default();
            for &index in indices {
                self.source_sentence(index)
                    .and_then(|sentence| sentence.checked_add_signed(offset))
                    .and_then(|sentence| stream.push_to(sentence, &mut sentences))
                    .ok_or_else(|| self.damaged(format!("example {index} is cut short")))?;
            }
            Ok(sentences)
        };
        Ok(match self.maps.kind {
            TaskKind::Nli => {
                let labels = self.maps.extra.as_deref().unwrap_or_default();
                Batch::Nli(NliBatch {
                    premises: collect(first, 0)?,
                    hypotheses: collect(second, 0)?,
                    labels: indices
                        .iter()
                        .filter_map(|&index| labels.get(index as usize).copied())
                        .collect(),
                })
            }
            TaskKind::SkipThought => Batch::Seq2Seq(Seq2SeqBatch {
                source: collect(first, 0)?,
                targets: vec![collect(second, 1)?, collect(second, -1)?],
            }),
            TaskKind::Translation | TaskKind::Seq2seq | TaskKind::Parsing => {
                Batch::Seq2Seq(Seq2SeqBatch {
                    source: collect(first, 0)?,
                    targets: vec![collect(second, 0)?],
                })
            }
        })
    }

    /// All examples in file order, `batch_size` at a time; the last batch may be smaller.
    pub fn sequential(
        &self,
        batch_size: usize,
    ) -> impl Iterator<Item = Result<Batch, DataError>> + use<> {
        let dataset = self.clone();
        let size = batch_size.max(1);
        (0..self.len()).step_by(size).map(move |start| {
            let end = dataset.len().min(start + size as u64);
            dataset.batch_of(&(start..end).collect::<Vec<_>>())
        })
    }

    /// The place of an example's source sentence in its stream.
    fn source_sentence(&self, index: u64) -> Option<u64> {
        match self.maps.kind {
            TaskKind::SkipThought => read_u64(self.maps.extra.as_deref()?, index),
            _ => (index < self.maps.len).then_some(index),
        }
    }
}

impl Stream {
    fn len(&self) -> u64 {
        self.ends.len() as u64 / 8
    }

    fn end(&self, sentence: u64) -> Option<u64> {
        read_u64(&self.ends, sentence)
    }

    /// The places of a sentence's ids.
    fn range(&self, sentence: u64) -> Option<(u64, u64)> {
        let start = match sentence.checked_sub(1) {
            Some(before) => self.end(before)?,
            None => 0,
        };
        let end = self.end(sentence)?;
        (start <= end).then_some((start, end))
    }

    /// Appends a sentence with its special words.
    fn push_to(&self, sentence: u64, sentences: &mut Sentences) -> Option<()> {
        let (start, end) = self.range(sentence)?;
        let bytes = self
            .ids
            .get(usize::try_from(start * 4).ok()?..usize::try_from(end * 4).ok()?)?;
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

fn read_u64(bytes: &[u8], index: u64) -> Option<u64> {
    let start = usize::try_from(index).ok()?.checked_mul(8)?;
    let word = bytes.get(start..start.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}
