//! Vocabulary expansion: give a sentence encoder vectors for words it never saw in training.
//!
//! Word vectors trained elsewhere (GloVe, word2vec, fastText) cover far more words than an encoder
//! does. On the words that both know, a linear map with intercept from the word vectors to the encoder's
//! embedding space is fitted by least squares; applied to the remaining words, it places them in the
//! encoder's space. This follows section 2.2 of Kiros et al., *Skip-Thought Vectors* (2015), which GenSen
//! (Subramanian et al., 2018) adopted.
//!
//! ```
//! use gensen_expand::{EmbeddingTable, FitOptions, VocabularyMap, WordVectors};
//! use ndarray::array;
//!
//! // A tiny encoder vocabulary, and vectors of one dimension that also know "dog".
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
//! assert_eq!(expanded.embedding.row(6), array![9.0, 9.0]); // in neither: <unk>
//! println!("{}\n{}", map.linear().report(), expanded.report);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With a [`SentenceEncoder`](gensen_encode::SentenceEncoder) in place of tables:
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
//! Vectors are read by [`WordVectors::read`] in any of their usual formats; a fitted map is kept by
//! [`LinearMap::save`] and used later through [`VocabularyMap::new`].

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
