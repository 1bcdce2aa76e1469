//! The sections of a configuration, with what is taken for keys that are left out.

use std::fmt;
use std::path::PathBuf;

use documented::{Documented, DocumentedFields};
use gensen_data::batch::BatchSize;
use gensen_data::prepare::DataOptions;
use gensen_model::{Pooling, UnknownWords};
use serde::{Deserialize, Serialize};

use crate::schedule::ScheduleKind;

/// Where the run lives.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// The run's name; the configuration file's if left out.
    pub name: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// The run's own folder; `runs/NAME` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The model folder whose encoder and vocabulary the run starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
    /// The folder relative inputs are found in.
    pub data: PathBuf,
    /// What the data's licences ask of those who use the model; written on its card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_licence: Option<String>,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            seed: 1,
            folder: None,
            start_from: None,
            data: PathBuf::from("."),
            data_licence: None,
        }
    }
}

/// Sizes of the model.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSizes {
    /// Numbers in a source word's embedding.
    pub embedding_size: usize,
    /// Numbers in a sentence vector, both directions together.
    pub hidden_size: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Whether sentences are also read from their end.
    pub bidirectional: bool,
    /// Dropout on sentence vectors and between encoder layers.
    pub dropout: f64,
    /// Decoder states; `hidden_size` if left out, and nothing else fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_hidden_size: Option<usize>,
    /// Numbers in a target word's embedding.
    pub target_embedding_size: usize,
    /// Hidden units of the inference head, and of each classification task's.
    pub inference_hidden_size: usize,
    /// How states become sentence vectors for all tasks without decoders, and in the exported model:
    /// "last", "mean" or "max".
    pub pooling: Pooling,
}

impl Default for ModelSizes {
    fn default() -> Self {
        Self {
            embedding_size: 512,
            hidden_size: 2048,
            layers: 1,
            bidirectional: true,
            dropout: 0.3,
            decoder_hidden_size: None,
            target_embedding_size: 512,
            inference_hidden_size: 512,
            pooling: Pooling::Last,
        }
    }
}

/// Words and how text is split into them.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VocabularyConfig {
    /// Words the encoder knows, special words not counted.
    pub source_words: usize,
    /// Words each decoder can say, special words not counted.
    pub target_words: usize,
    /// The tokeniser's name.
    pub tokenizer: String,
    /// Moses non-breaking prefix lists to use instead of the built-in ones: a folder or a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonbreaking_prefixes: Option<PathBuf>,
    /// NLTK's `punkt_tab` folder, with which `nltk` splits sentences first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub punkt: Option<PathBuf>,
    /// Whether words are lower-cased.
    pub lowercase: bool,
    /// What the exported model reads in place of a word outside its vocabulary: `unk` or, by the known words most
    /// like it, its `spelling`.
    pub unknown_words: UnknownWords,
    /// Whether the words of inference tasks count for the source vocabulary. In the paper they do not.
    pub count_nli: bool,
    /// Word vectors, any file that `gensen expand` reads. Source words begin with them, so they have
    /// `model.embedding_size` numbers; where the corpora have fewer than `source_words` words, the
    /// file's fill up. With `run.start_from` they may have any size: new words get theirs by a linear
    /// map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_vectors: Option<PathBuf>,
    /// The standard deviation to which the word vectors are scaled, all by one factor. That of words
    /// without a vector, which are drawn evenly from -0.1 to 0.1, if left out.
    pub word_vectors_deviation: f64,
}

impl Default for VocabularyConfig {
    fn default() -> Self {
        let data = DataOptions::default();
        Self {
            source_words: data.source_words,
            target_words: data.target_words,
            tokenizer: data.tokenizer,
            nonbreaking_prefixes: data.nonbreaking_prefixes,
            punkt: data.punkt,
            lowercase: data.lowercase,
            unknown_words: UnknownWords::default(),
            count_nli: data.count_nli,
            word_vectors: None,
            word_vectors_deviation: 0.057_735,
        }
    }
}

