//! Sizes of the encoder, the decoders and the whole model.

pub use gensen_encode::model_folder::Architecture;
use serde::{Deserialize, Serialize};

use crate::Pooling;
use crate::error::ModelError;

/// One decoder's sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderConfig {
    /// The number of target words, special words included.
    pub target_words: usize,
    /// The width of a target word's embedding.
    pub embedding_size: usize,
    /// The width of states: the encoder's `hidden_size`, because a sentence vector is the first
    /// state.
    pub hidden_size: usize,
}

/// The settings of a contrastive loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastConfig {
    /// The temperature: cosines are divided by it.
    pub temperature: f64,
    /// Matryoshka widths: prefixes of the vectors of these widths are contrasted too.
    pub widths: Vec<usize>,
}

/// The settings of a distillation loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillationConfig {
    /// The width of the teacher's vectors.
    pub width: usize,
    /// The temperature of the contrast: cosines are divided by it.
    pub temperature: f64,
    /// The weight of 1 - cosine.
    pub cosine_weight: f64,
    /// The weight of the contrast among the teacher's vectors of the batch.
    pub contrast_weight: f64,
    /// The weight of the squared difference of the matrices of cosines.
    pub matrix_weight: f64,
}

/// A classifier's sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Whether it classifies pairs of sentences.
    pub pairs: bool,
    /// The number of labels.
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
    /// Hidden units of the inference head; `None` without an inference task.
    pub inference_hidden: Option<usize>,
    /// One for each contrastive task.
    pub contrasts: Vec<ContrastConfig>,
    /// One for each distillation task.
    pub distillations: Vec<DistillationConfig>,
    /// One for each classification task.
    pub classifiers: Vec<ClassifierConfig>,
    /// The pooling of states into sentence vectors for all heads except decoders.
    pub pooling: Pooling,
    /// Dropout on sentence vectors and between encoder layers.
    pub dropout: f64,
}

impl MultitaskConfig {
    /// Refuses impossible sizes.
    ///
    /// # Errors
    ///
    /// [`ModelError::Config`] with the first wrong setting.
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
                expected: "expected last, mean or max: batches are not padded in training",
            });
        }
        let widths = self.contrasts.iter().flat_map(|contrast| &contrast.widths);
        if let Some(width) = widths.max().filter(|&&w| w > self.encoder.hidden_size) {
            return Err(ModelError::Config {
                key: "widths",
                value: width.to_string(),
                expected: "expected at most model.hidden_size, the width of a sentence vector",
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

/// Refuses impossible sizes of an encoder.
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
