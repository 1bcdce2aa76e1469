//! Batches as arrays of integers with lengths, without padding.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The size of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchSize {
    /// The number of examples.
    Sentences(u64),
    /// The largest number of words, with special words, in all sentences of the examples together:
    /// source and targets, or premise and hypothesis. An example with more words is a batch by
    /// itself.
    Words(u64),
}

impl fmt::Display for BatchSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sentences(size) => write!(f, "{size} sentences"),
            Self::Words(size) => write!(f, "{size} words"),
        }
    }
}

impl From<usize> for BatchSize {
    fn from(sentences: usize) -> Self {
        Self::Sentences(sentences as u64)
    }
}

impl BatchSize {
    /// The size multiplied by `factor`.
    pub fn times(self, factor: usize) -> Self {
        let times = |size: u64| size.saturating_mul(factor as u64);
        match self {
            Self::Sentences(size) => Self::Sentences(times(size)),
            Self::Words(size) => Self::Words(times(size)),
        }
    }
}

/// Sentences as word ids, concatenated.
///
/// A sentence includes its special words: `<s>` first and `</s>` last.
///
/// ```
/// use gensen_data::batch::Sentences;
///
/// let mut sentences = Sentences::default();
/// sentences.push(&[0, 17, 4, 2]);
/// sentences.push(&[0, 5, 2]);
/// assert_eq!(sentences.lengths, [4, 3]);
/// assert_eq!(sentences.iter().nth(1), Some(&[0, 5, 2][..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentences {
    /// The word ids of all sentences, concatenated.
    pub ids: Vec<u32>,
    /// The number of ids in each sentence.
    pub lengths: Vec<u32>,
}

impl Sentences {
    /// Appends a sentence.
    pub fn push(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.lengths.push(ids.len() as u32);
    }

    /// The number of sentences.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// A copy of the sentences in `range`.
    fn part(&self, range: Range<usize>) -> Self {
        let ids = |lengths: &[u32]| lengths.iter().map(|&length| length as usize).sum::<usize>();
        let start = ids(&self.lengths[..range.start]);
        let lengths = self.lengths[range].to_vec();
        Self {
            ids: self.ids[start..start + ids(&lengths)].to_vec(),
            lengths,
        }
    }

    /// Whether there are no sentences.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The sentences in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        self.lengths.iter().map(move |&length| {
            let end = start + length as usize;
            let sentence = &self.ids[start..end];
            start = end;
            sentence
        })
    }
}

/// Source sentences with their target sentences: translations, neighbouring sentences or parses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seq2SeqBatch {
    /// The encoder's input.
    pub source: Sentences,
    /// The target sentences of each decoder, one per source sentence. Skip-thought has two decoders
    /// (next and previous sentence), other tasks one.
    pub targets: Vec<Sentences>,
}

/// Sentence pairs with the label of each: natural language inference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NliBatch {
    /// First sentences.
    pub premises: Sentences,
    /// Second sentences, one per premise.
    pub hypotheses: Sentences,
    /// 0 = entailment, 1 = neutral, 2 = contradiction.
    pub labels: Vec<u8>,
}

/// Pairs for contrastive learning: each first sentence is to be closer to its partner than to the
/// partners of the batch's other pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairsBatch {
    /// First sentences.
    pub first: Sentences,
    /// The partners of `first`.
    pub second: Sentences,
    /// A hard negative for each pair; empty (of length 0) for a pair without one.
    pub negatives: Sentences,
    /// The identities of the sentences in `first`, `second` and `negatives`, if they were fixed by
    /// [`Self::keep_numbers`].
    pub numbers: Option<[Vec<usize>; 3]>,
}

impl PairsBatch {
    /// The identities of the sentences in `first`, `second` and `negatives`: equal sentences have
    /// equal numbers.
    pub fn numbers(&self) -> [Vec<usize>; 3] {
        if let Some(numbers) = &self.numbers {
            return numbers.clone();
        }
        let mut numbers: HashMap<&[u32], usize> = HashMap::new();
        [&self.first, &self.second, &self.negatives].map(|sentences| {
            let number = |sentence| {
                let next = numbers.len();
                *numbers.entry(sentence).or_insert(next)
            };
            sentences.iter().map(number).collect()
        })
    }

    /// Fixes [`Self::numbers`] at their present values, so that changes to the words (such as word
    /// dropout) leave them as they are.
    pub fn keep_numbers(&mut self) {
        self.numbers = Some(self.numbers());
    }
}

/// Sentences with a teacher's vectors for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DistillationBatch {
    /// The encoder's input.
    pub sentences: Sentences,
    /// The vectors, `[sentences, width]` in row-major order.
    pub vectors: Vec<f32>,
}

/// Single sentences or sentence pairs with labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassificationBatch {
    /// The sentences, or the first sentences of the pairs.
    pub first: Sentences,
    /// The second sentences of the pairs.
    pub second: Option<Sentences>,
    /// Indices into the task's sorted labels.
    pub labels: Vec<u32>,
}

/// The examples of one task for one training step.
#[derive(Clone, Debug, PartialEq)]
pub enum Batch {
    /// A sequence-to-sequence task.
    Seq2Seq(Seq2SeqBatch),
    /// Natural language inference.
    Nli(NliBatch),
    /// Contrastive pairs, and skip-thought with the contrastive objective.
    Pairs(PairsBatch),
    /// Distillation from a teacher's vectors.
    Distillation(DistillationBatch),
    /// Classification of sentences or pairs.
    Classification(ClassificationBatch),
}

