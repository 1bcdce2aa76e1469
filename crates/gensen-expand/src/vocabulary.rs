//! Vocabulary expansion: the embedding table for a new vocabulary.

use std::{collections::hash_map::Entry, fmt};

use gensen_encode::SentenceEncoder;
use ndarray::{Array2, ArrayView2};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    error::ExpandError,
    least_squares::{self, FitOptions, LinearMap, MapError, RowSelection},
    vectors::WordVectors,
};

/// The words with ids 0 to 3 in every vocabulary.
pub const SPECIAL_WORDS: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
const UNKNOWN_ROW: usize = 3;

/// An encoder's own words in id order and their embeddings.
///
/// Every expansion starts from this table, not from an expanded one.
#[derive(Debug)]
pub struct EmbeddingTable<'a> {
    words: Vec<&'a str>,
    embedding: ArrayView2<'a, f32>,
    index: FxHashMap<&'a str, usize>,
}

impl<'a> EmbeddingTable<'a> {
    /// A table of `words` and the rows of `embedding`, `[words, width]`.
    ///
    /// # Errors
    ///
    /// Different numbers of words and rows, first words other than [`SPECIAL_WORDS`], and repeated
    /// words.
    pub fn new<S: AsRef<str> + ?Sized + 'a>(
        words: impl IntoIterator<Item = &'a S>,
        embedding: ArrayView2<'a, f32>,
    ) -> Result<Self, ExpandError> {
        let words: Vec<&str> = words.into_iter().map(AsRef::as_ref).collect();
        if words.len() != embedding.nrows() {
            return Err(ExpandError::TableLength {
                words: words.len(),
                rows: embedding.nrows(),
            });
        }
        for (id, special) in SPECIAL_WORDS.into_iter().enumerate() {
            match words.get(id) {
                Some(&word) if word == special => {}
                other => {
                    return Err(ExpandError::SpecialWord {
                        id,
                        expected: special,
                        found: other.map(|word| word.to_string()),
                    });
                }
            }
        }
        let mut index = FxHashMap::default();
        for (id, &word) in words.iter().enumerate() {
            match index.entry(word) {
                Entry::Vacant(entry) => entry.insert(id),
                Entry::Occupied(first) => {
                    return Err(ExpandError::RepeatedWord {
                        word: word.to_owned(),
                        first: *first.get(),
                        second: id,
                    });
                }
            };
        }
        Ok(Self {
            words,
            embedding,
            index,
        })
    }

    /// The error for a map that is not finite: names the first of these words whose embedding is
    /// not.
    fn not_finite(&self, ids: &[usize]) -> ExpandError {
        let damaged = |&&id: &&usize| self.embedding.row(id).iter().any(|x| !x.is_finite());
        match ids.iter().find(damaged) {
            Some(&id) => ExpandError::NotFinite {
                id,
                word: self.words[id].to_owned(),
            },
            None => MapError::NotFinite.into(),
        }
    }
}

/// A linear map and the word vectors that it maps.
#[derive(Debug, Clone)]
pub struct VocabularyMap<'v> {
    linear: LinearMap,
    vectors: &'v WordVectors,
}

impl<'v> VocabularyMap<'v> {
    /// Fits the map from the word vectors to the encoder's embeddings, by ordinary least squares on
    /// the shared words. For an expanded encoder, these are its [own
    /// words](SentenceEncoder::own_vocabulary).
    ///
    /// # Errors
    ///
    /// As [`fit_tables`](Self::fit_tables).
    pub fn fit(encoder: &SentenceEncoder, vectors: &'v WordVectors) -> Result<Self, ExpandError> {
        Self::fit_with(encoder, vectors, &FitOptions::default())
    }

    /// As [`fit`](Self::fit), with options.
    ///
    /// # Errors
    ///
    /// As [`fit_tables`](Self::fit_tables).
    pub fn fit_with(
        encoder: &SentenceEncoder,
        vectors: &'v WordVectors,
        options: &FitOptions,
    ) -> Result<Self, ExpandError> {
        let embedding = encoder.own_embedding();
        let own = EmbeddingTable::new(encoder.own_vocabulary().words(), embedding.view())?;
        Self::fit_tables(&own, vectors, options)
    }

