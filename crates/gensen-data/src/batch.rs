//! Batches as plain integer arrays with lengths: no padding, no tensor library.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How many examples make a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchSize {
    /// So many.
    Sentences(u64),
    /// As many as have so many words together: all words of an example's sentences, source and
    /// targets or premise and hypothesis, special words included. An example that has more makes a
    /// batch of its own.
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
    /// `factor` times as much.
    pub fn times(self, factor: usize) -> Self {
        let times = |size: u64| size.saturating_mul(factor as u64);
        match self {
            Self::Sentences(size) => Self::Sentences(times(size)),
            Self::Words(size) => Self::Words(times(size)),
        }
    }
}

/// Sentences of word ids, laid end to end.
///
/// A sentence holds its special words: `<s>` first and `</s>` last.
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
    /// Word ids of all sentences, one sentence after the other.
    pub ids: Vec<u32>,
    /// The number of ids of each sentence.
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

    /// Sentences `range` of these.
    fn part(&self, range: Range<usize>) -> Self {
        let ids = |lengths: &[u32]| lengths.iter().map(|&length| length as usize).sum::<usize>();
        let start = ids(&self.lengths[..range.start]);
        let lengths = self.lengths[range].to_vec();
        Self {
            ids: self.ids[start..start + ids(&lengths)].to_vec(),
            lengths,
        }
    }

    /// Whether there is no sentence.
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

/// Source sentences and their translations, neighbours or parses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seq2SeqBatch {
    /// What the encoder reads.
    pub source: Sentences,
    /// What each of the task's decoders shall say: one entry a decoder (two for skip-thought:
    /// next and previous sentence), each with as many sentences as `source`.
    pub targets: Vec<Sentences>,
}

/// Sentence pairs with the relation between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NliBatch {
    /// First sentences.
    pub premises: Sentences,
    /// Second sentences, as many as `premises`.
    pub hypotheses: Sentences,
    /// 0 = entailment, 1 = neutral, 2 = contradiction.
    pub labels: Vec<u8>,
}

/// Sentences that belong together, to be told from the rest of the batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairsBatch {
    /// First sentences.
    pub first: Sentences,
    /// Their partners.
    pub second: Sentences,
    /// For each pair a sentence that does not belong to the first one; without any word where the
    /// pair has none.
    pub negatives: Sentences,
    /// Which sentence each one is, where the words no longer tell: those of `first`, `second` and
    /// `negatives`, equal numbers for equal sentences. See [`Self::keep_numbers`].
    pub numbers: Option<[Vec<usize>; 3]>,
}

impl PairsBatch {
    /// Which sentence each one is: those of `first`, `second` and `negatives`, equal numbers for equal
    /// sentences.
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

    /// Keeps [`Self::numbers`] as they are, whatever becomes of the words.
    pub fn keep_numbers(&mut self) {
        self.numbers = Some(self.numbers());
    }
}

/// Sentences and a teacher's vectors of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DistillationBatch {
    /// What the encoder reads.
    pub sentences: Sentences,
    /// `[sentences, width]`, row after row.
    pub vectors: Vec<f32>,
}

/// Sentences, or pairs of them, with labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassificationBatch {
    /// The sentences, or the first ones of pairs.
    pub first: Sentences,
    /// The second ones of pairs.
    pub second: Option<Sentences>,
    /// Numbers among the task's labels.
    pub labels: Vec<u32>,
}

/// One step's examples of one task.
#[derive(Clone, Debug, PartialEq)]
pub enum Batch {
    /// A sequence-to-sequence task.
    Seq2Seq(Seq2SeqBatch),
    /// Natural language inference.
    Nli(NliBatch),
    /// Pairs by contrast, and skip-thought by contrast.
    Pairs(PairsBatch),
    /// A teacher's vectors.
    Distillation(DistillationBatch),
    /// Sentences or pairs with labels.
    Classification(ClassificationBatch),
}

impl Batch {
    /// The number of examples: source sentences, or pairs.
    pub fn len(&self) -> usize {
        self.first_sentences().len()
    }

    /// The first sentence of each example: what is translated, a premise, a pair's first.
    pub fn first_sentences(&self) -> &Sentences {
        match self {
            Self::Seq2Seq(batch) => &batch.source,
            Self::Nli(batch) => &batch.premises,
            Self::Pairs(batch) => &batch.first,
            Self::Distillation(batch) => &batch.sentences,
            Self::Classification(batch) => &batch.first,
        }
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sentences that the encoder reads.
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

    /// Cuts the batch into at most `parts` parts that follow each other and whose sizes differ by
    /// at most one example; none is empty.
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
