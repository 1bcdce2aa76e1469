//! Errors of encoding.

use gensen_data::error::DataError;
use gensen_data::tokenizer::TokenizerError;

use crate::model_folder::ModelFolderError;
use crate::weights::WeightsError;
use crate::{EncoderPrecision, Pooling, VectorPrecision};

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
    /// The name of no precision of an encoder.
    #[error("unknown precision `{0}`: expected f32, f16, bf16 or i8")]
    EncoderPrecision(String),
    /// The name of no way to read unknown words.
    #[error("unknown words as `{0}`: expected unk or spelling")]
    UnknownWords(String),
    /// The name of no precision of vectors.
    #[error("unknown precision `{0}`: expected float32, int8, uint8, binary or ubinary")]
    VectorPrecision(String),
    /// More dimensions than vectors have, or none.
    #[error("{dimensions} dimensions of vectors that have {width}: expected 1 to {width}")]
    Dimensions {
        /// What was asked for.
        dimensions: usize,
        /// What there is.
        width: usize,
    },
    /// A model folder without the ranges that 8-bit integers are made with.
    #[error(
        "the model `{model}` has no ranges of its vectors with pooling {pooling}, which int8 and uint8 are \
         made with: `gensen calibrate DIR --input sentences.txt --pool {pooling}` finds them and puts \
         them into the model folder DIR; binary and ubinary need none"
    )]
    NoRanges {
        /// The model's name.
        model: String,
        /// The vectors' pooling.
        pooling: Pooling,
    },
    /// 8-bit integers of what several encoders give, scaled to length 1.
    #[error(
        "{precision} vectors of several models cannot be scaled to length 1 before, since each model's ranges \
         are of its own vectors: leave out the scaling, or take binary"
    )]
    RangesOfSeveral {
        /// The precision.
        precision: VectorPrecision,
    },
    /// Ranges that 8-bit integers cannot be made with.
    #[error(
        "the ranges of vectors of {dimensions} dimensions: found {found}, expected finite smallest and largest \
         values, [2, {dimensions}]"
    )]
    Ranges {
        /// Of the vectors.
        dimensions: usize,
        /// The ranges' shape, or a value.
        found: String,
    },
    /// A vector with a value that is not finite.
    #[error("vector {row} (counted from 0) holds a value that is not finite")]
    NotFinite {
        /// Which vector, counted from 0.
        row: usize,
    },
}
