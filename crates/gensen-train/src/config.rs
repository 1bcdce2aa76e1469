//! What a run is: the TOML configuration, checked before any work starts.

mod per_task;
mod print;
mod sections;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gensen_data::batch::BatchSize;
use gensen_data::prepare::{DataOptions, PreparedData};
use gensen_data::spec::{TaskKind, TaskSpec};
use gensen_data::text;
use gensen_model::config::{
    Architecture, ClassifierConfig, ContrastConfig, DecoderConfig, DistillationConfig,
    MultitaskConfig,
};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::legacy;
use crate::similarity::{self, ValidationSpec};
use crate::{best, schedule};

pub use sections::{
    ManagementConfig, ModelSizes, RunConfig, TrainingConfig, TrainingPrecision, VocabularyConfig,
};

/// The configuration of a run without any: the embedded sample corpus.
const SAMPLE: &str = include_str!("../sample.toml");

/// A run, as written in a configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the run lives.
    #[serde(default)]
    pub run: RunConfig,
    /// Sizes of the model.
    #[serde(default)]
    pub model: ModelSizes,
    /// Words and how text is split into them.
    #[serde(default)]
    pub vocabulary: VocabularyConfig,
    /// Steps and their sizes.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How often to report, validate and save.
    #[serde(default)]
    pub management: ManagementConfig,
    /// What to judge the sentence vectors by, beside the tasks' held-out data.
    #[serde(default, rename = "validation", skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<ValidationSpec>,
    /// What to learn, in the order of the decoders.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskSpec>,
    /// What was read and has no effect.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// For `map_err`: what is wrong with the configuration from there.
fn said<E: std::error::Error>(origin: &str) -> impl FnOnce(E) -> TrainError + '_ {
    move |error| TrainError::Config {
        origin: origin.into(),
        problem: error.to_string(),
    }
}

impl Config {
    /// Reads a TOML configuration, or the reference's JSON, applies `KEY=VALUE` overrides and
    /// checks the result. Without a path it is the embedded sample's.
    ///
    /// # Errors
    ///
    /// [`TrainError::Config`] names the key and what was expected: unknown keys, values that contradict each
    /// other or are out of range, overrides without a key or value; a file that cannot be read.
    pub fn load(path: Option<&Path>, overrides: &[String]) -> Result<Self, TrainError> {
        let (origin, text) = match path {
            None => ("configs/sample.toml".into(), SAMPLE.to_owned()),
            Some(path) => {
                let origin = path.display().to_string();
                let text = text::read(path).map_err(said(&origin))?;
                (origin, text)
            }
        };
        // Whatever the file is called: no TOML begins with a brace.
        let json = text.trim_start().starts_with('{');
        let mut config = if json {
            let (config, warnings) = legacy::read(&origin, &text)?;
            let table = || toml::Table::try_from(&config);
            let config = match overrides {
                [] => config,
                _ => Self::overridden(&origin, table().map_err(said(&origin))?, overrides)?,
            };
            Self { warnings, ..config }
        } else {
            Self::parse(&origin, &text, overrides)?
        };
        if config.run.name.is_empty() {
            let stem = path.and_then(Path::file_stem).map(|s| s.to_string_lossy());
            config.run.name = stem.map_or_else(|| "sample".into(), Into::into);
        }
        config.check(&origin)?;
        let steps = config.training.steps;
        if let Some(from) = config.training.average_from.filter(|&from| from >= steps) {
            let warning =
                format!("training.average_from = {from} has no effect: the run has {steps} steps");
            config.warnings.push(warning);
        }
        if let BatchSize::Sentences(sentences) = config.training.batch() {
            config.training.batch_size = Some(sentences as usize);
        }
        Ok(config)
    }

    fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Self, TrainError> {
        // The text itself is parsed first, so that errors point to its lines.
        let config: Self = toml::from_str(text).map_err(said(origin))?;
        if overrides.is_empty() {
            return Ok(config);
        }
        let table = toml::from_str(text).map_err(said(origin))?;
        Self::overridden(origin, table, overrides)
    }

