//! Several encoders side by side.

use ndarray::{Array2, Array3, Axis, concatenate};

use crate::sentence_encoder::pad;
use crate::{EncodeError, EncodeOptions, Encoded, SentenceEncoder};

/// Encoders whose vectors are concatenated in the order they are given.
///
/// Each takes its own pooling, tokeniser and lower-casing where the options name none.
#[derive(Clone, Debug)]
pub struct ConcatEncoder {
    encoders: Vec<SentenceEncoder>,
}

impl ConcatEncoder {
    /// Puts encoders side by side.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoEncoder`] if there is none.
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

    /// The length of a sentence's vector: the encoders' widths together.
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

    /// All hidden states, `[sentences, longest, width]`, zero beyond a sentence's end, and the
    /// sentences' vectors, `[sentences, width]`.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoder::encode`]; [`EncodeError::UnequalLengths`].
    pub fn encode_with_states(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
    ) -> Result<(Array3<f32>, Array2<f32>), EncodeError> {
        let encoded = self.encode_ragged(sentences, options, true, &mut |_| {})?;
        Ok((pad(&encoded), encoded.vectors))
    }

    /// As [`SentenceEncoder::encode_ragged`]. `progress` hears of sentences that all encoders are
    /// done with on average.
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
        let mut rest = all.into_iter();
        let Some(mut first) = rest.next() else {
            return Err(EncodeError::NoEncoder);
        };
        for other in rest {
            first = beside(first, other)?;
        }
        Ok(first)
    }
}

/// Two encoders' output as one's.
fn beside(first: Encoded, other: Encoded) -> Result<Encoded, EncodeError> {
    let side_by_side = |a: &Array2<f32>, b: &Array2<f32>| {
        #[allow(
            clippy::expect_used,
            reason = "a row for each sentence, or for each word, in both"
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