impl Batch {
    /// The number of examples: source sentences or pairs.
    pub fn len(&self) -> usize {
        self.first_sentences().len()
    }

    /// The first sentence of each example: the source sentence, the premise, or the pair's first.
    pub fn first_sentences(&self) -> &Sentences {
        match self {
            Self::Seq2Seq(batch) => &batch.source,
            Self::Nli(batch) => &batch.premises,
            Self::Pairs(batch) => &batch.first,
            Self::Distillation(batch) => &batch.sentences,
            Self::Classification(batch) => &batch.first,
        }
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All sentences that the encoder reads.
    pub fn sources_mut(&mut self) -> Vec<&mut Sentences> {
        match self {
            Self::Seq2Seq(batch) => vec![&mut batch.source],
            Self::Nli(batch) => vec![&mut batch.premises, &mut batch.hypotheses],
            Self::Pairs(batch) => {
                vec![&mut batch.first, &mut batch.second, &mut batch.negatives]
            }
            Self::Distillation(batch) => vec![&mut batch.sentences],
            Self::Classification(batch) => [&mut batch.first]
                .into_iter()
                .chain(&mut batch.second)
                .collect(),
        }
    }

    /// Splits the batch into at most `parts` consecutive parts. None is empty, and their sizes
    /// differ by at most one example.
    pub fn split(self, parts: usize) -> Vec<Self> {
        let len = self.len();
        let parts = parts.clamp(1, len.max(1));
        if parts == 1 {
            return vec![self];
        }
        let cut = |part: usize| part * (len / parts) + part.min(len % parts);
        let part = |part: usize| {
            let range = cut(part)..cut(part + 1);
            match &self {
                Self::Seq2Seq(batch) => Self::Seq2Seq(Seq2SeqBatch {
                    source: batch.source.part(range.clone()),
                    targets: batch
                        .targets
                        .iter()
                        .map(|target| target.part(range.clone()))
                        .collect(),
                }),
                Self::Nli(batch) => Self::Nli(NliBatch {
                    premises: batch.premises.part(range.clone()),
                    hypotheses: batch.hypotheses.part(range.clone()),
                    labels: batch.labels[range].to_vec(),
                }),
                Self::Pairs(batch) => Self::Pairs(PairsBatch {
                    first: batch.first.part(range.clone()),
                    second: batch.second.part(range.clone()),
                    negatives: batch.negatives.part(range.clone()),
                    numbers: batch.numbers.as_ref().map(|numbers| {
                        let part = |of: &Vec<usize>| of[range.clone()].to_vec();
                        numbers.each_ref().map(part)
                    }),
                }),
                Self::Distillation(batch) => {
                    let width = batch.vectors.len() / len;
                    Self::Distillation(DistillationBatch {
                        sentences: batch.sentences.part(range.clone()),
                        vectors: batch.vectors[range.start * width..range.end * width].to_vec(),
                    })
                }
                Self::Classification(batch) => Self::Classification(ClassificationBatch {
                    first: batch.first.part(range.clone()),
                    second: batch.second.as_ref().map(|s| s.part(range.clone())),
                    labels: batch.labels[range].to_vec(),
                }),
            }
        };
        (0..parts).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(lengths: &[usize]) -> Sentences {
        let mut sentences = Sentences::default();
        for (k, &length) in lengths.iter().enumerate() {
            sentences.push(&vec![k as u32; length]);
        }
        sentences
    }

    #[test]
    fn parts_follow_each_other_and_differ_by_at_most_one() {
        let labels: Vec<u8> = (0..7).map(|k| k % 3).collect();
        let nli = Batch::Nli(NliBatch {
            premises: sentences(&[2, 5, 3, 2, 9, 4, 2]),
            hypotheses: sentences(&[3, 2, 2, 8, 2, 2, 6]),
            labels: labels.clone(),
        });
        for (parts, sizes) in [
            (1, &[7][..]),
            (2, &[4, 3]),
            (3, &[3, 2, 2]),
            (9, &[1; 7]),
            (0, &[7]),
        ] {
            let split = nli.clone().split(parts);
            let found: Vec<usize> = split.iter().map(Batch::len).collect();
            assert_eq!(found, sizes, "{parts} parts");
            let (mut premises, mut hypotheses, mut joined) =
                (Sentences::default(), Sentences::default(), Vec::new());
            for part in split {
                let Batch::Nli(part) = part else {
                    panic!("another kind of batch")
                };
                part.premises.iter().for_each(|s| premises.push(s));
                part.hypotheses.iter().for_each(|s| hypotheses.push(s));
                joined.extend(part.labels);
            }
            let whole = Batch::Nli(NliBatch {
                premises,
                hypotheses,
                labels: joined,
            });
            assert_eq!(whole, nli, "{parts} parts joined");
        }
    }

    #[test]
    fn every_target_is_split_with_its_source() {
        let batch = Batch::Seq2Seq(Seq2SeqBatch {
            source: sentences(&[4, 2, 3]),
            targets: vec![sentences(&[2, 2, 7]), sentences(&[3, 5, 2])],
        });
        let Some(Batch::Seq2Seq(second)) = batch.split(2).pop() else {
            panic!("another kind of batch")
        };
        assert_eq!(second.source.ids, [2; 3]);
        assert_eq!(second.targets[0].ids, [2; 7]);
        assert_eq!(second.targets[1].ids, [2; 2]);
    }

    #[test]
    fn nothing_stays_nothing() {
        let empty = Batch::Seq2Seq(Seq2SeqBatch::default());
        assert_eq!(empty.clone().split(3), [empty]);
    }
}
