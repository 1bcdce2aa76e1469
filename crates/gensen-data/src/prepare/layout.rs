//! The storage layout of each kind of task: its fields, dictionaries and streams.

use super::DataOptions;
use crate::spec::TaskKind;

/// The vocabulary that a stream's words are looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamSide {
    Source,
    Target,
}

/// One stream of the data set: a field of the chunks, truncated and looked up in a vocabulary.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamLayout {
    /// The chunk's field.
    pub(super) field: usize,
    pub(super) side: StreamSide,
    /// The maximum sentence length in words; longer sentences are truncated.
    pub(super) max_words: u32,
}

/// The storage layout of a task.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) kind: TaskKind,
    /// The streams, in the order of the data set's.
    pub(super) streams: Vec<StreamLayout>,
}

/// The maximum number of fields, and of streams, of any kind.
pub(super) const FIELDS: usize = 3;

/// Flag of a chunk's entry: a selected example, or the middle sentence of a selected triple.
pub(super) const SOURCE: u8 = 1;
/// Flag of a chunk's entry: the next sentence of a selected triple.
pub(super) const NEXT: u8 = 2;
/// Flag of a chunk's entry: the previous sentence of a selected triple.
pub(super) const PREVIOUS: u8 = 4;

impl Layout {
    pub(super) fn new(kind: TaskKind, options: &DataOptions) -> Self {
        let stream = |field, side, max: usize| StreamLayout {
            field,
            side,
            max_words: u32::try_from(max).unwrap_or(u32::MAX),
        };
        let source = |field| stream(field, StreamSide::Source, options.max_source_words);
        let streams = match kind {
            TaskKind::Translation | TaskKind::Seq2seq | TaskKind::Parsing => {
                vec![
                    source(0),
                    stream(1, StreamSide::Target, options.max_target_words),
                ]
            }
            // Sentences are stored twice: with source ids and with target ids.
            TaskKind::SkipThought => {
                vec![
                    source(0),
                    stream(0, StreamSide::Target, options.max_target_words),
                ]
            }
            TaskKind::NextSentence | TaskKind::Distillation => vec![source(0)],
            TaskKind::Nli => vec![
                stream(0, StreamSide::Source, options.max_nli_words),
                stream(1, StreamSide::Source, options.max_nli_words),
            ],
            TaskKind::Classification => vec![source(0), source(1)],
            TaskKind::Pairs => vec![source(0), source(1), source(2)],
        };
        Self { kind, streams }
    }

    /// The index of the dictionary of a chunk's field; fields that share a vocabulary share one.
    pub(super) fn dictionary(&self, field: usize) -> usize {
        match self.kind {
            TaskKind::Nli | TaskKind::Pairs | TaskKind::Classification => 0,
            _ => field,
        }
    }

    /// The number of words to which a chunk truncates the sentences of a field.
    pub(super) fn kept_words(&self, field: usize) -> u32 {
        let of_field = self.streams.iter().filter(|stream| stream.field == field);
        of_field.map(|stream| stream.max_words).max().unwrap_or(0)
    }

    /// The weight of a sentence's words in the counts for a stream's vocabulary: the number of
    /// decoders that use it as source or target, or of examples that contain it.
    pub(super) fn count_weight(&self, stream: usize, flags: u8) -> u64 {
        let has = |flag: u8| u64::from(flags & flag != 0);
        match (self.kind, stream) {
            (TaskKind::SkipThought, 0) => 2 * has(SOURCE),
            (TaskKind::SkipThought, _) => has(NEXT) + has(PREVIOUS),
            (TaskKind::NextSentence, _) => has(SOURCE) + has(NEXT),
            _ => has(SOURCE),
        }
    }
}
