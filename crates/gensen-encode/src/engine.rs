//! The interface of what computes hidden states.

use std::sync::Arc;

use crate::{EncodeError, Pooling, States, weights::Tensor};

/// Limits on the batches of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// The maximum number of words in a batch; a single longer sentence is allowed.
    pub batch_words: usize,
    /// About the most distinct words in a window.
    pub distinct_words: usize,
}

/// The distinct words of a window.
#[derive(Clone, Copy, Debug)]
pub struct DistinctWords<'a> {
    /// Their ids: the rows of the encoder's embedding, followed by those of `spelled`.
    pub ids: &'a [u32],
    /// The embeddings of words outside the vocabulary, `[rows, embedding size]`.
    pub spelled: &'a [f32],
}

/// Turns a window of words into hidden states.
///
/// [`CpuEngine`](crate::CpuEngine) computes on the CPU; `gensen-model` has an engine for any Burn
/// device. A [`SentenceEncoder`](crate::SentenceEncoder) turns text into windows and pools the
/// states.
pub trait Engine: Send + Sync {
    /// Computes the top layer's states of a window's sentences. Calls `each` with the index and the
    /// states of every batch, in order.
    ///
    /// A batch is a list of sentences that are computed together; a sentence is a list of indices
    /// into `words` and never empty.
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

    /// The pooled vectors of a window's sentences, `[sentences, width]` in the order of the
    /// batches, if the engine pools on its device. `None`, the default, if states are to be pooled
    /// on the host. [`Pooling::MaxPadded`] is the maximum over a sentence's own words here.
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

    /// All that the rounding of states depends on besides the weights: device, precision,
    /// processor. It belongs in the key of every cache of vectors.
    fn arithmetic(&self) -> String;

    /// The limits on the engine's batches.
    fn limits(&self) -> EngineLimits;

    /// The same weights with other word embeddings, `[words, embedding size]`.
    fn with_embedding(&self, embedding: &Tensor) -> Arc<dyn Engine>;
}
