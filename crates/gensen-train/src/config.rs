//! The configuration of a run, in TOML, checked before any work starts.

mod check;
mod model;
mod overrides;
mod per_task;
mod print;
mod sections;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gensen_data::batch::BatchSize;
use gensen_data::prepare::DataOptions;
use gensen_data::spec::TaskSpec;
use gensen_data::text;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::legacy;
use crate::similarity::ValidationSpec;

pub use model::DataSizes;
pub(crate) use model::distillation_weights;
pub use sections::{
    ManagementConfig, ModelSizes, RunConfig, TrainingConfig, TrainingPrecision, VocabularyConfig,
};

/// The default configuration: the embedded sample corpus.
const SAMPLE: &str = include_str!("../sample.toml");

/// A run, as written in a configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name, seed and folders.
    #[serde(default)]
    pub run: RunConfig,
    /// Sizes of the model.
    #[serde(default)]
    pub model: ModelSizes,
    /// Vocabularies and tokenisation.
    #[serde(default)]
    pub vocabulary: VocabularyConfig,
    /// The optimisation: steps, batches, learning rate.
    #[serde(default)]
    pub training: TrainingConfig,
    /// Intervals of reports, validations and checkpoints.
    #[serde(default)]
    pub management: ManagementConfig,
    /// Measures of the sentence vectors, beside the tasks' held-out data.
    #[serde(default, rename = "validation", skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<ValidationSpec>,
    /// The tasks, in the order of their decoders.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskSpec>,
    /// Warnings about keys without effect.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a TOML configuration, or the reference's JSON, applies `KEY=VALUE` overrides and
    /// checks the result. Without a path, reads the embedded sample's.
    ///
    /// # Errors
    ///
    /// [`TrainError::Config`] names the key and what was expected: values that contradict each
    /// other or are out of range, overrides without a key or value. [`TrainError::Invalid`]:
    /// unknown keys, values of the wrong type, a file that cannot be read.
    pub fn load(path: Option<&Path>, overrides: &[String]) -> Result<Self, TrainError> {
        let (origin, text) = match path {
            None => ("configs/sample.toml".into(), SAMPLE.to_owned()),
            Some(path) => {
                let origin = path.display().to_string();
                let text = text::read(path).map_err(TrainError::invalid(&origin))?;
                (origin, text)
            }
        };
        // Not by extension: TOML never starts with a brace.
        let json = text.trim_start().starts_with('{');
        let mut config = if json {
            let (config, warnings) = legacy::read(&origin, &text)?;
            if overrides.is_empty() {
                Self { warnings, ..config }
            } else {
                let table = toml::Table::try_from(&config).map_err(TrainError::invalid(&origin))?;
                let config = overrides::apply(&origin, table, overrides)?;
                Self { warnings, ..config }
            }
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
        let config: Self = toml::from_str(text).map_err(TrainError::invalid(origin))?;
        if overrides.is_empty() {
            return Ok(config);
        }
        let table = toml::from_str(text).map_err(TrainError::invalid(origin))?;
        overrides::apply(origin, table, overrides)
    }

    /// The run's own folder.
    pub fn folder(&self) -> PathBuf {
        let default = || Path::new("runs").join(&self.run.name);
        self.run.folder.clone().unwrap_or_else(default)
    }

    /// Options for preparing the data, without
    /// [`further_words`](crate::word_vectors::further_words).
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
            min_count: self.vocabulary.min_count,
            first_words: Arc::default(),
            exclude_sentences: self.training.exclude_sentences.clone(),
            threads,
            ..DataOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gensen_data::error::chain;

    const TASK: &str = "[[task]]\nname = \"fr-en\"\nkind = \"translation\"\ntrain = \"a.tsv\"\n";

    fn parse(text: &str, overrides: &[&str]) -> Result<Config, String> {
        let overrides: Vec<String> = overrides.iter().map(|&s| s.into()).collect();
        let config = Config::parse("x.toml", text, &overrides).map_err(|e| chain(&e))?;
        config.check("x.toml").map_err(|e| chain(&e))?;
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
