//! Vocabulary expansion: embeddings for words that a sentence encoder has not seen in training.
//!
//! Pre-trained word vectors (GloVe, word2vec, fastText) cover far more words than an encoder. A
//! linear map with intercept from word vectors to the encoder's embeddings is fitted by least
//! squares on the shared words; it then gives every other word vector an embedding. This follows
//! section 2.2 of Kiros et al., *Skip-Thought Vectors* (2015), as GenSen does (Subramanian et al.,
//! 2018).
//!
//! ```
//! use gensen_expand::{EmbeddingTable, FitOptions, VocabularyMap, WordVectors};
//! use ndarray::array;
//!
//! // A tiny encoder vocabulary, and vectors of one dimension with one more word, "dog".
//! let own_words = ["<s>", "<pad>", "</s>", "<unk>", "cat", "cow"].map(String::from);
//! let own_rows = array![[0.0f32, 0.0], [0.0, 0.0], [0.0, 0.0], [9.0, 9.0], [1.0, 3.0], [2.0, 5.0]];
//! let own = EmbeddingTable::new(&own_words, own_rows.view())?;
//! let vectors = WordVectors::from_rows(["cat", "cow", "dog"], array![[1.0], [2.0], [3.0]])?;
//!
//! let map = VocabularyMap::fit_tables(&own, &vectors, &FitOptions::default())?;
//! let expanded = map.expand_table(&own, ["dog", "cat", "unicorn"])?;
//!
//! assert_eq!(expanded.words[4..], ["dog", "cat", "unicorn"]);
//! let dog = expanded.embedding.row(4);
//! assert!((dog[0] - 3.0).abs() < 1e-5 && (dog[1] - 7.0).abs() < 1e-5);
//! assert_eq!(expanded.embedding.row(6), array![9.0, 9.0]); // unknown to both: <unk>
//! println!("{}\n{}", map.linear().report(), expanded.report);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With a [`SentenceEncoder`](gensen_encode::SentenceEncoder) instead of tables:
//!
//! ```no_run
//! # use std::path::Path;
//! # use gensen_expand::{ReadOptions, VocabularyMap, WordSelection, WordVectors};
//! # use gensen_encode::SentenceEncoder;
//! let encoder = SentenceEncoder::load("models/nli_large")?;
//! let words = ["laparoscopy", "stent"];
//! let wanted = WordSelection::of(encoder.own_vocabulary().words().chain(words));
//! let vectors = WordVectors::read(Path::new("glove.txt"), &wanted, &ReadOptions::default())?;
//! let encoder = VocabularyMap::fit(&encoder, &vectors)?.expand(encoder, words)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`WordVectors::read`] reads the common formats of word vectors. [`LinearMap::save`] saves a
//! fitted map, and [`VocabularyMap::new`] uses it again.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![warn(clippy::missing_errors_doc)]

mod error;
mod least_squares;
mod vectors;
mod vocabulary;

pub use error::ExpandError;
pub use least_squares::{FitOptions, FitReport, LinearMap, MAP_KEY, MapError, Solver};
pub use vectors::{
    CaseOverlap, Duplicate, ReadOptions, ReadReport, RowProblem, VectorFormat, VectorsError,
    WordSelection, WordVectors,
};
pub use vocabulary::{EmbeddingTable, Expansion, ExpansionReport, SPECIAL_WORDS, VocabularyMap};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
