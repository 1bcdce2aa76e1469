//! Sizes of the encoder, the decoders and the whole model.

pub use gensen_encode::model_folder::Architecture;
use serde::{Deserialize, Serialize};

use crate::Pooling;
use crate::error::ModelError;

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

/// How pairs are contrasted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastConfig {
    /// What cosines are divided by.
    pub temperature: f64,
    /// Vectors are also contrasted by their beginnings of these widths.
    pub widths: Vec<usize>,
}

/// What a distillation task's loss is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillationConfig {
    /// Numbers in a teacher's vector.
    pub width: usize,
    /// What cosines are divided by in the contrast.
    pub temperature: f64,
    /// The weight of 1 - cosine.
    pub cosine_weight: f64,
    /// The weight of the contrast with the batch's teacher's vectors.
    pub contrast_weight: f64,
    /// The weight of the squared difference of matrices of cosines.
    pub matrix_weight: f64,
}

/// A classifier's sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Whether it sees two sentences at a time.
    pub pairs: bool,
    /// Its labels.
    pub labels: usize,
    /// Hidden units.
    pub hidden: usize,
}

/// The multi-task model's sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultitaskConfig {
    /// The shared encoder.
    pub encoder: Architecture,
    /// One decoder for each direction of each sequence-to-sequence task.
    pub decoders: Vec<DecoderConfig>,
    /// Hidden units of the inference head; none without an inference task.
    pub inference_hidden: Option<usize>,
    /// One for each task that contrasts pairs.
    pub contrasts: Vec<ContrastConfig>,
    /// One for each distillation task.
    pub distillations: Vec<DistillationConfig>,
    /// One for each classification task.
    pub classifiers: Vec<ClassifierConfig>,
    /// How states become the vectors that all but decoders see.
    pub pooling: Pooling,
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
        check_encoder(&self.encoder)?;
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ModelError::Config {
                key: "dropout",
                value: self.dropout.to_string(),
                expected: "expected at least 0 and less than 1",
            });
        }
        if self.pooling == Pooling::MaxPadded {
            return Err(ModelError::Config {
                key: "pooling",
                value: self.pooling.to_string(),
                expected: "expected last, mean or max: nothing is padded in training",
            });
        }
        let widths = self.contrasts.iter().flat_map(|contrast| &contrast.widths);
        if let Some(width) = widths.max().filter(|&&w| w > self.encoder.hidden_size) {
            return Err(ModelError::Config {
                key: "widths",
                value: width.to_string(),
                expected: "expected at most model.hidden_size, the numbers of a sentence vector",
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

/// Refuses sizes no encoder can have.
fn check_encoder(encoder: &Architecture) -> Result<(), ModelError> {
    let error = |key, value: usize, expected| ModelError::Config {
        key,
        value: value.to_string(),
        expected,
    };
    for (key, value) in [
        ("embedding_size", encoder.embedding_size),
        ("hidden_size", encoder.hidden_size),
        ("layers", encoder.layers),
    ] {
        if value == 0 {
            return Err(error(key, value, "expected a positive number"));
        }
    }
    if encoder.bidirectional && !encoder.hidden_size.is_multiple_of(2) {
        let expected = "expected an even number, half for each direction of a bidirectional \
                        encoder (or bidirectional = false)";
        return Err(error("hidden_size", encoder.hidden_size, expected));
    }
    Ok(())
}
