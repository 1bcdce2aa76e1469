//! Sizes of the encoder, the decoders and the whole model.

use serde::{Deserialize, Serialize};

use crate::error::ModelError;

/// The encoder's sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Rows of the word embedding, special words included.
    pub source_words: usize,
    /// Numbers in a word's embedding.
    pub embedding_size: usize,
    /// Numbers in a sentence vector: both directions together.
    pub hidden_size: usize,
    /// GRU layers.
    pub layers: usize,
    /// Whether the sentence is also read from its end.
    pub bidirectional: bool,
}

impl EncoderConfig {
    /// States of one direction.
    pub fn direction_size(&self) -> usize {
        if self.bidirectional {
            self.hidden_size / 2
        } else {
            self.hidden_size
        }
    }

    /// Refuses sizes no encoder can have.
    ///
    /// # Errors
    ///
    /// [`ModelError::Config`], with the first setting that is wrong.
    pub fn check(&self) -> Result<(), ModelError> {
        let error = |key, value: usize, expected| ModelError::Config {
            key,
            value: value.to_string(),
            expected,
        };
        for (key, value) in [
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("layers", self.layers),
        ] {
            if value == 0 {
                return Err(error(key, value, "expected a positive number"));
            }
        }
        if self.bidirectional && !self.hidden_size.is_multiple_of(2) {
            let expected = "expected an even number, half for each direction of a bidirectional \
                            encoder (or bidirectional = false)";
            return Err(error("hidden_size", self.hidden_size, expected));
        }
        Ok(())
    }
}

/// One decoder's sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderConfig {
    /// Words it can say, special words included.
    pub target_words: usize,
    /// Numbers in a target word's embedding.
    pub embedding_size: usize,
    /// Its states; equal to the encoder's `hidden_size`, since a sentence vector is its first state.
    pub hidden_size: usize,
}

/// The multi-task model's sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultitaskConfig {
    /// The shared encoder.
    pub encoder: EncoderConfig,
    /// One decoder for each direction of each sequence-to-sequence task.
    pub decoders: Vec<DecoderConfig>,
    /// Hidden units of the inference head; none without an inference task.
    pub inference_hidden: Option<usize>,
    /// Dropout on sentence vectors and between encoder layers.
    pub dropout: f64,
}

impl MultitaskConfig {
    /// Refuses sizes no model can have.
    ///
    /// # Errors
    ///
    /// [`ModelError::Config`], with the first setting that is wrong.
    pub fn check(&self) -> Result<(), ModelError> {
        self.encoder.check()?;
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ModelError::Config {
                key: "dropout",
                value: self.dropout.to_string(),
                expected: "expected at least 0 and less than 1",
            });
        }
        for decoder in &self.decoders {
            if decoder.hidden_size != self.encoder.hidden_size {
                return Err(ModelError::Config {
                    key: "decoder_hidden_size",
                    value: decoder.hidden_size.to_string(),
                    expected: "expected model.hidden_size: a sentence vector is a decoder's first \
                               state",
                });
            }
            if decoder.embedding_size == 0 {
                return Err(ModelError::Config {
                    key: "target_embedding_size",
                    value: "0".into(),
                    expected: "expected a positive number",
                });
            }
        }
        Ok(())
    }
}
