//! Errors of encoding.

use gensen_data::error::DataError;
use gensen_data::tokenizer::TokenizerError;

use crate::model_folder::ModelFolderError;
use crate::weights::WeightsError;
use crate::{EncoderPrecision, Pooling, VectorPrecision};

/// Errors of encoding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The model cannot be opened.
    #[error(transparent)]
    Model(#[from] ModelFolderError),
    /// The model cannot be fetched from the hub.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    /// The tokeniser is unknown or cannot be built.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The vocabulary is invalid.
    #[error(transparent)]
    Vocabulary(#[from] DataError),
    /// The weights or word embeddings are invalid.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A precision that the device does not have.
    #[error("precision {precision} is for the CPU only; use f32 on other devices")]
    Precision {
        /// The precision.
        precision: EncoderPrecision,
    },
    /// A sentence without words, encoded without `<s>` and `</s>`.
    #[error(
        "sentence {index} (counted from 0) has no words, and without `<s>` and `</s>` around it there is \
         nothing to encode"
    )]
    EmptySentence {
        /// The sentence, counted from 0.
        index: usize,
    },
    /// A sentence too long for one batch.
    #[error("sentence {index} (counted from 0) has {words} words, expected at most {most}")]
    LongSentence {
        /// The sentence, counted from 0.
        index: usize,
        /// Its number of words.
        words: usize,
        /// The largest number of words.
        most: usize,
    },
    /// An empty list of encoders.
    #[error("no encoder to concatenate, expected at least one")]
    NoEncoder,
    /// Hidden states of different lengths cannot be concatenated.
    #[error(
        "sentence {index} (counted from 0) has {first} words for the first encoder and {other} for another: \
         their hidden states cannot be concatenated (choose one tokeniser for all)"
    )]
    UnequalLengths {
        /// The sentence, counted from 0.
        index: usize,
        /// Its length for the first encoder.
        first: usize,
        /// Its length for another.
        other: usize,
    },
    /// An unknown precision of an encoder.
    #[error("unknown precision `{0}`: expected f32, f16, bf16 or i8")]
    EncoderPrecision(String),
    /// An unknown treatment of unknown words.
    #[error("unknown words as `{0}`: expected unk or spelling")]
    UnknownWords(String),
    /// An unknown precision of vectors.
    #[error("unknown precision `{0}`: expected float32, int8, uint8, binary or ubinary")]
    VectorPrecision(String),
    /// A number of dimensions that is zero or larger than the vectors'.
    #[error("{dimensions} dimensions asked for, expected 1 to {width}, the vectors' width")]
    Dimensions {
        /// The requested number.
        dimensions: usize,
        /// The vectors' width.
        width: usize,
    },
    /// A model folder without the value ranges that 8-bit integers need.
    #[error(
        "the model `{model}` has no value ranges for pooling {pooling}, which int8 and uint8 need: \
         `gensen calibrate DIR --input sentences.txt --pool {pooling}` computes them and saves \
         them in the model folder DIR; binary and ubinary need no ranges"
    )]
    NoRanges {
        /// The model's name.
        model: String,
        /// The vectors' pooling.
        pooling: Pooling,
    },
    /// 8-bit integers of several encoders' vectors after normalisation.
    #[error(
        "concatenated vectors of several models cannot be normalised and then stored as {precision}: each \
         model's value ranges are those of its own vectors; leave out the normalisation, or choose binary"
    )]
    RangesOfSeveral {
        /// The precision.
        precision: VectorPrecision,
    },
    /// Invalid value ranges.
    #[error(
        "the value ranges of vectors of {dimensions} dimensions: found {found}, expected finite smallest and \
         largest values, [2, {dimensions}]"
    )]
    Ranges {
        /// The vectors' dimensions.
        dimensions: usize,
        /// The ranges' shape, or a value.
        found: String,
    },
    /// A vector with a value that is not finite.
    #[error("vector {row} (counted from 0) holds a value that is not finite")]
    NotFinite {
        /// The vector, counted from 0.
        row: usize,
    },
}
