//! The contents of `config.json`.

use std::path::Path;

use gensen_data::pooling::Pooling;
use gensen_data::tokenizer::{Resources, by_name};
use serde::{Deserialize, Serialize};

use super::ModelFolderError;
use crate::weights::EncoderState;
use crate::{Ranges, UnknownWords};

/// The format version that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;

/// A model's architecture, text processing and provenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// [`FORMAT_VERSION`] when it was written.
    pub format_version: u32,
    /// The encoder's sizes.
    pub architecture: Architecture,
    /// The default pooling.
    pub pooling: Pooling,
    /// The default tokeniser, by a name that [`by_name`] accepts.
    pub tokenizer: String,
    /// Whether text is lower-cased by default.
    pub lowercase: bool,
    /// The default treatment of words outside the vocabulary. `unk` is not written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown_words: UnknownWords,
    /// The model's provenance.
    pub provenance: Provenance,
    /// The value ranges of its vectors, for 8-bit integers; at most one entry per pooling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Ranges>,
}

fn is_default(unknown_words: &UnknownWords) -> bool {
    *unknown_words == UnknownWords::default()
}

/// An encoder's sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// The number of words, the four special ones included.
    pub vocabulary_size: usize,
    /// The length of a word's vector.
    pub embedding_size: usize,
    /// The length of a hidden state, both directions together.
    pub hidden_size: usize,
    /// The number of GRU layers.
    pub layers: usize,
    /// Whether sentences are read backward, too.
    pub bidirectional: bool,
}

/// A model's provenance, for its card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provenance {
    /// The model's name.
    pub name: String,
    /// The model's origin, in one or two sentences.
    pub description: String,
    /// The training data.
    pub data: Vec<TrainingData>,
    /// The number of optimiser steps, if known.
    pub steps: Option<u64>,
    /// The training run it was exported from, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunDigests>,
    /// Its results on evaluation tasks.
    pub scores: Vec<Score>,
}

/// Digests that tell which training run a model was exported from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDigests {
    /// SHA-256 of the run's `config.toml`, in hexadecimal.
    pub configuration: String,
    /// SHA-256 of the exported checkpoint's `manifest.json`, which holds the digests of its weights,
    /// optimiser and state, in hexadecimal.
    pub checkpoint: String,
}

/// A data set a model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// The data set.
    pub name: String,
    /// The training task it was used for.
    pub task: String,
    /// Its licence, as far as known.
    pub licence: String,
}

/// A result on an evaluation task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The task, with the split.
    pub task: String,
    /// The metric, with its unit.
    pub metric: String,
    /// The value.
    pub value: f64,
}

impl Architecture {
    /// The length of one direction's hidden state.
    pub fn direction_size(&self) -> usize {
        if self.bidirectional {
            self.hidden_size / 2
        } else {
            self.hidden_size
        }
    }

    /// The sizes of these weights.
    pub fn of(weights: &EncoderState) -> Self {
        Self {
            vocabulary_size: weights.vocabulary_size(),
            embedding_size: weights.embedding_size(),
            hidden_size: weights.hidden_size(),
            layers: weights.layers(),
            bidirectional: weights.bidirectional(),
        }
    }
}

impl ModelConfig {
    /// A configuration for these weights with what the reference implementation does by default:
    /// pooling `last`, words separated by white space, capital letters kept.
    pub fn new(weights: &EncoderState, provenance: Provenance) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            architecture: Architecture::of(weights),
            pooling: Pooling::Last,
            tokenizer: "whitespace".to_owned(),
            lowercase: false,
            unknown_words: UnknownWords::default(),
            provenance,
            ranges: Vec::new(),
        }
    }

    /// Reads a `config.json`; `path` is for messages.
    ///
    /// # Errors
    ///
    /// Malformed JSON, a newer format version, missing and unknown fields.
    pub fn from_json(json: &[u8], path: &Path) -> Result<Self, ModelFolderError> {
        /// The one field that every version has.
        #[derive(Deserialize)]
        struct Versioned {
            format_version: u64,
        }
        let problem = |source: serde_json::Error| ModelFolderError::Config {
            path: path.to_owned(),
            source,
        };
        let found = serde_json::from_slice::<Versioned>(json)
            .map_err(problem)?
            .format_version;
        if found > FORMAT_VERSION.into() {
            return Err(ModelFolderError::NewerFormat {
                path: path.to_owned(),
                found,
            });
        }
        serde_json::from_slice(json).map_err(problem)
    }

    /// The text of `config.json`.
    pub fn to_json(&self) -> String {
        // This structure always converts to JSON: its keys are text. `json!` panics otherwise.
        let without_ranges = Self {
            ranges: Vec::new(),
            ..self.clone()
        };
        let mut text = format!("{:#}\n", serde_json::json!(without_ranges));
        if !self.ranges.is_empty() {
            // Thousands of numbers, so each pooling's ranges take one line.
            text.truncate(text.len() - "\n}\n".len());
            let lines = self.ranges.iter().map(Ranges::to_json);
            let lines: Vec<_> = lines.map(|line| format!("    {line}")).collect();
            text.push_str(",\n  \"ranges\": [\n");
            text.push_str(&lines.join(",\n"));
            text.push_str("\n  ]\n}\n");
        }
        text
    }

    /// Checks the configuration's values, and its sizes against the weights.
    pub(super) fn check(&self, weights: &EncoderState) -> Result<(), ModelFolderError> {
        let value = |field, found: String, expected| {
            Err(ModelFolderError::Value {
                field,
                found,
                expected,
            })
        };
        if self.format_version != FORMAT_VERSION {
            return value("format_version", self.format_version.to_string(), "1");
        }
        by_name(&self.tokenizer, "en", &Resources::default())?;
        if let Some(score) = self.provenance.scores.iter().find(|s| !s.value.is_finite()) {
            return value(
                "provenance.scores",
                score.value.to_string(),
                "finite numbers",
            );
        }
        for (k, ranges) in self.ranges.iter().enumerate() {
            let pooling = ranges.pooling();
            if self.ranges[..k]
                .iter()
                .any(|other| other.pooling() == pooling)
            {
                let found = format!("two of pooling {pooling}");
                return value("ranges", found, "one of each pooling");
            }
            if let Err(found) = ranges.check(weights.hidden_size()) {
                let expected = "a finite number for each dimension of the vectors";
                return value("ranges", found, expected);
            }
        }
        let (said, found) = (&self.architecture, Architecture::of(weights));
        for (field, said, found) in [
            (
                "vocabulary_size",
                said.vocabulary_size,
                found.vocabulary_size,
            ),
            ("embedding_size", said.embedding_size, found.embedding_size),
            ("hidden_size", said.hidden_size, found.hidden_size),
            ("layers", said.layers, found.layers),
        ] {
            if said != found {
                return Err(ModelFolderError::Architecture {
                    field,
                    configured: said.to_string(),
                    found: found.to_string(),
                });
            }
        }
        if said.bidirectional != found.bidirectional {
            return Err(ModelFolderError::Architecture {
                field: "bidirectional",
                configured: said.bidirectional.to_string(),
                found: found.bidirectional.to_string(),
            });
        }
        Ok(())
    }
}