    fn overridden(
        origin: &str,
        mut table: toml::Table,
        overrides: &[String],
    ) -> Result<Self, TrainError> {
        for assignment in overrides {
            let error = |problem: String| TrainError::Config {
                origin: format!("--set {assignment}"),
                problem,
            };
            let (key, value) = assignment
                .split_once('=')
                .ok_or_else(|| error("expected KEY=VALUE, such as training.steps=500".into()))?;
            if value.trim().is_empty() {
                // Such as a shell's variable that is not set.
                return Err(error("expected a value after =".into()));
            }
            let quoted = || toml::Value::String(value.trim().into());
            let value = format!("value = {value}").parse::<toml::Table>();
            let value = value
                .ok()
                .and_then(|mut t| t.remove("value"))
                .unwrap_or_else(quoted);
            set(&mut table, key.trim(), value).map_err(&error)?;
            table
                .clone()
                .try_into::<Self>()
                .map_err(|e| error(e.to_string()))?;
        }
        table
            .try_into()
            .map_err(|e: toml::de::Error| said(origin)(e))
    }

    /// The run's own folder.
    pub fn folder(&self) -> PathBuf {
        let default = || Path::new("runs").join(&self.run.name);
        self.run.folder.clone().unwrap_or_else(default)
    }

    /// What the data crate needs to know, but for [`further_words`](crate::word_vectors::further_words).
    pub fn data_options(&self, threads: usize) -> DataOptions {
        DataOptions {
            source_words: self.vocabulary.source_words,
            target_words: self.vocabulary.target_words,
            tokenizer: self.vocabulary.tokenizer.clone(),
            nonbreaking_prefixes: self.vocabulary.nonbreaking_prefixes.clone(),
            punkt: self.vocabulary.punkt.clone(),
            lowercase: self.vocabulary.lowercase,
            max_source_words: self.training.max_source_words,
            max_target_words: self.training.max_target_words,
            max_nli_words: self.training.max_nli_words,
            count_nli: self.vocabulary.count_nli,
            first_words: Arc::default(),
            exclude_sentences: self.training.exclude_sentences.clone(),
            threads,
            ..DataOptions::default()
        }
    }

