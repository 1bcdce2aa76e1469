//! Embeddings of unknown words, computed from the known words with the most similar spelling.
//!
//! A word's spelling is the set of its character n-grams of 3 to 5 characters, with a mark at each
//! end of the word, as in fastText (Bojanowski et al., TACL 2017). An n-gram's weight is the
//! logarithm of its inverse document frequency over the vocabulary, rounded down to an integer, so
//! that cosines are the same on every machine.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;
use std::sync::OnceLock;

use gensen_data::vocabulary::Vocabulary;
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use crate::EncodeError;
use crate::weights::{Tensor, WeightsError, embedding_row};

/// The treatment of words outside an encoder's vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum UnknownWords {
    /// The embedding of `<unk>`, as in the reference implementation.
    #[default]
    Unk,
    /// The weighted mean of the embeddings of the known words with the most similar spelling; `<unk>`
    /// if none is similar.
    Spelling,
}

impl UnknownWords {
    /// All variants.
    pub const ALL: [Self; 2] = [Self::Unk, Self::Spelling];

    /// The name in options and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unk => "unk",
            Self::Spelling => "spelling",
        }
    }
}

impl fmt::Display for UnknownWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UnknownWords {
    type Err = EncodeError;

    fn from_str(name: &str) -> Result<Self, EncodeError> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| EncodeError::UnknownWords(name.to_owned()))
    }
}

/// The lengths of n-grams in characters.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=5;
/// The largest number of known words that an unknown word's embedding is computed from.
const NEIGHBOURS: usize = 20;
/// The least cosine between the spellings of an unknown word and its nearest neighbour.
const LEAST_COSINE: f64 = 0.25;
/// The length limit in characters of words that are looked up; longer ones are rarely words.
const LONGEST: usize = 64;

/// An index of a vocabulary's words by their n-grams.
pub(crate) struct Spelling {
    /// The hashes of the n-grams, in ascending order.
    grams: Vec<u64>,
    /// The end of each n-gram's words in `words`.
    ends: Vec<u32>,
    /// The ids of the words with each n-gram, concatenated.
    words: Vec<u32>,
    /// The squared norm of each word's weights, by id; 0 for words that are not indexed.
    norms: Vec<u32>,
    /// The number of indexed words.
    indexed: u32,
}

impl Spelling {
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        let mut pairs = Vec::new();
        let mut indexed = 0;
        let mut hashes = Vec::new();
        for id in Vocabulary::SPECIAL.len() as u32..vocabulary.len() as u32 {
            #[allow(
                clippy::expect_used,
                reason = "ids go from 0 to the vocabulary's length"
            )]
            let word = vocabulary.word(id).expect("a word of the vocabulary");
            if grams_of(word, &mut hashes) {
                indexed += 1;
                pairs.extend(hashes.iter().map(|&gram| (gram, id)));
            }
        }
        pairs.sort_unstable();
        let mut spelling = Self {
            grams: Vec::new(),
            ends: Vec::new(),
            words: pairs.iter().map(|&(_, id)| id).collect(),
            norms: vec![0; vocabulary.len()],
            indexed,
        };
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let weight = spelling.weight(same.len());
            for &(_, id) in same {
                spelling.norms[id as usize] += weight * weight;
            }
            let start = spelling.ends.last().copied().unwrap_or(0);
            spelling.grams.push(same[0].0);
            spelling.ends.push(start + same.len() as u32);
        }
        spelling
    }

    /// The weight of an n-gram that occurs in `words` of the indexed words; without one, as in one.
    fn weight(&self, words: usize) -> u32 {
        (self.indexed / words.max(1) as u32)
            .checked_ilog2()
            .unwrap_or(0)
    }

    /// The ids of the words with this n-gram.
    fn words_with(&self, gram: u64) -> &[u32] {
        let Ok(k) = self.grams.binary_search(&gram) else {
            return &[];
        };
        let start = if k == 0 { 0 } else { self.ends[k - 1] };
        &self.words[start as usize..self.ends[k] as usize]
    }
}

/// Looks up unknown words, each once.
pub(crate) struct Speller<'a> {
    vocabulary: &'a Vocabulary,
    spelling: &'a OnceLock<Spelling>,
    /// `[known words, size]`
    embedding: &'a Tensor,
    /// The row of each word looked up so far in `embeddings`; `None` if no known word is similar.
    found: HashMap<String, Option<u32>>,
    /// `[rows, size]`
    embeddings: Vec<f32>,
    hashes: Vec<u64>,
    /// The product of each known word's spelling with that of the current word, by id; zero between
    /// look-ups.
    products: Vec<u32>,
}

impl<'a> Speller<'a> {
    /// `spelling` is the vocabulary's index, which is built when the first word is looked up.
    pub(crate) fn new(
        vocabulary: &'a Vocabulary,
        spelling: &'a OnceLock<Spelling>,
        embedding: &'a Tensor,
    ) -> Self {
        Self {
            vocabulary,
            spelling,
            embedding,
            found: HashMap::new(),
            embeddings: Vec::new(),
            hashes: Vec::new(),
            products: Vec::new(),
        }
    }

