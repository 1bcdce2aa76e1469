//! Prepared examples, mapped from disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::batch::{
    Batch, BatchSize, ClassificationBatch, DistillationBatch, NliBatch, PairsBatch, Sentences,
    Seq2SeqBatch,
};
use crate::error::DataError;
use crate::spec::TaskKind;
use crate::teacher::Teacher;
use crate::vocabulary::Vocabulary;

/// The examples of one split of one task, in file order, mapped from disk: a corpus may be larger
/// than memory. A clone shares the maps.
#[derive(Clone, Debug)]
pub struct Dataset {
    maps: Arc<Maps>,
    /// Which of its kind's targets batches hold.
    targets: Arc<[usize]>,
    /// A distillation task's vectors.
    teacher: Option<Arc<Teacher>>,
}

#[derive(Debug)]
struct Maps {
    folder: String,
    kind: TaskKind,
    len: u64,
    /// As [`stream_names`] has them.
    streams: Vec<Stream>,
    /// Labels, the middle sentences of triples, or rows of vectors.
    extra: Option<Mmap>,
}

/// Sentences without their special words: word ids as little-endian u32, and for each sentence the
/// number of ids up to its end as little-endian u64.
#[derive(Debug)]
struct Stream {
    ids: Mmap,
    ends: Mmap,
}

/// The names of a kind's streams of sentences.
pub(crate) fn stream_names(kind: TaskKind) -> &'static [&'static str] {
    match kind {
        TaskKind::Nli => &["premises", "hypotheses"],
        TaskKind::Pairs => &["first", "second", "negatives"],
        TaskKind::Classification => &["first", "second"],
        TaskKind::Distillation | TaskKind::NextSentence => &["source"],
        TaskKind::Translation | TaskKind::Seq2seq | TaskKind::SkipThought | TaskKind::Parsing => {
            &["source", "target"]
        }
    }
}