    /// The encoder with a new vocabulary; see [`expand_table`](Self::expand_table).
    ///
    /// An encoder that was expanded before is expanded from its own words again.
    ///
    /// # Errors
    ///
    /// As [`expand_table`](Self::expand_table).
    pub fn expand<I>(
        &self,
        encoder: SentenceEncoder,
        words: I,
    ) -> Result<SentenceEncoder, ExpandError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Ok(self.expand_with_report(&encoder, words)?.0)
    }

    /// As [`expand`](Self::expand), with a report of where the embeddings come from.
    ///
    /// # Errors
    ///
    /// As [`expand_table`](Self::expand_table).
    pub fn expand_with_report<I>(
        &self,
        encoder: &SentenceEncoder,
        words: I,
    ) -> Result<(SentenceEncoder, ExpansionReport), ExpandError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let embedding = encoder.own_embedding();
        let own = EmbeddingTable::new(encoder.own_vocabulary().words(), embedding.view())?;
        let expansion = self.expand_table(&own, words)?;
        let encoder = encoder.with_vocabulary(&expansion.words, expansion.embedding)?;
        Ok((encoder, expansion.report))
    }

    /// Fits the map from the word vectors to the embeddings on the shared words.
    ///
    /// As in the reference, shared words include special words if they have a word vector.
    ///
    /// # Errors
    ///
    /// [`ExpandError::TooFewShared`] if there are too few shared words to determine the map without
    /// a ridge, [`ExpandError::NotFinite`] if the embedding of a shared word is not finite,
    /// [`ExpandError::Map`] for other failures of the fit.
    pub fn fit_tables(
        own: &EmbeddingTable<'_>,
        vectors: &'v WordVectors,
        options: &FitOptions,
    ) -> Result<Self, ExpandError> {
        let overlap = vectors.case_overlap(own.words.iter().copied());
        if overlap.suggests_lowercasing() {
            tracing::warn!(
                shared = overlap.shared,
                if_lowercased = overlap.shared_if_lowercased,
                "the encoder and the word vectors differ in case: lower-casing both would increase the shared words"
            );
        }
        let dimensions = vectors.dimensions();
        let needed = if options.ridge > 0.0 {
            2
        } else {
            dimensions + 1
        };
        if overlap.shared < needed {
            return Err(ExpandError::TooFewShared {
                shared: overlap.shared,
                needed,
                dimensions,
                own_words: own.words.len(),
                vector_words: vectors.len(),
                shared_if_lowercased: overlap.shared_if_lowercased,
            });
        }
        let shared = own
            .words
            .iter()
            .enumerate()
            .filter_map(|(id, word)| Some((id, vectors.position(word)?)));
        let (ids, positions): (Vec<_>, Vec<_>) = shared.unzip();
        let x = RowSelection::new(vectors.matrix(), positions);
        let y = RowSelection::new(own.embedding, ids.clone());
        let linear = least_squares::fit(&x, &y, overlap, options)?;
        // If any input is not finite, neither is the intercept; only then search for the word.
        if linear.intercept().iter().any(|value| !value.is_finite()) {
            return Err(own.not_finite(&ids));
        }
        Ok(Self { linear, vectors })
    }

    /// Combines a fitted map with word vectors.
    ///
    /// # Errors
    ///
    /// [`MapError::Dimensions`] if the vectors have other dimensions than those of the fit.
    pub fn new(linear: LinearMap, vectors: &'v WordVectors) -> Result<Self, MapError> {
        match vectors.dimensions() {
            found if found == linear.dimensions() => Ok(Self { linear, vectors }),
            found => Err(MapError::Dimensions {
                expected: linear.dimensions(),
                found,
            }),
        }
    }

    /// The linear map.
    #[must_use]
    pub fn linear(&self) -> &LinearMap {
        &self.linear
    }

    /// The embedding table of a new vocabulary.
    ///
    /// The special words come first, then `words` in order, without repetitions. The encoder's own
    /// words keep their embeddings, others are mapped from their word vectors, and words with
    /// neither get that of `<unk>`.
    ///
    /// # Errors
    ///
    /// [`ExpandError::NoWords`] for an empty list, [`ExpandError::EmptyWord`] for a word without
    /// characters, [`ExpandError::Width`] if the map was fitted to embeddings of another width.
    pub fn expand_table<I>(
        &self,
        own: &EmbeddingTable<'_>,
        words: I,
    ) -> Result<Expansion, ExpandError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let width = own.embedding.ncols();
        if width != self.linear.width() {
            return Err(ExpandError::Width {
                expected: self.linear.width(),
                found: width,
            });
        }
        let new_words = distinct(words)?;
        let mut report = ExpansionReport::default();
        // Rows of the encoder's table, by new id; those of mapped words are replaced below.
        let mut own_rows = Vec::with_capacity(new_words.len());
        let mut mapped_ids = Vec::new();
        let mut positions = Vec::new();
        for (id, word) in new_words.iter().enumerate() {
            let special = id < SPECIAL_WORDS.len();
            if let Some(&row) = own.index.get(word.as_str()) {
                report.kept += usize::from(!special);
                own_rows.push(row);
            } else {
                own_rows.push(UNKNOWN_ROW);
                if let Some(position) = self.vectors.position(word) {
                    mapped_ids.push(id);
                    positions.push(position);
                } else {
                    report.unknown += 1;
                    if report.unknown_examples.len() < ExpansionReport::EXAMPLES {
                        report.unknown_examples.push(word.clone());
                    }
                }
            }
        }
        report.mapped = mapped_ids.len();

        let mut embedding = own.embedding.select(ndarray::Axis(0), &own_rows);
        let mapped = self
            .linear
            .transform_rows(&RowSelection::new(self.vectors.matrix(), positions))?;
        for (&id, row) in mapped_ids.iter().zip(mapped.rows()) {
            embedding.row_mut(id).assign(&row);
        }
        Ok(Expansion {
            words: new_words,
            embedding,
            report,
        })
    }
}

