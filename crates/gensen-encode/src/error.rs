//! What can be wrong with sentences or with what is asked of an encoder.

use gensen_data::error::DataError;
use gensen_data::tokenizer::TokenizerError;

use crate::EncoderPrecision;
use crate::model_folder::ModelFolderError;
use crate::weights::WeightsError;

/// Why sentences are not encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The model cannot be opened.
    #[error(transparent)]
    Model(#[from] ModelFolderError),
    /// The model does not come from the hub.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    /// The tokeniser cannot be made.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Words that make no vocabulary.
    #[error(transparent)]
    Vocabulary(#[from] DataError),
    /// An embedding that does not fit the encoder.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A precision that the device does not compute with.
    #[error("the precision {precision} is for the CPU; on another device, use f32")]
    Precision {
        /// The precision.
        precision: EncoderPrecision,
    },
    /// A sentence without a word, and no `<s>` and `</s>` around it.
    #[error(
        "sentence {index} (counted from 0) has no word, and without `<s>` and `</s>` around it there is \
         nothing to encode"
    )]
    EmptySentence {
        /// Which sentence, counted from 0.
        index: usize,
    },
    /// A sentence too long for one batch.
    #[error("sentence {index} (counted from 0) has {words} words, expected at most {most}")]
    LongSentence {
        /// Which sentence, counted from 0.
        index: usize,
        /// Its words.
        words: usize,
        /// The most there may be.
        most: usize,
    },
    /// Encoders to concatenate, but none is there.
    #[error("there is no encoder to concatenate")]
    NoEncoder,
    /// Hidden states to concatenate whose lengths differ.
    #[error(
        "sentence {index} (counted from 0) has {first} words for the first encoder and {other} for another: \
         their hidden states cannot be concatenated (give all the same tokeniser)"
    )]
    UnequalLengths {
        /// Which sentence, counted from 0.
        index: usize,
        /// Its length for the first encoder.
        first: usize,
        /// Its length for another.
        other: usize,
    },
}
