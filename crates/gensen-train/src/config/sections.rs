//! The sections of a configuration, with the defaults of their keys.

use std::fmt;
use std::path::PathBuf;

use documented::{Documented, DocumentedFields};
use gensen_data::batch::BatchSize;
use gensen_data::prepare::DataOptions;
use gensen_model::{Pooling, UnknownWords};
use serde::{Deserialize, Serialize};

use crate::schedule::ScheduleKind;

/// Name, seed and folders.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// The run's name. Default: the configuration file's name.
    pub name: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The run's own folder. Default: `runs/NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// A model folder: the run starts from its encoder and vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
    /// The folder that relative inputs are in.
    pub data: PathBuf,
    /// The licences of the data, for the model card.
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
    /// The width of a source word's embedding.
    pub embedding_size: usize,
    /// The width of a sentence vector, both directions together.
    pub hidden_size: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Whether a second GRU reads sentences from the end.
    pub bidirectional: bool,
    /// Dropout on sentence vectors and between encoder layers.
    pub dropout: f64,
    /// The width of decoder states. Only `hidden_size`, the default, is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_hidden_size: Option<usize>,
    /// The width of a target word's embedding.
    pub target_embedding_size: usize,
    /// Hidden units of the inference head, and of each classification task's.
    pub inference_hidden_size: usize,
    /// Pooling of states into sentence vectors, in tasks without decoders and in the exported model:
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

/// Vocabularies and tokenisation.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VocabularyConfig {
    /// Words of the encoder, special words not counted.
    pub source_words: usize,
    /// Words of each decoder, special words not counted.
    pub target_words: usize,
    /// The tokeniser's name.
    pub tokenizer: String,
    /// Moses non-breaking prefix lists to use instead of the built-in ones: a folder or a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonbreaking_prefixes: Option<PathBuf>,
    /// NLTK's `punkt_tab` folder: the tokeniser `nltk` then splits lines into sentences first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub punkt: Option<PathBuf>,
    /// Whether words are lower-cased.
    pub lowercase: bool,
    /// Embedding of unknown words in the exported model: "unk", or "spelling": the known words with
    /// the most similar spelling.
    pub unknown_words: UnknownWords,
    /// Whether words of inference tasks count for the source vocabulary. In the paper they do not.
    pub count_nli: bool,
    /// Words that occur fewer times in the corpora are left out, unless `word_vectors` fill the
    /// vocabulary up with them.
    pub min_count: u64,
    /// Initial embeddings of source words: any file that `gensen expand` reads, with vectors of
    /// `model.embedding_size` numbers. Where the corpora have fewer than `source_words` words,
    /// words of the file fill the vocabulary up. With `run.start_from`, vectors may have any width:
    /// a linear map turns them into embeddings of new words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_vectors: Option<PathBuf>,
    /// The standard deviation that the word vectors are scaled to, all by one factor. Default: that
    /// of words without a vector, which are drawn uniformly from -0.1 to 0.1.
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
            min_count: data.min_count,
            word_vectors: None,
            word_vectors_deviation: 0.057_735,
        }
    }
}

/// The optimisation: steps, batches, learning rate.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Sentences (or pairs) per step and device; 48 if neither this nor `batch_words` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Words per step and device, instead of `batch_size`: source and target words, special words
    /// included. There is no padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_words: Option<usize>,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Adam's step size for source embeddings; it follows the same schedule. Default:
    /// `learning_rate`; 0 freezes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_learning_rate: Option<f64>,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// The schedule of the learning rate after the warm-up.
    pub schedule: ScheduleKind,
    /// The step at which a linear or cosine schedule ends, warm-up included. Default: `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_steps: Option<u64>,
    /// The learning rate at the end of the schedule. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_learning_rate: Option<f64>,
    /// Gradients are scaled down to this global norm.
    pub clip_norm: f64,
    /// Optimiser steps of the run.
    pub steps: u64,
    /// Every n-th step trains natural language inference.
    pub nli_every: u64,
    /// Files or folders of sentences to keep out of training: examples with one of them are
    /// dropped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_sentences: Vec<PathBuf>,
    /// Longer source sentences are cut, special words not counted.
    pub max_source_words: usize,
    /// Longer target sentences are cut, special words not counted.
    pub max_target_words: usize,
    /// Longer premises and hypotheses are cut, special words not counted.
    pub max_nli_words: usize,
    /// Number of batches that are sorted by length together.
    pub bucket_batches: u64,
    /// The step after which weights are averaged; the mean is then validated and exported instead
    /// of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_from: Option<u64>,
    /// The share of source words replaced by `<unk>`, drawn anew in each step.
    pub word_dropout: f64,
    /// "f32", or mixed precision in "bf16" or "f16" where the device has it.
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
    /// The factor of the learning rate for source embeddings.
    pub fn embedding_factor(&self) -> f64 {
        let own = self.embedding_learning_rate;
        own.map_or(1.0, |own| own / self.learning_rate)
    }

    /// The batch size of each device.
    pub fn batch(&self) -> BatchSize {
        match (self.batch_size, self.batch_words) {
            (None, Some(words)) => BatchSize::Words(words as u64),
            (sentences, _) => BatchSize::from(sentences.unwrap_or(48)),
        }
    }
}

/// The floating-point type of activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPrecision {
    /// Single precision.
    #[default]
    F32,
    /// Brain floating point: 16 bits with the range of single precision.
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

/// Intervals of reports, validations and checkpoints, in steps.
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementConfig {
    /// Steps between training-loss reports.
    pub monitor_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// The number of newest checkpoints to keep, besides the best one.
    pub keep_checkpoints: usize,
    /// The measure that chooses the best checkpoint: `NAME/MEASURE` of a task's held-out data or of
    /// a `[[validation]]` entry. Default: the mean of all held-out losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_by: Option<String>,
    /// Training stops after this many steps without a better validation; 0: never.
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
