//! Options of encoding.

use std::fmt;
use std::str::FromStr;

use crate::{EncodeError, Pooling, UnknownWords};

/// The precision in which an encoder holds its weights and computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncoderPrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// The GRU's weights are held as f16 and multiplied in f32; on the CPU only. Half the memory. A
    /// model stored as f16 gives the same vectors as with [`EncoderPrecision::F32`].
    F16,
    /// The GRU's weights are held as bf16; on the CPU only. Half the memory. On processors with
    /// bf16 products (AMX, AVX512-BF16), inputs are rounded to bf16, too, and sums are in f32: more
    /// than twice the speed. On others, inputs stay in f32, so the last digits depend on the
    /// processor. The cosine to vectors of [`EncoderPrecision::F32`] is at least 0.9999.
    Bf16,
    /// The GRU's weights are held as 8-bit integers with one scale a row, and products are of
    /// integers; on the CPU only. A quarter of the memory. The cosine to vectors of
    /// [`EncoderPrecision::F32`] is at least 0.999. Inputs have 8 bits and a scale a row on
    /// processors with products of four bytes (AMX, AVX512-VNNI, AVX-VNNI), and 14 bits on others;
    /// all processors of one of these two kinds give the same vectors.
    I8,
}

impl EncoderPrecision {
    /// All precisions.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Bf16, Self::I8];

    /// The name in options and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I8 => "i8",
        }
    }
}

impl fmt::Display for EncoderPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EncoderPrecision {
    type Err = EncodeError;

    fn from_str(name: &str) -> Result<Self, EncodeError> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| EncodeError::EncoderPrecision(name.to_owned()))
    }
}

/// How sentences are encoded. Pooling, tokeniser and lower-casing default to the model's
/// configuration.
///
/// ```
/// use gensen_encode::{EncodeOptions, Pooling};
///
/// let options = EncodeOptions::default().pooling(Pooling::Max).tokenizer("nltk").lowercase(true);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    pub(crate) pooling: Option<Pooling>,
    pub(crate) tokenizer: Option<String>,
    pub(crate) language: String,
    pub(crate) lowercase: Option<bool>,
    pub(crate) unknown_words: Option<UnknownWords>,
    pub(crate) start_end: bool,
    pub(crate) batch_size: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            pooling: None,
            tokenizer: None,
            language: "en".to_owned(),
            lowercase: None,
            unknown_words: None,
            start_end: true,
            batch_size: 32,
        }
    }
}

impl EncodeOptions {
    /// The pooling of hidden states into a vector; by default the model's.
    #[must_use]
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = Some(pooling);
        self
    }

    /// The tokeniser: one of [`gensen_data::tokenizer::NAMES`]; the model's own by default.
    #[must_use]
    pub fn tokenizer(mut self, name: impl Into<String>) -> Self {
        self.tokenizer = Some(name.into());
        self
    }

    /// The language of the text, for tokenisers that depend on it: `en` (the default), `fr` or
    /// `de`.
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// Whether text is lower-cased before it is tokenised; as in the model's configuration by
    /// default.
    #[must_use]
    pub fn lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = Some(lowercase);
        self
    }

    /// The treatment of words outside the vocabulary; default: the model's own.
    #[must_use]
    pub fn unknown_words(mut self, unknown_words: UnknownWords) -> Self {
        self.unknown_words = Some(unknown_words);
        self
    }

    /// Whether `<s>` and `</s>` are put around each sentence, as in training; true by default. If
    /// false, an empty sentence is an error.
    #[must_use]
    pub fn start_end(mut self, start_end: bool) -> Self {
        self.start_end = start_end;
        self
    }

    /// All options that vectors depend on, for the key of a cache; `model` is the model's own
    /// pooling. The batch size is part of it only with [`Pooling::MaxPadded`].
    pub fn key(&self, model: Pooling) -> String {
        let Self {
            pooling,
            tokenizer,
            language,
            lowercase,
            unknown_words,
            start_end,
            batch_size,
        } = self;
        let pooling = pooling.unwrap_or(model);
        let batch_size = (pooling == Pooling::MaxPadded).then_some(batch_size);
        format!(
            "{pooling:?}, tokenizer {tokenizer:?}, language {language:?}, lowercase {lowercase:?}, \
             unknown words {unknown_words:?}, start and end {start_end}, batch size {batch_size:?}"
        )
    }

    /// The number of sentences per batch: at least 1, by default 32. On the CPU, batches have at
    /// least 128 sentences if available. The size affects speed and memory; it changes vectors only
    /// with [`Pooling::MaxPadded`].
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size.max(1);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_size_is_part_of_the_key_where_vectors_depend_on_it() {
        let key = |batch_size, pooling| {
            let options = EncodeOptions::default().batch_size(batch_size);
            options.key(pooling)
        };
        assert_ne!(key(1, Pooling::MaxPadded), key(32, Pooling::MaxPadded));
        assert_eq!(key(1, Pooling::Max), key(32, Pooling::Max));
        let max = EncodeOptions::default().pooling(Pooling::Max);
        assert_eq!(max.key(Pooling::Last), key(1, Pooling::Max));
        let lowered = EncodeOptions::default().lowercase(true);
        assert_ne!(lowered.key(Pooling::Max), key(1, Pooling::Max));
    }
}