    fn check(&self, origin: &str) -> Result<(), TrainError> {
        let error = |problem: String| {
            Err(TrainError::Config {
                origin: origin.into(),
                problem,
            })
        };
        let (training, management) = (&self.training, &self.management);
        let positive = [
            (
                "training.batch_size",
                training.batch_size.map_or(1, |size| size as u64),
            ),
            (
                "training.batch_words",
                training.batch_words.map_or(1, |size| size as u64),
            ),
            ("training.steps", training.steps),
            ("training.nli_every", training.nli_every),
            (
                "training.max_source_words",
                training.max_source_words as u64,
            ),
            (
                "training.max_target_words",
                training.max_target_words as u64,
            ),
            ("training.bucket_batches", training.bucket_batches),
            ("management.monitor_every", management.monitor_every),
            ("management.validate_every", management.validate_every),
            ("management.checkpoint_every", management.checkpoint_every),
            (
                "management.keep_checkpoints",
                management.keep_checkpoints as u64,
            ),
            (
                "vocabulary.source_words",
                self.vocabulary.source_words as u64,
            ),
            (
                "vocabulary.target_words",
                self.vocabulary.target_words as u64,
            ),
        ];
        if let (Some(sentences), Some(words)) = (training.batch_size, training.batch_words) {
            return error(format!(
                "training.batch_size = {sentences} and training.batch_words = {words}: expected \
                 one of the two"
            ));
        }
        for (key, value) in positive {
            if value == 0 {
                return error(format!("{key} = 0: expected a positive number"));
            }
        }
        for (key, value) in [
            ("training.learning_rate", training.learning_rate),
            ("training.clip_norm", training.clip_norm),
            (
                "vocabulary.word_vectors_deviation",
                self.vocabulary.word_vectors_deviation,
            ),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return error(format!("{key} = {value}: expected a positive number"));
            }
        }
        let rate = training.embedding_learning_rate.unwrap_or(0.0);
        if !(rate.is_finite() && rate >= 0.0) {
            return error(format!(
                "training.embedding_learning_rate = {rate}: expected a number of at least 0"
            ));
        }
        if self.tasks.is_empty() {
            return error("there is no [[task]]: expected at least one".into());
        }
        for (k, task) in self.tasks.iter().enumerate() {
            if self.tasks[..k].iter().any(|other| other.name == task.name) {
                return error(format!("two tasks are named `{}`", task.name));
            }
            if let Err(problem) = task.check() {
                return error(format!("task `{}`: {problem}", task.name));
            }
            let one = BatchSize::Sentences(1);
            if task.batch(training.batch()) == one && task.form().needs_whole_batch() {
                let key = match task.batch_size {
                    Some(_) => "batch_size",
                    None => "training.batch_size",
                };
                let name = &task.name;
                return error(format!(
                    "{key} = 1, and task `{name}` compares the examples of a batch: expected at \
                     least 2"
                ));
            }
        }
        if let Some(key) = self.empty_path() {
            return error(format!(
                "{key} = \"\": expected a path, or leave the key out"
            ));
        }
        if let Err(problem) = self.check_training() {
            return error(problem);
        }
        // Sizes no model can have are told before any data is read.
        let sizes = DataSizes {
            source_words: 8,
            target_words: vec![8],
            ..DataSizes::default()
        };
        self.model_config(&sizes)
            .check()
            .map_err(|e| TrainError::Config {
                origin: origin.into(),
                problem: e.to_string(),
            })
    }

    /// The first key that names no path at all, which would be the current folder.
    fn empty_path(&self) -> Option<&'static str> {
        let (run, vocabulary) = (&self.run, &self.vocabulary);
        let excluded = self.training.exclude_sentences.iter();
        let excluded = excluded.map(|path| ("training.exclude_sentences", Some(path)));
        let one = [
            ("run.folder", run.folder.as_ref()),
            ("run.start_from", run.start_from.as_ref()),
            ("run.data", Some(&run.data)),
            (
                "vocabulary.nonbreaking_prefixes",
                vocabulary.nonbreaking_prefixes.as_ref(),
            ),
            ("vocabulary.punkt", vocabulary.punkt.as_ref()),
            ("vocabulary.word_vectors", vocabulary.word_vectors.as_ref()),
        ];
        let mut all = one.into_iter().chain(excluded);
        let empty = all.find(|(_, path)| path.is_some_and(|path| path.as_os_str().is_empty()));
        empty.map(|(key, _)| key)
    }

    /// What is wrong with how the tasks are trained and judged.
    fn check_training(&self) -> Result<(), String> {
        per_task::check(&self.tasks, self.training.steps)?;
        schedule::check(&self.training)?;
        let rate = self.training.word_dropout;
        if !(0.0..1.0).contains(&rate) {
            return Err(format!(
                "training.word_dropout = {rate}: expected 0 or more, and less than 1"
            ));
        }
        similarity::check(self)?;
        best::check(self)
    }

    /// The model's sizes for data of these sizes.
    pub fn model_config(&self, sizes: &DataSizes) -> MultitaskConfig {
        let model = &self.model;
        let decoder = |&target_words: &usize| DecoderConfig {
            target_words,
            embedding_size: model.target_embedding_size,
            hidden_size: model.decoder_hidden_size.unwrap_or(model.hidden_size),
        };
        let inference = self.tasks.iter().any(|task| task.kind == TaskKind::Nli);
        let temperature = |task: &TaskSpec| task.temperature.unwrap_or(TEMPERATURE);
        let contrasts = self.tasks.iter().filter(|task| {
            let form = task.form();
            matches!(form, TaskKind::Pairs | TaskKind::NextSentence)
        });
        let contrasts = contrasts.map(|task| ContrastConfig {
            temperature: temperature(task),
            widths: task.widths.clone().unwrap_or_default(),
        });
        let distillations = self.tasks.iter();
        let distillations = distillations.filter(|task| task.kind == TaskKind::Distillation);
        let distillations = distillations
            .zip(&sizes.teacher_widths)
            .map(|(task, &width)| {
                let [cosine_weight, contrast_weight, matrix_weight] = distillation_weights(task);
                DistillationConfig {
                    width,
                    temperature: temperature(task),
                    cosine_weight,
                    contrast_weight,
                    matrix_weight,
                }
            });
        let classifiers = sizes
            .classes
            .iter()
            .map(|&(labels, pairs)| ClassifierConfig {
                pairs,
                labels,
                hidden: model.inference_hidden_size,
            });
        MultitaskConfig {
            encoder: Architecture {
                vocabulary_size: sizes.source_words,
                embedding_size: model.embedding_size,
                hidden_size: model.hidden_size,
                layers: model.layers,
                bidirectional: model.bidirectional,
            },
            decoders: sizes.target_words.iter().map(decoder).collect(),
            inference_hidden: inference.then_some(model.inference_hidden_size),
            contrasts: contrasts.collect(),
            distillations: distillations.collect(),
            classifiers: classifiers.collect(),
            pooling: model.pooling,
            dropout: model.dropout,
        }
    }
}

