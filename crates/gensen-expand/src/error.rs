//! Why an encoder is not expanded.

use gensen_encode::EncodeError;
use thiserror::Error;

use crate::least_squares::MapError;

/// An error while fitting or applying a [`VocabularyMap`](crate::VocabularyMap).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// Words and rows differ in number.
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
        /// What is there.
        found: Option<String>,
    },
    /// The vocabulary holds a word twice.
    #[error("the vocabulary holds {word:?} twice, as words {first} and {second}")]
    RepeatedWord {
        /// The word.
        word: String,
        /// Its first id.
        first: usize,
        /// Its second id.
        second: usize,
    },
    /// Too few samples for the fit.
    #[error(
        "only {shared} of the encoder's {own_words} words are among the {vector_words} word vectors kept, at least {needed} are \
         needed for {dimensions} dimensions ({shared_if_lowercased} would be shared if both were lower-cased); use \
         vectors of the encoder's language and case, vectors of fewer dimensions, or a ridge above 0"
    )]
    TooFewShared {
        /// Words that both hold.
        shared: usize,
        /// How many are needed.
        needed: usize,
        /// The length of the word vectors.
        dimensions: usize,
        /// Words of the encoder.
        own_words: usize,
        /// Word vectors kept.
        vector_words: usize,
        /// Words that both would hold if they were lower-cased.
        shared_if_lowercased: usize,
    },
    /// The embedding of a shared word holds NaN or an infinity.
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
        /// Where, from 1.
        position: usize,
    },
    /// The map leads to embeddings of another width.
    #[error("the map leads to embeddings of width {expected}, the encoder's is {found}")]
    Width {
        /// What the map was fitted to.
        expected: usize,
        /// The encoder's.
        found: usize,
    },
    /// The linear map cannot be fitted or applied.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The encoder does not take the new words.
    #[error(transparent)]
    Encoder(#[from] EncodeError),
}
