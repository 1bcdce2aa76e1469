//! Baselines: encoders made of word vectors alone.

use std::collections::{BTreeMap, HashMap};

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::embedder::{Embedder, EmbedderError, EmbedderInfo, Role};
use crate::random::MersenneTwister;
use crate::tasks::Pooling;

/// Word vectors pooled over a sentence; `last` is the last word's. Unknown words are skipped, and a sentence of
/// unknown words is all zeros.
#[derive(Clone, Debug)]
pub struct BagOfVectors {
    name: String,
    places: HashMap<String, usize>,
    vectors: Array2<f32>,
    identity: String,
    pooling: Option<Pooling>,
}

impl BagOfVectors {
    /// Row i of `vectors` is the vector of `words[i]`; a repeated word has its last row. `identity` should be a hash of
    /// the file the vectors were read from, since only some of its words may be here.
    pub fn new(
        name: impl Into<String>,
        identity: impl Into<String>,
        words: Vec<String>,
        vectors: Array2<f32>,
    ) -> Self {
        Self {
            name: name.into(),
            places: words
                .into_iter()
                .enumerate()
                .map(|(i, word)| (word, i))
                .collect(),
            identity: identity.into(),
            vectors,
            pooling: None,
        }
    }

    /// Uses one pooling for every task. The usual bag of vectors is the mean.
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = Some(pooling);
        self
    }

    /// A random projection of the word vectors to `width` values (BOREP, Wieting and Kiela 2019), with weights uniform
    /// within +-1 / sqrt(width of the word vectors).
    pub fn project(self, width: usize, seed: u32) -> Self {
        let (weights, _) = MersenneTwister::new(seed).torch_linear(self.vectors.ncols(), width);
        let shape = (width, self.vectors.ncols());
        #[allow(
            clippy::expect_used,
            reason = "a weight is drawn for each input and output"
        )]
        let weights = Array2::from_shape_vec(shape, weights).expect("outputs by inputs");
        Self {
            name: format!("{}, random projection to {width}", self.name),
            identity: format!("{} projected to {width} with seed {seed}", self.identity),
            vectors: self.vectors.dot(&weights.t()),
            ..self
        }
    }

    fn sentence(&self, sentence: &str, pooling: Pooling) -> Array1<f32> {
        let words = sentence.split(' ').filter_map(|word| self.places.get(word));
        let rows: Vec<ArrayView1<'_, f32>> = words.map(|&i| self.vectors.row(i)).collect();
        let Some((first, rest)) = rows.split_first() else {
            return Array1::zeros(self.vectors.ncols());
        };
        let mut pooled = first.to_owned();
        match pooling {
            Pooling::Last => rest.last().unwrap_or(first).to_owned(),
            Pooling::Mean => {
                rest.iter().for_each(|row| pooled += row);
                pooled / rows.len() as f32
            }
            Pooling::Max | Pooling::MaxPadded => {
                for row in rest {
                    pooled.zip_mut_with(row, |a, &b| *a = a.max(b));
                }
                pooled
            }
        }
    }
}

impl Embedder for BagOfVectors {
    fn info(&self) -> EmbedderInfo {
        let pooling = self
            .pooling
            .map_or_else(|| "the task's".to_owned(), |p| format!("{p:?}"));
        EmbedderInfo {
            name: self.name.clone(),
            role: Role::Baseline,
            identity: format!("{}, pooling {pooling}", self.identity),
            details: BTreeMap::from([
                ("word vectors".to_owned(), self.identity.clone()),
                ("pooling of the words".to_owned(), pooling),
            ]),
        }
    }

    fn embed(
        &mut self,
        sentences: &[String],
        pooling: Pooling,
    ) -> Result<Array2<f32>, EmbedderError> {
        let pooling = self.pooling.unwrap_or(pooling);
        let mut vectors = Array2::zeros((sentences.len(), self.vectors.ncols()));
        for (mut row, sentence) in vectors.axis_iter_mut(Axis(0)).zip(sentences) {
            row.assign(&self.sentence(sentence, pooling));
        }
        Ok(vectors)
    }
}
