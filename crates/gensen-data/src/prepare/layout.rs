//! How each kind of task is stored: its fields, dictionaries and streams.

use super::DataOptions;
use crate::spec::TaskKind;

/// The vocabulary of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

/// What of a chunk becomes a stream of the data set.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamLayout {
    /// The chunk's field.
    pub(super) field: usize,
    pub(super) side: Side,
    /// Longer sentences are cut to this.
    pub(super) max_words: u32,
}

/// The storage of one kind of task.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) kind: TaskKind,
    /// In the order of the data set's streams.
    pub(super) streams: Vec<StreamLayout>,
}

/// Fields of a chunk at most, and so streams.
pub(super) const FIELDS: usize = 3;

/// Flags of a chunk's entries: what they are kept as. A pair kept is a [`SOURCE`].
pub(super) const SOURCE: u8 = 1;
/// The sentence is the next one of a triple.
pub(super) const NEXT: u8 = 2;
/// The sentence is the previous one of a triple.
pub(super) const PREVIOUS: u8 = 4;

impl Layout {
    pub(super) fn new(kind: TaskKind, options: &DataOptions) -> Self {
        let stream = |field, side, max: usize| StreamLayout {
            field,
            side,
            max_words: u32::try_from(max).unwrap_or(u32::MAX),
        };
        let source = |field| stream(field, Side::Source, options.max_source_words);
        let streams = match kind {
            TaskKind::Translation | TaskKind::Seq2seq | TaskKind::Parsing => {
                vec![source(0), stream(1, Side::Target, options.max_target_words)]
            }
            // A sentence is stored once a vocabulary: as source and as target.
            TaskKind::SkipThought => {
                vec![source(0), stream(0, Side::Target, options.max_target_words)]
            }
            TaskKind::NextSentence | TaskKind::Distillation => vec![source(0)],
            TaskKind::Nli => vec![
                stream(0, Side::Source, options.max_nli_words),
                stream(1, Side::Source, options.max_nli_words),
            ],
            TaskKind::Classification => vec![source(0), source(1)],
            TaskKind::Pairs => vec![source(0), source(1), source(2)],
        };
        Self { kind, streams }
    }

    /// The dictionary of a chunk's field: all fields of the source side share one.
    pub(super) fn dictionary(&self, field: usize) -> usize {
        match self.kind {
            TaskKind::Nli | TaskKind::Pairs | TaskKind::Classification => 0,
            _ => field,
        }
    }

    /// How many words of a sentence a chunk holds.
    pub(super) fn kept_words(&self, field: usize) -> u32 {
        let of_field = self.streams.iter().filter(|stream| stream.field == field);
        of_field.map(|stream| stream.max_words).max().unwrap_or(0)
    }

    /// How often a sentence counts for the vocabulary of a stream: once for each decoder of the
    /// task that reads or says it, or once for each example that holds it.
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
