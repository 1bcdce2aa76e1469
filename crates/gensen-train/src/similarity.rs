//! Validation of sentence vectors by scored pairs of sentences.

use std::time::Instant;

use documented::{Documented, DocumentedFields};
use gensen_data::batch::Sentences;
use gensen_data::scored_pairs::{self, ScoredPair};
use gensen_data::similarity::{correlations, cosine};
use gensen_data::tokenizer::{self, Tokens};
use gensen_data::vocabulary::Vocabulary;
use gensen_model::MultitaskModel;
use gensen_model::dropout::Dropout;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::TrainError;
use crate::metrics::{Metric, Split};

/// Sentences per batch.
const BATCH: usize = 128;

/// Held-out data for the sentence vectors: a `[[validation]]` entry of a configuration.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationSpec {
    /// The name in metrics.
    pub name: String,
    /// The kind of measurement.
    pub kind: ValidationKind,
    /// A file of rows `score TAB sentence TAB sentence`, or STS-Benchmark's own file.
    pub path: String,
    /// The tokeniser. Default: `vocabulary.tokenizer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// The sentences' language, for the tokeniser. Default: `en`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// The kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValidationKind {
    /// Correlations of the vectors' cosines with human scores.
    Similarity,
}

/// Checks the entries' names; the error is the problem.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    let tasks = config.tasks.iter().map(|task| task.name.as_str());
    let mut taken: Vec<&str> = tasks.chain(["encoder"]).collect();
    for validation in &config.validations {
        let name = validation.name.as_str();
        if name.is_empty() || name.contains(['/', '\n']) {
            return Err(format!(
                "name = \"{name}\" of a [[validation]]: expected a name without a slash"
            ));
        }
        if taken.contains(&name) {
            return Err(format!(
                "name = \"{name}\" of a [[validation]] is taken: expected a name that no task and no other \
                 validation has"
            ));
        }
        taken.push(name);
    }
    Ok(())
}

/// Reads the entries' files and finds their tokenisers, so that errors show before any work starts.
///
/// # Errors
///
/// [`TrainError::Invalid`] for an unknown tokeniser; [`TrainError::Data`] with file and line.
pub fn check_files(config: &Config) -> Result<(), TrainError> {
    let vocabulary = Vocabulary::from_words(Vocabulary::SPECIAL)?;
    load(config, &vocabulary).map(drop)
}

/// Loads the entries of a configuration and looks their words up.
pub(crate) fn load(
    config: &Config,
    vocabulary: &Vocabulary,
) -> Result<Vec<SimilarityValidation>, TrainError> {
    let of_spec = |spec: &ValidationSpec| SimilarityValidation::load(spec, config, vocabulary);
    config.validations.iter().map(of_spec).collect()
}

/// Scored pairs as word ids.
#[derive(Debug)]
pub(crate) struct SimilarityValidation {
    name: String,
    scores: Vec<f64>,
    /// Both sentences of each pair, one after the other.
    sentences: Vec<Vec<u32>>,
}

impl SimilarityValidation {
    fn load(
        spec: &ValidationSpec,
        config: &Config,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TrainError> {
        let base = &config.run.data;
        let words = &config.vocabulary;
        let name = spec.tokenizer.as_ref().unwrap_or(&words.tokenizer);
        let language = spec.language.as_deref().unwrap_or("en");
        let resources = config.data_options(0).resources(base);
        let tokenizer = tokenizer::by_name(name, language, &resources);
        let key = format!("[[validation]] `{}`", spec.name);
        let tokenizer = tokenizer.map_err(TrainError::invalid(&key))?;
        let (mut tokens, mut lowered) = (Tokens::default(), String::new());
        // As when encoding with the exported model: lower-casing comes first.
        let mut ids = |text: &String| {
            let text = if words.lowercase {
                tokenizer::lowercase(text, &mut lowered);
                &lowered
            } else {
                text
            };
            tokenizer.tokenize(text, &mut tokens);
            let words = tokens.iter().map(|word| vocabulary.id_or_unknown(word));
            let ids = [Vocabulary::BOS].into_iter().chain(words);
            ids.chain([Vocabulary::EOS]).collect()
        };
        let pairs = scored_pairs::read(&spec.path, base)?;
        let sentences = pairs.iter().flat_map(|pair: &ScoredPair| &pair.sentences);
        Ok(Self {
            name: spec.name.clone(),
            sentences: sentences.map(&mut ids).collect(),
            scores: pairs.iter().map(|pair| pair.score).collect(),
        })
    }

    /// Pearson's and Spearman's correlation of the scores with the cosines of the pairs' vectors;
    /// undefined if all cosines are equal. `model` must not be tracked by automatic
    /// differentiation.
    pub(crate) fn measure(&self, model: &MultitaskModel, step: u64) -> Metric {
        let started = Instant::now();
        let found = correlations(&self.cosines(model), &self.scores);
        Metric {
            pearson: found.pearson,
            spearman: found.spearman,
            count: Some(self.scores.len() as u64),
            seconds: Some(started.elapsed().as_secs_f64()),
            ..Metric::new(step, Split::Validation, &self.name)
        }
    }

    /// Seconds that [`Self::measure`] takes, estimated from a batch of sentences of middle length.
    pub(crate) fn seconds(&self, model: &MultitaskModel) -> f64 {
        let order = self.by_length();
        let batches = order.chunks(BATCH);
        let (count, middle) = (batches.len(), order.len() / BATCH / 2);
        let Some(middle) = batches.into_iter().nth(middle) else {
            return 0.0;
        };
        // The first pass over a batch is slower.
        self.encode(model, middle);
        let started = Instant::now();
        self.encode(model, middle);
        started.elapsed().as_secs_f64() * count as f64
    }

    /// The places of the sentences, shortest first.
    fn by_length(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sentences.len()).collect();
        order.sort_by_key(|&k| self.sentences[k].len());
        order
    }

    /// The vectors of the sentences at these places.
    fn encode(&self, model: &MultitaskModel, places: &[usize]) -> Vec<Vec<f32>> {
        let mut batch = Sentences::default();
        places.iter().for_each(|&k| batch.push(&self.sentences[k]));
        let encoded = model.encode(&batch, &mut Dropout::off());
        let width = encoded.dims()[1];
        let numbers: Vec<f32> = encoded.into_data().iter().collect();
        numbers.chunks(width).map(<[f32]>::to_vec).collect()
    }

    /// The cosine of each pair's vectors. Sentences of similar lengths are encoded together.
    fn cosines(&self, model: &MultitaskModel) -> Vec<f64> {
        let mut vectors = vec![Vec::new(); self.sentences.len()];
        for places in self.by_length().chunks(BATCH) {
            for (&place, vector) in places.iter().zip(self.encode(model, places)) {
                vectors[place] = vector;
            }
        }
        let pairs = vectors.as_chunks::<2>().0;
        pairs.iter().map(|[a, b]| cosine(a, b)).collect()
    }
}
