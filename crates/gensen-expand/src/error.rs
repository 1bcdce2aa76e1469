//! Errors of vocabulary expansion.

use gensen_encode::EncodeError;
use thiserror::Error;

use crate::least_squares::MapError;

/// An error while fitting or applying a [`VocabularyMap`](crate::VocabularyMap).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// The numbers of words and rows differ.
    #[error("{words} words for {rows} rows of the embedding")]
    TableLength {
        /// The number of words.
        words: usize,
        /// The number of rows.
        rows: usize,
    },
    /// One of the first four words is not the special word.
    #[error("word {id} of the vocabulary is {found:?}, expected the special word {expected:?}")]
    SpecialWord {
        /// Its id.
        id: usize,
        /// The special word.
        expected: &'static str,
        /// The word with this id, if there is one.
        found: Option<String>,
    },
    /// A word occurs twice in the vocabulary.
    #[error("{word:?} occurs twice in the vocabulary, with ids {first} and {second}")]
    RepeatedWord {
        /// The word.
        word: String,
        /// Its first id.
        first: usize,
        /// Its second id.
        second: usize,
    },
    /// Too few shared words for the fit.
    #[error(
        "only {shared} of the encoder's {own_words} words are among the {vector_words} word vectors that were read; vectors of \
         {dimensions} dimensions need at least {needed} ({shared_if_lowercased} would be shared if both were lower-cased); use \
         vectors of the encoder's language and case, vectors of fewer dimensions, or a ridge above 0"
    )]
    TooFewShared {
        /// The number of shared words.
        shared: usize,
        /// The smallest number of shared words.
        needed: usize,
        /// The length of the word vectors.
        dimensions: usize,
        /// The number of the encoder's words.
        own_words: usize,
        /// The number of word vectors.
        vector_words: usize,
        /// The number of shared words if both sides were lower-cased.
        shared_if_lowercased: usize,
    },
    /// The embedding of a shared word is NaN or infinite.
    #[error("the encoder's embedding of {word:?} (word {id}) is not finite")]
    NotFinite {
        /// Its id.
        id: usize,
        /// The word.
        word: String,
    },
    /// The list of words is empty.
    #[error("the list of words to expand to is empty")]
    NoWords,
    /// A word without characters.
    #[error("word {position} of the list to expand to is empty")]
    EmptyWord {
        /// Its position, from 1.
        position: usize,
    },
    /// The map was fitted to embeddings of another width.
    #[error("the map is to embeddings of width {expected}, the encoder's width is {found}")]
    Width {
        /// The width of the map.
        expected: usize,
        /// The encoder's width.
        found: usize,
    },
    /// The linear map cannot be fitted or applied.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The encoder refuses the new vocabulary.
    #[error(transparent)]
    Encoder(#[from] EncodeError),
}
