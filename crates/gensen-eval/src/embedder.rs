//! [`Embedder`]: any source of sentence vectors.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;

use gensen_data::digest::{self, Digest};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};
use crate::tasks::Pooling;

/// Sentences per call of an embedder; progress is reported between calls.
const CHUNK: usize = 4096;

/// An error of an embedder.
pub type EmbedderError = Box<dyn std::error::Error + Send + Sync>;

/// An encoder's role in a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The encoder to evaluate.
    #[default]
    Model,
    /// The same encoder before training.
    RandomInitialisation,
    /// A simple encoder to compare with.
    Baseline,
}

/// Everything that defines an encoder's vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedderInfo {
    /// A name for reports.
    pub name: String,
    /// Its role in a comparison.
    pub role: Role,
    /// A hash of its weights and settings; vectors are cached under it.
    pub identity: String,
    /// Settings to print in reports: tokeniser, word vectors, versions, ...
    pub details: BTreeMap<String, String>,
}

/// SHA-256 over the parts that define an encoder's vectors; see [`EmbedderInfo::identity`].
#[derive(Clone, Debug, Default)]
pub struct Identity(Digest);

impl Identity {
    /// Adds a part, with its length, so that parts cannot run together.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Adds numbers.
    pub fn add_numbers(&mut self, numbers: &[f32]) {
        self.0.update((numbers.len() as u64).to_le_bytes());
        let mut bytes = Vec::new();
        for chunk in numbers.chunks(1 << 16) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
            self.0.update(&bytes);
        }
    }

    /// Adds a file's contents.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`].
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let mut part = Digest::default();
        let read = File::open(path).and_then(|file| part.read(file));
        read.map_err(EvalError::io(path))?;
        self.add(&part.finish());
        Ok(())
    }

    /// The hash in hexadecimal.
    pub fn finish(self) -> String {
        digest::hex(&self.0.finish())
    }
}

/// Turns sentences into vectors.
pub trait Embedder {
    /// The identity and description of the vectors.
    fn info(&self) -> EmbedderInfo;

    /// The cache key of the vectors with this pooling; [`EmbedderInfo::identity`] by default.
    fn identity(&self, pooling: Pooling) -> String {
        let _ = pooling;
        self.info().identity
    }

    /// Whether its vectors depend on the pooling; true by default.
    fn pools(&self) -> bool {
        true
    }

    /// A warning about the sentences embedded since the last call of [`prepare`](Embedder::prepare), such as many
    /// unknown words.
    fn caution(&self) -> Option<String> {
        None
    }

    /// Called with a task's words before its sentences, to extend the vocabulary.
    ///
    /// # Errors
    ///
    /// Those of the encoder.
    fn prepare(&mut self, words: &BTreeSet<&str>) -> Result<(), EmbedderError> {
        let _ = words;
        Ok(())
    }

    /// Vectors `[sentences, width]`. Sentences are words separated by blanks, and may be empty.
    ///
    /// # Errors
    ///
    /// Those of the encoder.
    fn embed(
        &mut self,
        sentences: &[String],
        pooling: Pooling,
    ) -> Result<Array2<f32>, EmbedderError>;
}

/// Vectors of distinct sentences.
#[derive(Clone, Debug)]
pub(crate) struct SentenceVectors {
    places: HashMap<String, usize>,
    pub vectors: Array2<f32>,
}

/// The distinct sentences of some groups, shortest first.
pub(crate) fn distinct<'a>(groups: &[&'a [String]]) -> Vec<&'a String> {
    let all: BTreeSet<&String> = groups.iter().copied().flatten().collect();
    let mut all: Vec<&String> = all.into_iter().collect();
    all.sort_by_key(|sentence| sentence.split(' ').count());
    all
}

impl SentenceVectors {
    /// Embeds each sentence once; `progress` is called with the share done, 0..=1.
    pub(crate) fn compute(
        embedder: &mut dyn Embedder,
        sentences: &[&String],
        pooling: Pooling,
        lowercase: bool,
        progress: &dyn Fn(f64),
    ) -> Result<Array2<f32>> {
        let texts: Vec<String> = sentences
            .iter()
            .map(|s| {
                if lowercase {
                    s.to_lowercase()
                } else {
                    (*s).clone()
                }
            })
            .collect();
        let words: BTreeSet<&str> = texts
            .iter()
            .flat_map(|text| text.split(' '))
            .filter(|w| !w.is_empty())
            .collect();
        embedder.prepare(&words).map_err(EvalError::Embedder)?;
        let mut vectors: Option<Array2<f32>> = None;
        for (i, chunk) in texts.chunks(CHUNK).enumerate() {
            let found = embedder
                .embed(chunk, pooling)
                .map_err(EvalError::Embedder)?;
            let width = vectors.as_ref().map_or(found.ncols(), Array2::ncols);
            if found.dim() != (chunk.len(), width) {
                let expected = format!("[{}, {width}]", chunk.len());
                return Err(EvalError::shape(
                    "vectors",
                    expected,
                    format!("{:?}", found.dim()),
                ));
            }
            let all = vectors.get_or_insert_with(|| Array2::zeros((texts.len(), width)));
            let start = i * CHUNK;
            all.slice_mut(ndarray::s![start..start + chunk.len(), ..])
                .assign(&found);
            progress((start + chunk.len()) as f64 / texts.len() as f64);
        }
        let vectors = vectors.unwrap_or_default();
        let finite = |row: &ndarray::ArrayView1<'_, f32>| row.iter().all(|x| x.is_finite());
        if let Some(row) = vectors.rows().into_iter().position(|row| !finite(&row)) {
            let what = format!(
                "the sentence {:?}",
                texts.get(row).map_or("", String::as_str)
            );
            return Err(EvalError::NotFinite { what, row });
        }
        Ok(vectors)
    }

    /// Row i of `vectors` is the vector of `sentences[i]`.
    pub(crate) fn new(sentences: &[&String], vectors: Array2<f32>) -> Self {
        let places = sentences
            .iter()
            .enumerate()
            .map(|(i, s)| ((*s).clone(), i))
            .collect();
        Self { places, vectors }
    }

    /// The vector of each sentence, `[sentences, width]`; all are among those of [`Self::new`].
    pub(crate) fn of(&self, sentences: &[String]) -> Array2<f32> {
        let mut rows = Array2::zeros((sentences.len(), self.vectors.ncols()));
        for (mut row, sentence) in rows.rows_mut().into_iter().zip(sentences) {
            row.assign(&self.vectors.row(self.places[sentence]));
        }
        rows
    }

    /// Feature vectors of pairs: the results of all `parts`, concatenated.
    pub(crate) fn of_pairs(
        &self,
        first: &[String],
        second: &[String],
        parts: &[fn(f32, f32) -> f32],
    ) -> Array2<f32> {
        let width = self.vectors.ncols();
        let mut features = Array2::zeros((first.len(), parts.len() * width));
        let pairs = first.iter().zip(second);
        for (mut row, (u, v)) in features.rows_mut().into_iter().zip(pairs) {
            let [u, v] = [u, v].map(|sentence| self.vectors.row(self.places[sentence]));
            let values = parts
                .iter()
                .flat_map(|part| u.iter().zip(v).map(|(&u, &v)| part(u, v)));
            row.iter_mut()
                .zip(values)
                .for_each(|(place, value)| *place = value);
        }
        features
    }
}
