//! Batches as plain integer arrays with lengths: no padding, no tensor library.

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

/// One step's examples of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    /// A sequence-to-sequence task.
    Seq2Seq(Seq2SeqBatch),
    /// Natural language inference.
    Nli(NliBatch),
}
