//! Sentence vectors judged by pairs of sentences with scores.

use std::time::Instant;

use documented::{Documented, DocumentedFields};
use gensen_data::batch::Sentences;
use gensen_data::error::chain;
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

/// Sentences encoded at a time.
const BATCH: usize = 128;

/// Held-out data for the sentence vectors alone: a `[[validation]]` entry of a configuration.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationSpec {
    /// The name in metrics.
    pub name: String,
    /// What is measured.
    pub kind: ValidationKind,
    /// Rows `score TAB sentence TAB sentence`, or STS-Benchmark's own file.
    pub path: String,
    /// The tokeniser; that of all tasks if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// The sentences' language, for the tokeniser; `en` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValidationKind {
    /// Correlations of the vectors' cosines with people's scores.
    Similarity,
}

/// What is wrong with the entries' names.
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
                "name = \"{name}\" of a [[validation]] is taken: expected another one than those of \
                 tasks and other validations"
            ));
        }
        taken.push(name);
    }
    Ok(())
}

/// Reads the entries' files and finds their tokenisers, to see what is wrong with them before any work
/// starts.
///
/// # Errors
///
/// [`TrainError::Config`] for an unknown tokeniser; [`TrainError::Data`] with file and line.
pub fn check_files(config: &Config) -> Result<(), TrainError> {
    let vocabulary = Vocabulary::from_words(Vocabulary::SPECIAL)?;
    load(config, &vocabulary).map(drop)
}

/// The entries of a configuration, their words looked up.
pub(crate) fn load(
    config: &Config,
    vocabulary: &Vocabulary,
) -> Result<Vec<Similarity>, TrainError> {
    let of_spec = |spec: &ValidationSpec| Similarity::load(spec, config, vocabulary);
    config.validations.iter().map(of_spec).collect()
}

/// Scored pairs, ready to be encoded.
#[derive(Debug)]
pub(crate) struct Similarity {
    name: String,
    scores: Vec<f64>,
    /// The two sentences of each pair after each other.
    sentences: Vec<Vec<u32>>,
}

impl Similarity {
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
        let tokenizer = tokenizer.map_err(|error| TrainError::Config {
            origin: format!("[[validation]] `{}`", spec.name),
            problem: chain(&error),
        })?;
        let (mut tokens, mut lowered) = (Tokens::default(), String::new());
        // As the exported model's users have it: lower case first.
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

    /// Pearson's and Spearman's correlation of the scores with the cosines of the pairs' vectors; none
    /// where all cosines are the same. `model` must not be tracked by automatic differentiation.
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

    fn cosines(&self, model: &MultitaskModel) -> Vec<f64> {
        // Sentences of about the same length together, each where it was afterwards.
        let mut order: Vec<usize> = (0..self.sentences.len()).collect();
        order.sort_by_key(|&k| self.sentences[k].len());
        let mut vectors = vec![Vec::new(); self.sentences.len()];
        for places in order.chunks(BATCH) {
            let mut batch = Sentences::default();
            places.iter().for_each(|&k| batch.push(&self.sentences[k]));
            let encoded = model.encode(&batch, &mut Dropout::off());
            let width = encoded.dims()[1];
            let numbers: Vec<f32> = encoded.into_data().iter().collect();
            for (&place, vector) in places.iter().zip(numbers.chunks(width)) {
                vectors[place] = vector.to_vec();
            }
        }
        let pairs = vectors.as_chunks::<2>().0;
        pairs.iter().map(|[a, b]| cosine(a, b)).collect()
    }
}