/// What cosines are divided by where a task does not say.
const TEMPERATURE: f64 = 0.05;

/// The weights of the three losses of a distillation task: of the cosine, the contrast and the
/// matrix.
pub(crate) fn distillation_weights(task: &TaskSpec) -> [f64; 3] {
    [
        task.cosine_weight.unwrap_or(1.0),
        task.contrast_weight.unwrap_or(0.2),
        task.matrix_weight.unwrap_or(10.0),
    ]
}

/// What a model's sizes depend on beside the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSizes {
    /// Words of the source vocabulary, special words included.
    pub source_words: usize,
    /// The same of each decoder's vocabulary.
    pub target_words: Vec<usize>,
    /// Numbers in the teacher's vectors of each distillation task.
    pub teacher_widths: Vec<usize>,
    /// The labels of each classification task, and whether its examples are pairs.
    pub classes: Vec<(usize, bool)>,
}

impl DataSizes {
    /// The sizes of the prepared data of these tasks.
    pub fn of(tasks: &[TaskSpec], data: &PreparedData) -> Self {
        let mut sizes = Self {
            source_words: data.source_vocabulary.len(),
            ..Self::default()
        };
        for (spec, task) in tasks.iter().zip(&data.tasks) {
            let words = |k: usize| task.target_vocabularies[k].len();
            sizes
                .target_words
                .extend(spec.decoders().into_iter().map(words));
            sizes.teacher_widths.extend(task.train.teacher_width());
            if task.kind == TaskKind::Classification {
                let pairs = task.train.has_pairs();
                sizes.classes.push((task.labels.len(), pairs));
            }
        }
        sizes
    }
}