/// Steps and their sizes.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Sentences (or pairs) a step and device; 48 if neither this nor `batch_words` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Words a step and device, instead of `batch_size`: of all sentences that are read or said,
    /// special words included. No padding is counted, for there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_words: Option<usize>,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Adam's step size for the source words' embeddings where `learning_rate` is as configured; it
    /// rises and falls with it. `learning_rate` if left out; 0 leaves them as they began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_learning_rate: Option<f64>,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// How the learning rate goes on from there.
    pub schedule: ScheduleKind,
    /// Steps, the warm-up included, after which a linear or cosine schedule has come to its end;
    /// `steps` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_steps: Option<u64>,
    /// The least learning rate that the schedule comes to; 0 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_learning_rate: Option<f64>,
    /// Gradients are scaled down to this global norm.
    pub clip_norm: f64,
    /// Optimiser steps of the whole run.
    pub steps: u64,
    /// Every n-th step trains natural language inference.
    pub nli_every: u64,
    /// Files, and folders of files, with sentences that are not to be trained on: examples that hold one
    /// of them are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_sentences: Vec<PathBuf>,
    /// Longer source sentences are cut, special words not counted.
    pub max_source_words: usize,
    /// Longer target sentences are cut, special words not counted.
    pub max_target_words: usize,
    /// Longer premises and hypotheses are cut, special words not counted.
    pub max_nli_words: usize,
    /// So many batches of `batch_size` are sorted by length together.
    pub bucket_batches: u64,
    /// After so many steps the mean of the weights since is validated, chosen and exported in their
    /// place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_from: Option<u64>,
    /// The share of source words that are replaced by `<unk>` in each step.
    pub word_dropout: f64,
    /// Numbers the model computes in: "f32", or mixed precision in "bf16" or "f16" where the device
    /// has them.
    pub precision: TrainingPrecision,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        let data = DataOptions::default();
        Self {
            batch_size: None,
            batch_words: None,
            learning_rate: 1e-4,
            embedding_learning_rate: None,
            warmup_steps: 0,
            schedule: ScheduleKind::Constant,
            schedule_steps: None,
            final_learning_rate: None,
            clip_norm: 1.0,
            steps: 100_000,
            nli_every: 10,
            exclude_sentences: Vec::new(),
            max_source_words: data.max_source_words,
            max_target_words: data.max_target_words,
            max_nli_words: data.max_nli_words,
            bucket_batches: 100,
            average_from: None,
            word_dropout: 0.0,
            precision: TrainingPrecision::F32,
        }
    }
}

impl TrainingConfig {
    /// What the learning rate is times for source words' embeddings.
    pub fn embedding_factor(&self) -> f64 {
        let own = self.embedding_learning_rate;
        own.map_or(1.0, |own| own / self.learning_rate)
    }

    /// How much each device takes a step.
    pub fn batch(&self) -> BatchSize {
        match (self.batch_size, self.batch_words) {
            (None, Some(words)) => BatchSize::Words(words as u64),
            (sentences, _) => BatchSize::from(sentences.unwrap_or(48)),
        }
    }
}

/// Numbers the model computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPrecision {
    /// Single precision.
    #[default]
    F32,
    /// Brain floating point: single precision's range in 16 bits.
    Bf16,
    /// Half precision.
    F16,
}

impl fmt::Display for TrainingPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

/// How often to report, validate and save, in steps.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementConfig {
    /// Mean training losses are written so often.
    pub monitor_every: u64,
    /// Validation runs so often.
    pub validate_every: u64,
    /// Checkpoints are written so often.
    pub checkpoint_every: u64,
    /// How many of the newest checkpoints are kept, besides the best one.
    pub keep_checkpoints: usize,
    /// What chooses the best checkpoint: `NAME/MEASURE` of a task's held-out data or of a
    /// `[[validation]]` entry; the mean of all held-out losses if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_by: Option<String>,
    /// Steps without a better validation after which training ends; 0 never ends it.
    pub early_stopping_patience: u64,
}

impl Default for ManagementConfig {
    fn default() -> Self {
        Self {
            monitor_every: 200,
            validate_every: 5_000,
            checkpoint_every: 5_000,
            keep_checkpoints: 2,
            best_by: None,
            early_stopping_patience: 0,
        }
    }
}
