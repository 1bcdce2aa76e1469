//! What hidden states come from.

use std::sync::Arc;

use crate::{EncodeError, Pooling, States, weights::Tensor};

/// How much an engine takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most words of a batch of more than one sentence.
    pub batch_words: usize,
    /// About the most distinct words of a window.
    pub distinct_words: usize,
}

/// The distinct words of a window.
#[derive(Clone, Copy, Debug)]
pub struct DistinctWords<'a> {
    /// Their ids: rows of the encoder's embedding, and after its last row, rows of `spelled`.
    pub ids: &'a [u32],
    /// The embeddings of words outside the vocabulary, `[rows, embedding size]`.
    pub spelled: &'a [f32],
}

/// Turns a window of words into hidden states.
///
/// [`CpuEngine`](crate::CpuEngine) is one; `gensen-model` has one for any of Burn's devices. A
/// [`SentenceEncoder`](crate::SentenceEncoder) reads text into windows, and pools what comes out.
pub trait Engine: Send + Sync {
    /// Computes the top layer's states of a window's sentences, and calls `each` once for every batch,
    /// in order, with its number and states.
    ///
    /// `words` are the window's distinct words, and a batch is the sentences that are computed together: for each the
    /// places of its words in `words`. No sentence is empty.
    ///
    /// # Errors
    ///
    /// A word whose embedding cannot be read or is not finite.
    fn states(
        &self,
        words: DistinctWords<'_>,
        batches: &[Vec<&[u32]>],
        each: &mut dyn FnMut(usize, &States),
    ) -> Result<(), EncodeError>;

    /// The vectors of a window's sentences, `[sentences, width]` in the order of the batches, from an engine
    /// that pools where it computes; `None`, the default, from one whose states are pooled on the host.
    /// [`Pooling::MaxPadded`] is the maximum over a sentence's own words here.
    ///
    /// # Errors
    ///
    /// As [`Engine::states`].
    fn vectors(
        &self,
        _words: DistinctWords<'_>,
        _batches: &[Vec<&[u32]>],
        _pooling: Pooling,
    ) -> Result<Option<Vec<f32>>, EncodeError> {
        Ok(None)
    }

    /// What the rounding of states depends on besides the weights: device, precision, processor. It belongs
    /// in the key of whatever keeps vectors.
    fn arithmetic(&self) -> String;

    /// How much it takes at once.
    fn limits(&self) -> Limits;

    /// The same weights with other word embeddings, `[words, embedding size]`.
    fn with_embedding(&self, embedding: &Tensor) -> Arc<dyn Engine>;
}