/// Sets a dotted key.
fn set(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let inner = inner.as_table_mut();
            set(
                inner.ok_or_else(|| format!("`{first}` is not a table"))?,
                rest,
                value,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "[[task]]\nname = \"fr-en\"\nkind = \"translation\"\ntrain = \"a.tsv\"\n";

    fn parse(text: &str, overrides: &[&str]) -> Result<Config, String> {
        let overrides: Vec<String> = overrides.iter().map(|&s| s.into()).collect();
        let config = Config::parse("x.toml", text, &overrides).map_err(|e| e.to_string())?;
        config.check("x.toml").map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn overrides_change_single_keys() {
        let config = parse(
            TASK,
            &["training.steps=500", "run.name=short", "model.dropout=0"],
        );
        let config = config.unwrap();
        assert_eq!(
            (config.training.steps, config.run.name.as_str()),
            (500, "short")
        );
        assert_eq!(config.model.dropout, 0.0);
    }

    #[test]
    fn mistakes_name_the_key() {
        for (text, overrides, expected) in [
            ("[training]\nstep = 5\n", &[][..], "unknown field `step`"),
            ("[training]\nbatch_size = -5\n", &[], "-5"),
            ("", &["training.batch_size=-5"], "training.batch_size=-5"),
            ("", &["training.steps"], "KEY=VALUE"),
            ("", &["training.steps=0"], "training.steps = 0"),
            ("[model]\nhidden_size = 255\n", &[], "hidden_size = 255"),
            ("[model]\ndropout = 1.0\n", &[], "dropout = 1"),
            (
                "[model]\ndecoder_hidden_size = 7\n",
                &[],
                "decoder_hidden_size = 7",
            ),
            ("[training]\nprecision = \"f64\"\n", &[], "f64"),
            (
                "[training]\nbatch_size = 8\n",
                &["training.batch_words=500"],
                "training.batch_size = 8 and training.batch_words = 500",
            ),
            ("[training]\nbatch_words = 0\n", &[], "batch_words = 0"),
            ("[training]\nlearning_rate = nan\n", &[], "learning_rate"),
            (TASK, &[], "two tasks are named `fr-en`"),
            ("", &["run.folder="], "--set run.folder=: expected a value"),
            ("[run]\nfolder = \"\"\n", &[], "run.folder = \"\""),
            ("[run]\ndata = \"\"\n", &[], "run.data = \"\""),
            ("[vocabulary]\npunkt = \"\"\n", &[], "vocabulary.punkt"),
            (
                "[training]\nexclude_sentences = [\"\"]\n",
                &[],
                "training.exclude_sentences",
            ),
        ] {
            let error = parse(&format!("{text}{TASK}"), overrides).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(parse("task = []", &[]).unwrap_err().contains("no [[task]]"));
    }

    #[test]
    fn a_batch_is_of_sentences_or_of_words() {
        let batch = |text: &str| {
            parse(&format!("{text}{TASK}"), &[])
                .unwrap()
                .training
                .batch()
        };
        assert_eq!(batch(""), BatchSize::Sentences(48));
        let text = "[training]\nbatch_size = 7\n";
        assert_eq!(batch(text), BatchSize::Sentences(7));
        let text = "[training]\nbatch_words = 900\n";
        assert_eq!(batch(text), BatchSize::Words(900));
    }

    #[test]
    fn a_batch_to_compare_with_has_two_examples() {
        let task =
            |own: &str| format!("[[task]]\nname = 'p'\nkind = 'pairs'\ntrain = 'p.tsv'\n{own}\n");
        let one = "[training]\nbatch_size = 1\n";
        for (text, expected) in [
            (format!("{one}{}", task("")), "training.batch_size = 1"),
            (task("batch_size = 1"), "batch_size = 1, and task `p`"),
        ] {
            let error = parse(&text, &[]).expect_err(&text);
            assert!(error.contains(expected), "{error}");
        }
        for text in [
            format!("{one}{}", task("batch_size = 2")),
            format!("{one}{}", task("batch_words = 90")),
            format!("{one}{TASK}"),
        ] {
            parse(&text, &[]).unwrap();
        }
    }

    #[test]
    fn every_shipped_configuration_is_whole() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"));
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            Config::load(Some(&path), &[]).unwrap_or_else(|e| panic!("{e}"));
            read += 1;
        }
        assert!(read >= 9, "{read} configurations");
    }

    #[test]
    fn an_odd_size_is_fine_in_one_direction() {
        let text = format!("[model]\nhidden_size = 255\nbidirectional = false\n{TASK}");
        assert!(parse(&text, &[]).is_ok());
    }
}