    /// The row of an unknown word's embedding in [`Self::embeddings`]; `None` if no known word is
    /// similar.
    pub(crate) fn number(&mut self, word: &str) -> Result<Option<u32>, WeightsError> {
        if let Some(&number) = self.found.get(word) {
            return Ok(number);
        }
        let neighbours = self.neighbours(word);
        let number = match neighbours.is_empty() {
            true => None,
            false => Some(self.add(&neighbours)?),
        };
        self.found.insert(word.to_owned(), number);
        Ok(number)
    }

    /// The embeddings computed so far, `[rows, size]`.
    pub(crate) fn embeddings(&self) -> &[f32] {
        &self.embeddings
    }

    fn size(&self) -> usize {
        self.embedding.shape()[1]
    }

    /// The known words with the most similar spellings, as cosine and id in descending order of cosine.
    fn neighbours(&mut self, word: &str) -> Vec<(f64, u32)> {
        if !grams_of(word, &mut self.hashes) {
            return Vec::new();
        }
        let spelling = self.spelling.get_or_init(|| Spelling::new(self.vocabulary));
        self.products.resize(self.vocabulary.len(), 0);
        let mut norm = 0;
        let mut touched = Vec::new();
        for &gram in &self.hashes {
            let words = spelling.words_with(gram);
            let weight = spelling.weight(words.len());
            if weight == 0 {
                continue;
            }
            norm += weight * weight;
            for &id in words {
                let product = &mut self.products[id as usize];
                if *product == 0 {
                    touched.push(id);
                }
                *product += weight * weight;
            }
        }
        let norms = &spelling.norms;
        let cosine = |id: u32, product: u32| {
            f64::from(product) / (f64::from(norm) * f64::from(norms[id as usize])).sqrt()
        };
        let mut neighbours: Vec<(f64, u32)> = touched
            .into_iter()
            .map(|id| (std::mem::take(&mut self.products[id as usize]), id))
            .filter(|&(product, _)| product > 0)
            .map(|(product, id)| (cosine(id, product), id))
            .collect();
        let by_cosine = |a: &(f64, u32), b: &(f64, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if neighbours.len() > NEIGHBOURS {
            neighbours.select_nth_unstable_by(NEIGHBOURS, by_cosine);
            neighbours.truncate(NEIGHBOURS);
        }
        neighbours.sort_unstable_by(by_cosine);
        match neighbours.first() {
            Some(&(best, _)) if best >= LEAST_COSINE => neighbours,
            _ => Vec::new(),
        }
    }

    /// Adds the mean of the neighbours' embeddings, weighted by the fourth powers of their cosines and
    /// scaled to their mean norm, since a mean of vectors with different directions is shorter. Returns
    /// its row.
    fn add(&mut self, neighbours: &[(f64, u32)]) -> Result<u32, WeightsError> {
        let size = self.size();
        let number = (self.embeddings.len() / size) as u32;
        let mut mean = vec![0.0; size];
        let mut row = vec![0.0; size];
        let (mut length, mut total) = (0.0, 0.0);
        for &(cosine, id) in neighbours {
            embedding_row(self.embedding, id as usize, &mut row)?;
            let weight = (cosine * cosine) * (cosine * cosine);
            let mut squares = 0.0;
            for (sum, &value) in mean.iter_mut().zip(&row) {
                *sum += weight * f64::from(value);
                squares += f64::from(value) * f64::from(value);
            }
            length += weight * squares.sqrt();
            total += weight;
        }
        let found = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
        // `length` is the mean norm times `total`, and `found` the norm of the mean times `total`.
        let scale = if found > 0.0 {
            length / total / found
        } else {
            0.0
        };
        self.embeddings
            .extend(mean.iter().map(|value| (value * scale) as f32));
        Ok(number)
    }
}

/// Replaces the contents of `hashes` with the hashes of a word's distinct n-grams, in ascending order.
/// Returns false for text without a letter or digit, or longer than [`LONGEST`].
fn grams_of(word: &str, hashes: &mut Vec<u64>) -> bool {
    hashes.clear();
    if !word.chars().any(char::is_alphanumeric) || word.chars().nth(LONGEST).is_some() {
        return false;
    }
    let marked = format!("<{word}>");
    let mut starts: Vec<usize> = marked.char_indices().map(|(start, _)| start).collect();
    starts.push(marked.len());
    for length in LENGTHS {
        for window in starts.windows(length + 1) {
            let mut hasher = FxHasher::default();
            hasher.write(&marked.as_bytes()[window[0]..window[length]]);
            hashes.push(hasher.finish());
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    true
}

#[cfg(test)]
mod tests;
