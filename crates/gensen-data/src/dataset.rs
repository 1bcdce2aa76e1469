//! Memory-mapped data sets of prepared examples.

mod stream;

use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use self::stream::{Stream, read_u32, read_u64};
use crate::batch::{
    Batch, BatchSize, ClassificationBatch, DistillationBatch, NliBatch, PairsBatch, Sentences,
    Seq2SeqBatch,
};
use crate::error::DataError;
use crate::spec::TaskKind;
use crate::teacher::Teacher;

/// The examples of one split of one task, in file order. The files are memory-mapped, so a corpus
/// may be larger than memory; clones share the maps.
#[derive(Clone, Debug)]
pub struct Dataset {
    maps: Arc<Maps>,
    /// The targets that batches hold, as indices into the kind's decoders.
    targets: Arc<[usize]>,
    /// The teacher's vectors of a distillation task.
    teacher: Option<Arc<Teacher>>,
}

#[derive(Debug)]
struct Maps {
    folder: String,
    kind: TaskKind,
    len: u64,
    /// In the order of [`stream_names`].
    streams: Vec<Stream>,
    /// The file named by [`extra_of`]: labels, indices of the triples' middle sentences, or row
    /// numbers of vectors.
    extra: Option<Mmap>,
}

/// The names of the streams of sentences that a kind of task has.
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

/// The name of the file that a kind of task has besides its sentences, and its bytes per example.
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
    /// Maps the files of a folder written by preparation.
    pub(crate) fn open(folder: &Path, kind: TaskKind, len: u64) -> Result<Self, DataError> {
        let maps = Maps {
            folder: folder.display().to_string(),
            kind,
            len,
            streams: stream_names(kind)
                .iter()
                .map(|name| Stream::open(folder, name))
                .collect::<Result<_, DataError>>()?,
            extra: extra_of(kind)
                .map(|(name, _)| stream::map(&folder.join(name)))
                .transpose()?,
        };
        let dataset = Self {
            maps: Arc::new(maps),
            targets: (0..kind.decoders().len()).collect(),
            teacher: None,
        };
        dataset.check()?;
        Ok(dataset)
    }

    /// Checks that the sizes of the files agree.
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
                    "`{name}` has {sentences} sentences of {ids} ids in all, and {} bytes of ids",
                    stream.ids.len()
                );
                return Err(self.damaged(problem));
            }
        }
        let Some((name, size)) = extra_of(maps.kind) else {
            return Ok(());
        };
        let expected = maps.len * size;
        let found = maps.extra.as_ref().map_or(0, |extra| extra.len() as u64);
        if found != expected {
            return Err(self.damaged(format!("`{name}` has {found} bytes, expected {expected}")));
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

    /// The kind of task that the examples are for.
    pub fn kind(&self) -> TaskKind {
        self.maps.kind
    }

    /// The same examples with only the given targets, as indices into [`TaskKind::decoders`].
    #[must_use]
    pub(crate) fn keep_targets(mut self, targets: &[usize]) -> Self {
        self.targets = targets.into();
        self
    }

    /// The same examples with the teacher's vectors of a distillation task.
    #[must_use]
    pub(crate) fn with_teacher(mut self, teacher: Teacher) -> Self {
        self.teacher = Some(Arc::new(teacher));
        self
    }

    /// The width of the teacher's vectors; `None` if the task is not distillation.
    pub fn teacher_width(&self) -> Option<usize> {
        self.teacher.as_ref().map(|teacher| teacher.width())
    }

    /// Whether the examples of a classification task are sentence pairs.
    pub fn has_pairs(&self) -> bool {
        let second = self.maps.streams.get(1);
        second.is_some_and(|second| !second.ids.is_empty())
    }

    /// The number of words of an example in a batch: of all its sentences, with special words;
    /// `None` if there is no such example.
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

    /// The length of an example's source sentence (NLI: its premise) in a batch, with special
    /// words; `None` if there is no such example.
    pub fn source_length(&self, index: u64) -> Option<u32> {
        let words = self.maps.streams[0].words(self.source_sentence(index)?)?;
        Some(words as u32)
    }

    /// The batch of the examples at `indices`, in that order.
    ///
    /// # Errors
    /// [`DataError::Index`] for an index out of range, [`DataError::Damaged`] if the prepared files
    /// are inconsistent.
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
        let no_label = |index| self.damaged(format!("example {index} has no label"));
        Ok(match self.maps.kind {
            TaskKind::Nli => Batch::Nli(NliBatch {
                premises: collect(0, &Some)?,
                hypotheses: collect(1, &Some)?,
                labels: indices
                    .iter()
                    .map(|&index| {
                        let label = extra.get(index as usize).copied();
                        label.ok_or_else(|| no_label(index))
                    })
                    .collect::<Result<_, _>>()?,
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
                let label = |&index: &u64| read_u32(extra, index).ok_or_else(|| no_label(index));
                Batch::Classification(ClassificationBatch {
                    first: collect(0, &Some)?,
                    second: self.has_pairs().then_some(second),
                    labels: indices.iter().map(label).collect::<Result<_, _>>()?,
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

    /// Batches of all examples in file order; the last batch may be smaller.
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

    /// The end of the batch that starts at example `start`.
    fn end_of_batch(&self, start: u64, size: BatchSize) -> u64 {
        match size {
            BatchSize::Sentences(size) => self.len().min(start.saturating_add(size.max(1))),
            BatchSize::Words(size) => {
                let mut words = 0;
                let fits = |&index: &u64| {
                    // A damaged example counts as 0 words: `batch_of` reports it.
                    words += self.words(index).unwrap_or(0);
                    index == start || words <= size
                };
                start + (start..self.len()).take_while(fits).count() as u64
            }
        }
    }

    /// The index of an example's source sentence in its stream.
    fn source_sentence(&self, index: u64) -> Option<u64> {
        match self.maps.kind {
            kind if kind.is_running_text() => read_u64(self.maps.extra.as_deref()?, index),
            _ => (index < self.maps.len).then_some(index),
        }
    }

    /// The index in the second stream of target number `target` of a source sentence; for a triple,
    /// target 0 is the next sentence and 1 the previous one.
    fn target_sentence(&self, source: u64, target: usize) -> Option<u64> {
        match (self.maps.kind, target) {
            (TaskKind::SkipThought, 0) => source.checked_add(1),
            (TaskKind::SkipThought, 1) => source.checked_sub(1),
            (TaskKind::Translation | TaskKind::Seq2seq | TaskKind::Parsing, 0) => Some(source),
            _ => None,
        }
    }
}
