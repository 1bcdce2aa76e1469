//! Concatenation of several encoders.

use ndarray::{Array2, Array3, Axis, concatenate};

use crate::{EncodeError, EncodeOptions, Encoded, SentenceEncoder};

/// Encoders whose vectors are concatenated in the order they are given.
///
/// Where the options leave out pooling, tokeniser or lower-casing, each encoder uses its own.
#[derive(Clone, Debug)]
pub struct ConcatEncoder {
    encoders: Vec<SentenceEncoder>,
}

impl ConcatEncoder {
    /// Concatenates these encoders.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoEncoder`] if `encoders` is empty.
    pub fn new(encoders: Vec<SentenceEncoder>) -> Result<Self, EncodeError> {
        if encoders.is_empty() {
            return Err(EncodeError::NoEncoder);
        }
        Ok(Self { encoders })
    }

    /// The encoders in order.
    pub fn encoders(&self) -> &[SentenceEncoder] {
        &self.encoders
    }

    /// The length of a sentence's vector: the sum of the encoders' widths.
    pub fn width(&self) -> usize {
        self.encoders.iter().map(SentenceEncoder::width).sum()
    }

    /// The sentences' vectors, `[sentences, width]`, in order.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoder::encode`].
    pub fn encode(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
    ) -> Result<Array2<f32>, EncodeError> {
        Ok(self
            .encode_ragged(sentences, options, false, &mut |_| {})?
            .vectors)
    }

    /// As [`SentenceEncoder::encode_with_states`], with the encoders' states and vectors
    /// concatenated.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoder::encode`]; [`EncodeError::UnequalLengths`].
    pub fn encode_with_states(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
    ) -> Result<(Array3<f32>, Array2<f32>), EncodeError> {
        Ok(self
            .encode_ragged(sentences, options, true, &mut |_| {})?
            .padded())
    }

    /// As [`SentenceEncoder::encode_ragged`]. `progress` is called with the number of sentences
    /// that the encoders have done on average.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoder::encode`]; with `states`, [`EncodeError::UnequalLengths`].
    pub fn encode_ragged(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
        states: bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Encoded, EncodeError> {
        let count = self.encoders.len();
        let mut all = Vec::with_capacity(count);
        for (k, encoder) in self.encoders.iter().enumerate() {
            let before = k * sentences.len();
            let mut progress = |done| progress((before + done) / count);
            all.push(encoder.encode_ragged(sentences, options, states, &mut progress)?);
        }
        let mut all = all.into_iter();
        let first = all.next().ok_or(EncodeError::NoEncoder)?;
        all.try_fold(first, beside)
    }
}

/// Concatenates the output of two encoders.
fn beside(first: Encoded, other: Encoded) -> Result<Encoded, EncodeError> {
    let side_by_side = |a: &Array2<f32>, b: &Array2<f32>| {
        #[allow(
            clippy::expect_used,
            reason = "both have a row for each sentence, or for each word of equally long sentences"
        )]
        concatenate(Axis(1), &[a.view(), b.view()]).expect("as many rows in both")
    };
    let states = match (&first.states, &other.states) {
        (Some(a), Some(b)) => {
            let lengths = first.lengths.iter().zip(&other.lengths);
            if let Some((index, (&first, &other))) = lengths.enumerate().find(|(_, (a, b))| a != b)
            {
                return Err(EncodeError::UnequalLengths {
                    index,
                    first,
                    other,
                });
            }
            Some(side_by_side(a, b))
        }
        _ => None,
    };
    Ok(Encoded {
        vectors: side_by_side(&first.vectors, &other.vectors),
        coverage: first.coverage.poorer(other.coverage),
        lengths: first.lengths,
        states,
    })
}