/// The special words, then each of `words` once.
fn distinct<I>(words: I) -> Result<Vec<String>, ExpandError>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut new_words: Vec<String> = SPECIAL_WORDS.map(String::from).to_vec();
    let mut seen: FxHashSet<String> = new_words.iter().cloned().collect();
    let mut given = 0;
    for word in words {
        given += 1;
        let word = word.as_ref();
        if word.is_empty() {
            return Err(ExpandError::EmptyWord { position: given });
        }
        if !seen.contains(word) {
            seen.insert(word.to_owned());
            new_words.push(word.to_owned());
        }
    }
    if given == 0 {
        Err(ExpandError::NoWords)
    } else {
        Ok(new_words)
    }
}

/// The embedding table of an expanded vocabulary.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Expansion {
    /// Words in id order, the four special words first.
    pub words: Vec<String>,
    /// Their embeddings, `[words, width]`.
    pub embedding: Array2<f32>,
    /// The sources of the embeddings.
    pub report: ExpansionReport,
}

/// The sources of the embeddings of an expanded vocabulary, without the four special words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpansionReport {
    /// The number of the encoder's own words.
    pub kept: usize,
    /// The number of words mapped from their word vectors.
    pub mapped: usize,
    /// The number of words with neither, which are `<unk>`.
    pub unknown: usize,
    /// The first unknown words.
    pub unknown_examples: Vec<String>,
}

impl ExpansionReport {
    const EXAMPLES: usize = 10;
}

impl fmt::Display for ExpansionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kept,
            mapped,
            unknown,
            unknown_examples,
        } = self;
        write!(f, "{kept} words kept, {mapped} mapped, {unknown} unknown")?;
        if !unknown_examples.is_empty() {
            let more = if *unknown > unknown_examples.len() {
                ", ..."
            } else {
                ""
            };
            write!(f, " ({}{more})", unknown_examples.join(", "))?;
        }
        Ok(())
    }
}
