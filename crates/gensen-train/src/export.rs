//! Exports a run's checkpoint as a model folder.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use gensen_data::digest::sha256_of_file;
use gensen_data::spec::{Input, TaskSpec};
use gensen_data::vocabulary::Vocabulary;
use gensen_model::model_folder::{
    Architecture, FORMAT_VERSION, ModelConfig, ModelFolder, Provenance, RunDigests, Score,
    TrainingData,
};
use gensen_model::weights::{EncoderState, StoredPrecision, safetensors};

use crate::checkpoint::{self, Checkpoints};
use crate::config::Config;
use crate::error::TrainError;
use crate::metrics::{Metric, Split};
use crate::vocabularies;

/// The choice of a run's checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The checkpoint of the best validation.
    Best,
    /// The newest checkpoint.
    Latest,
    /// The checkpoint of a step.
    Step(u64),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "latest" => Ok(Self::Latest),
            _ => text
                .parse()
                .map(Self::Step)
                .map_err(|_| format!("`{text}` is neither best, latest nor a step")),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Latest => f.write_str("latest"),
            Self::Step(step) => write!(f, "{step}"),
        }
    }
}

/// Writes the encoder of a run's checkpoint as a model folder with weights of this precision.
///
/// # Errors
///
/// A folder without a run; a checkpoint that does not exist or is damaged; weights out of the
/// precision's range; a model folder that cannot be written.
pub fn export(
    run: &Path,
    output: &Path,
    choice: Choice,
    precision: StoredPrecision,
) -> Result<(), TrainError> {
    let config_path = run.join("config.toml");
    let config = Config::load(Some(&config_path), &[])?;
    let checkpoints = Checkpoints::of(run);
    let step = match choice {
        Choice::Step(step) => Some(step),
        Choice::Latest => checkpoints.named("latest"),
        // A run without validation has no best checkpoint.
        Choice::Best => checkpoints
            .named("best")
            .or_else(|| checkpoints.named("latest")),
    };
    let step = step.ok_or_else(|| {
        TrainError::checkpoint(&run.join("checkpoints"), "there are no checkpoints yet")
    })?;
    let folder = checkpoints.path(step);
    checkpoint::verify(&folder)?;
    let weights = checkpoint::judged(&folder);
    let tensors = safetensors::open(&weights)?;
    let names = tensors.keys().map(String::as_str);
    let (state, _decoders) = EncoderState::cut_out(names, |name| Ok(tensors[name].clone()))?;
    let vocabulary = Vocabulary::load(vocabularies::source(run))?;
    let metrics = crate::metrics::read(run)?;
    let run_digests = RunDigests {
        configuration: digest(&config_path)?,
        checkpoint: digest(&folder.join(checkpoint::MANIFEST))?,
    };
    let card = ModelConfig {
        format_version: FORMAT_VERSION,
        architecture: Architecture::of(&state),
        pooling: config.model.pooling,
        tokenizer: tokenizer(&config),
        lowercase: config.vocabulary.lowercase,
        unknown_words: config.vocabulary.unknown_words,
        provenance: provenance(&config, step, &metrics, run_digests),
        ranges: Vec::new(),
    };
    let model = ModelFolder::new(card, vocabulary, state)?;
    model.write(output, precision)?;
    for warning in left_behind(&config) {
        tracing::warn!("{warning}");
    }
    Ok(())
}

fn digest(path: &Path) -> Result<String, TrainError> {
    let (digest, _bytes) = sha256_of_file(path).map_err(TrainError::io(path))?;
    Ok(digest)
}

/// Warnings about tokeniser resources that a model folder cannot hold.
fn left_behind(config: &Config) -> Vec<String> {
    let vocabulary = &config.vocabulary;
    let files = [
        ("nltk", "vocabulary.punkt", &vocabulary.punkt),
        (
            "moses",
            "vocabulary.nonbreaking_prefixes",
            &vocabulary.nonbreaking_prefixes,
        ),
    ];
    let used = |name: &str| {
        let of = |task: &TaskSpec| {
            task.tokenizer
                .clone()
                .unwrap_or_else(|| vocabulary.tokenizer.clone())
        };
        config.tasks.iter().any(|task| of(task).starts_with(name))
    };
    let files = files.into_iter().filter_map(|(tokenizer, key, file)| {
        let file = file.as_ref().filter(|_| used(tokenizer))?.display();
        Some(format!(
            "the model folder does not contain {file} ({key}), which {tokenizer} used on the \
             training sentences: tokenise sentences the same way before encoding"
        ))
    });
    let mut languages: Vec<&str> = config.tasks.iter().map(TaskSpec::source_language).collect();
    languages.sort_unstable();
    languages.dedup();
    let language = match languages[..] {
        ["en"] | [] => None,
        [language] => Some(format!(
            "the model folder does not record the language `{language}`: encode with \
             --language {language}"
        )),
        _ => None,
    };
    files.chain(language).collect()
}

/// The tokeniser of the source sentences if it is the same for all tasks, or else
/// `vocabulary.tokenizer`.
fn tokenizer(config: &Config) -> String {
    let default = &config.vocabulary.tokenizer;
    let of = |task: &TaskSpec| task.tokenizer.clone().unwrap_or_else(|| default.clone());
    let mut names: Vec<String> = config.tasks.iter().map(of).collect();
    names.sort_unstable();
    names.dedup();
    match &names[..] {
        [name] => name.clone(),
        _ => {
            let names = names.join(", ");
            tracing::warn!(
                "the tasks use different tokenisers ({names}); the model records {default}"
            );
            default.clone()
        }
    }
}

/// An input's path or paths.
fn describe(input: &Input) -> String {
    let table = input.table();
    let paths = [
        table.path,
        table.teacher,
        table.source,
        table.target,
        table.next,
        table.previous,
    ];
    let paths: Vec<String> = paths.into_iter().flatten().collect();
    paths.join(" + ")
}

fn provenance(config: &Config, step: u64, metrics: &[Metric], run: RunDigests) -> Provenance {
    let licence = || {
        let unknown = "not stated; see the data's own terms";
        config
            .run
            .data_licence
            .clone()
            .unwrap_or_else(|| unknown.into())
    };
    let kind = |kind| toml::Value::try_from(kind).map_or_else(|_| String::new(), |v| v.to_string());
    let data = config.tasks.iter().flat_map(|task| {
        task.train.iter().map(|input| TrainingData {
            name: describe(input),
            task: format!("{} ({})", task.name, kind(task.kind).trim_matches('"')),
            licence: licence(),
        })
    });
    let scores = metrics
        .iter()
        .filter(|m| m.step == step && m.split != Split::Train);
    let scores = scores.filter_map(|m| {
        let (metric, value) = match (m.accuracy, m.perplexity, m.pearson) {
            (Some(accuracy), ..) => ("accuracy, %", 100.0 * accuracy),
            (None, Some(perplexity), _) => ("perplexity a word", perplexity),
            (None, None, Some(pearson)) => ("Pearson of cosines, x 100", 100.0 * pearson),
            _ => return None,
        };
        let split = if m.split == Split::Test {
            "test"
        } else {
            "validation"
        };
        Some(Score {
            task: format!("{} ({split})", m.task),
            metric: metric.into(),
            value: (100.0 * value).round() / 100.0,
        })
    });
    Provenance {
        name: config.run.name.clone(),
        description: "A bidirectional GRU sentence encoder trained on several tasks at once."
            .into(),
        data: data.collect(),
        steps: Some(step),
        run: Some(run),
        scores: scores.collect(),
    }
}
