//! Encoding in chunks of batches, between which Ctrl-C is noticed.

use std::sync::Arc;

use gensen_encode::{ConcatEncoder, Coverage, EncodeError, EncodeOptions, Encoded};
use ndarray::{Array2, s};
use pyo3::prelude::*;

use crate::errors::Failure;
use crate::job::JobState;
use crate::reading::{ReadingOptions, texts};

/// Batches in a chunk, as in `gensen embed`.
const BATCHES: usize = 64;

/// Sentences to encode.
pub(crate) struct EncodingWork {
    pub(crate) encoder: Arc<ConcatEncoder>,
    pub(crate) sentences: Vec<String>,
    pub(crate) options: EncodeOptions,
    batch_size: usize,
    states: bool,
}

impl EncodingWork {
    /// Takes sentences and options from Python; `states` requests hidden states as well as vectors.
    pub(crate) fn new(
        encoder: &Arc<ConcatEncoder>,
        sentences: &Bound<'_, PyAny>,
        options: &ReadingOptions,
        states: bool,
    ) -> PyResult<Self> {
        Ok(Self {
            encoder: Arc::clone(encoder),
            sentences: texts(sentences)?,
            options: options.encode_options()?,
            batch_size: options.batch_size,
            states,
        })
    }

    /// Encodes the sentences chunk by chunk; stops when the caller has been interrupted.
    pub(crate) fn run(&self, shared: &JobState) -> Result<Encoded, Failure> {
        let size = self.batch_size.saturating_mul(BATCHES);
        let mut chunks = Vec::new();
        let mut done: usize = 0;
        // An empty list is one empty chunk.
        loop {
            if shared.is_stopped() {
                return Err(Failure::Interrupted);
            }
            let end = done.saturating_add(size).min(self.sentences.len());
            let mut progress = |more| shared.set_done(done + more);
            let encoded = self
                .encoder
                .encode_ragged(
                    &self.sentences[done..end],
                    &self.options,
                    self.states,
                    &mut progress,
                )
                .map_err(|error| shifted(error, done))?;
            chunks.push(encoded);
            done = end;
            if done == self.sentences.len() {
                return Ok(concatenated(chunks));
            }
        }
    }
}

/// Adds the number of sentences in earlier chunks to the sentence index in an error.
fn shifted(error: EncodeError, earlier: usize) -> EncodeError {
    match error {
        EncodeError::EmptySentence { index } => EncodeError::EmptySentence {
            index: earlier + index,
        },
        EncodeError::LongSentence { index, words, most } => EncodeError::LongSentence {
            index: earlier + index,
            words,
            most,
        },
        EncodeError::UnequalLengths {
            index,
            first,
            other,
        } => EncodeError::UnequalLengths {
            index: earlier + index,
            first,
            other,
        },
        other => other,
    }
}

/// Concatenates chunks; there is at least one.
fn concatenated(mut chunks: Vec<Encoded>) -> Encoded {
    if chunks.len() == 1 {
        return chunks.remove(0);
    }
    let mut lengths = Vec::new();
    let mut coverage = Coverage::default();
    for chunk in &chunks {
        lengths.extend(&chunk.lengths);
        coverage += chunk.coverage;
    }
    let vectors: Vec<&Array2<f32>> = chunks.iter().map(|chunk| &chunk.vectors).collect();
    let states: Option<Vec<&Array2<f32>>> =
        chunks.iter().map(|chunk| chunk.states.as_ref()).collect();
    Encoded {
        vectors: stacked(&vectors),
        states: states.map(|states| stacked(&states)),
        lengths,
        coverage,
    }
}

/// Stacks arrays of equal width vertically.
fn stacked(arrays: &[&Array2<f32>]) -> Array2<f32> {
    let rows = arrays.iter().map(|array| array.nrows()).sum();
    let mut all = Array2::zeros((rows, arrays.first().map_or(0, |array| array.ncols())));
    let mut start = 0;
    for array in arrays {
        let end = start + array.nrows();
        all.slice_mut(s![start..end, ..]).assign(array);
        start = end;
    }
    all
}