/// The name of what a kind has beside sentences, and an example's bytes in it.
pub(crate) fn extra_of(kind: TaskKind) -> Option<(&'static str, u64)> {
    match kind {
        TaskKind::Nli => Some(("labels", 1)),
        TaskKind::Classification => Some(("labels", 4)),
        TaskKind::SkipThought | TaskKind::NextSentence => Some(("triples", 8)),
        TaskKind::Distillation => Some(("rows", 8)),
        TaskKind::Translation | TaskKind::Seq2seq | TaskKind::Parsing | TaskKind::Pairs => None,
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
            streams: stream_names(kind)
                .iter()
                .map(|name| stream(name))
                .collect::<Result<_, DataError>>()?,
            extra: extra_of(kind).map(|(name, _)| map(name)).transpose()?,
        };
        let dataset = Self {
            maps: Arc::new(maps),
            targets: (0..kind.decoders().len()).collect(),
            teacher: None,
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
            let enough = maps.kind.is_running_text() || sentences == maps.len;
            if !enough || ids * 4 != stream.ids.len() as u64 {
                let problem = format!(
                    "`{name}` has {sentences} sentences and {ids} ids in {} bytes",
                    stream.ids.len()
                );
                return Err(self.damaged(problem));
            }
        }
        let Some((_, size)) = extra_of(maps.kind) else {
            return Ok(());
        };
        let expected = maps.len * size;
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

    /// The same examples with some of their targets, by their places in the kind's list.
    #[must_use]
    pub fn keep_targets(mut self, targets: &[usize]) -> Self {
        self.targets = targets.into();
        self
    }

    /// The same examples with the vectors that a distillation task's rows are among.
    #[must_use]
    pub(crate) fn with_teacher(mut self, teacher: Teacher) -> Self {
        self.teacher = Some(Arc::new(teacher));
        self
    }

    /// The width of the teacher's vectors of a distillation task.
    pub fn teacher_width(&self) -> Option<usize> {
        self.teacher.as_ref().map(|teacher| teacher.width())
    }

    /// Whether the examples of a classification task are pairs of sentences.
    pub fn has_pairs(&self) -> bool {
        let second = self.maps.streams.get(1);
        second.is_some_and(|second| !second.ids.is_empty())
    }

    /// The words of an example as in a batch, those of all its sentences together and special
    /// words included; `None` if there is no such example.
    pub fn words(&self, index: u64) -> Option<u64> {
        let (first, others) = self.maps.streams.split_first()?;
        let source = self.source_sentence(index)?;
        let mut words = first.words(source)?;
        match self.maps.kind {
            TaskKind::NextSentence => words += first.words(source + 1)?,
            TaskKind::Nli | TaskKind::Pairs | TaskKind::Classification => {
                for other in others {
                    words += other.words(source)?;
                }
            }
            _ => {
                for &target in &*self.targets {
                    let sentence = self.target_sentence(source, target)?;
                    words += others.first()?.words(sentence)?;
                }
            }
        }
        Some(words)
    }

    /// The length of an example's source sentence (NLI: of its premise) as in a batch, special
    /// words included; `None` if there is no such example.
    pub fn source_length(&self, index: u64) -> Option<u32> {
        let words = self.maps.streams[0].words(self.source_sentence(index)?)?;
        Some(words as u32)
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
        let streams = &self.maps.streams;
        let collect = |stream: usize, place: &dyn Fn(u64) -> Option<u64>| {
            let mut sentences = Sentences::default();
            for &index in indices {
                self.source_sentence(index)
                    .and_then(place)
                    .and_then(|sentence| streams.get(stream)?.push_to(sentence, &mut sentences))
                    .ok_or_else(|| self.damaged(format!("example {index} is cut short")))?;
            }
            Ok(sentences)
        };
        let extra = self.maps.extra.as_deref().unwrap_or_default();
        Ok(match self.maps.kind {
            TaskKind::Nli => Batch::Nli(NliBatch {
                premises: collect(0, &Some)?,
                hypotheses: collect(1, &Some)?,
                labels: indices
                    .iter()
                    .filter_map(|&index| extra.get(index as usize).copied())
                    .collect(),
            }),
            TaskKind::Pairs => Batch::Pairs(PairsBatch {
                first: collect(0, &Some)?,
                second: collect(1, &Some)?,
                negatives: collect(2, &Some)?,
                numbers: None,
            }),
            TaskKind::NextSentence => Batch::Pairs(PairsBatch {
                first: collect(0, &Some)?,
                second: collect(0, &|source| source.checked_add(1))?,
                negatives: Sentences {
                    ids: Vec::new(),
                    lengths: vec![0; indices.len()],
                },
                numbers: None,
            }),
            TaskKind::Classification => {
                let second = collect(1, &Some)?;
                let labels = indices.iter().filter_map(|&index| read_u32(extra, index));
                Batch::Classification(ClassificationBatch {
                    first: collect(0, &Some)?,
                    second: self.has_pairs().then_some(second),
                    labels: labels.collect(),
                })
            }
            TaskKind::Distillation => {
                let mut vectors = Vec::new();
                for &index in indices {
                    let row = read_u64(extra, index);
                    let teacher = self.teacher.as_ref();
                    row.zip(teacher)
                        .and_then(|(row, teacher)| teacher.push_row(row, &mut vectors))
                        .ok_or_else(|| self.damaged(format!("example {index} has no vector")))?;
                }
                Batch::Distillation(DistillationBatch {
                    sentences: collect(0, &Some)?,
                    vectors,
                })
            }
            TaskKind::Translation
            | TaskKind::Seq2seq
            | TaskKind::SkipThought
            | TaskKind::Parsing => {
                let target =
                    |&target: &usize| collect(1, &|source| self.target_sentence(source, target));
                Batch::Seq2Seq(Seq2SeqBatch {
                    source: collect(0, &Some)?,
                    targets: self.targets.iter().map(target).collect::<Result<_, _>>()?,
                })
            }
        })
    }

    /// All examples in file order; the last batch may be smaller.
    pub fn sequential<S: Into<BatchSize>>(
        &self,
        size: S,
    ) -> impl Iterator<Item = Result<Batch, DataError>> + use<S> {
        let (dataset, size) = (self.clone(), size.into());
        let mut start = 0;
        std::iter::from_fn(move || {
            let end = dataset.end_of_batch(start, size);
            let indices: Vec<u64> = (std::mem::replace(&mut start, end)..end).collect();
            (!indices.is_empty()).then(|| dataset.batch_of(&indices))
        })
    }

    /// Where the batch that begins with an example ends.
    fn end_of_batch(&self, start: u64, size: BatchSize) -> u64 {
        match size {
            BatchSize::Sentences(size) => self.len().min(start.saturating_add(size.max(1))),
            BatchSize::Words(size) => {
                let mut words = 0;
                let fits = |&index: &u64| {
                    words += self.words(index).unwrap_or(0);
                    index == start || words <= size
                };
                start + (start..self.len()).take_while(fits).count() as u64
            }
        }
    }

    /// The place of an example's source sentence in its stream.
    fn source_sentence(&self, index: u64) -> Option<u64> {
        match self.maps.kind {
            kind if kind.is_running_text() => read_u64(self.maps.extra.as_deref()?, index),
            _ => (index < self.maps.len).then_some(index),
        }
    }

    /// The place in the second stream of a target of a source sentence: of a triple the next
    /// sentence, then the previous one.
    fn target_sentence(&self, source: u64, target: usize) -> Option<u64> {
        match (self.maps.kind, target) {
            (TaskKind::SkipThought, 0) => source.checked_add(1),
            (TaskKind::SkipThought, 1) => source.checked_sub(1),
            (TaskKind::Translation | TaskKind::Seq2seq | TaskKind::Parsing, 0) => Some(source),
            _ => None,
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

    /// The words of a sentence, special words included; none where a sentence is left out.
    fn words(&self, sentence: u64) -> Option<u64> {
        let (start, end) = self.range(sentence)?;
        Some(if start == end { 0 } else { end - start + 2 })
    }

    /// Appends a sentence with its special words, or nothing at all where one is left out.
    fn push_to(&self, sentence: u64, sentences: &mut Sentences) -> Option<()> {
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

fn read_u32(bytes: &[u8], index: u64) -> Option<u32> {
    let start = usize::try_from(index).ok()?.checked_mul(4)?;
    let word = bytes.get(start..start.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

fn read_u64(bytes: &[u8], index: u64) -> Option<u64> {
    let start = usize::try_from(index).ok()?.checked_mul(8)?;
    let word = bytes.get(start..start.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}
