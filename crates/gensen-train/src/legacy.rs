//! Reads the reference's JSON configuration.

use std::collections::BTreeMap;

use gensen_data::spec::{Input, InputTable, TaskKind, TaskSpec};
use serde::Deserialize;

use crate::config::{
    Config, ManagementConfig, ModelSizes, RunConfig, TrainingConfig, VocabularyConfig,
};
use crate::error::TrainError;

/// Values of keys without effect.
type Others = BTreeMap<String, serde_json::Value>;

/// The supported keys of the reference's training program.
#[derive(Deserialize)]
struct Legacy {
    training: LegacyTraining,
    management: Management,
    data: Data,
    model: LegacyModel,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct LegacyTraining {
    lrate: f64,
    batch_size: usize,
    #[serde(default = "one")]
    n_gpus: usize,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct Management {
    monitor_loss: u64,
    checkpoint_freq: u64,
    eval_freq: u64,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct Data {
    paths: Vec<Paths>,
    max_src_length: usize,
    max_trg_length: usize,
    save_dir: String,
    nli_train: Option<String>,
    nli_dev: Option<String>,
    nli_test: Option<String>,
    #[serde(flatten)]
    others: Others,
}

#[derive(Clone, Deserialize)]
struct Paths {
    train_src: String,
    train_trg: String,
    val_src: Option<String>,
    val_trg: Option<String>,
    taskname: String,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct LegacyModel {
    dim_src: usize,
    dim_trg: usize,
    dim_word_src: usize,
    dim_word_trg: usize,
    n_words_src: usize,
    n_words_trg: usize,
    #[serde(default = "one")]
    n_layers_src: usize,
    #[serde(default = "yes")]
    bidirectional: bool,
    dropout: f64,
    #[serde(flatten)]
    others: Others,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// Keys of the reference that have no effect here, with the reason.
const WITHOUT_EFFECT: [(&str, &str); 7] = [
    ("training.optimizer", "the optimiser is always Adam"),
    (
        "training.clip_c",
        "the gradient norm is always clipped at 1",
    ),
    ("management.print_samples", "nothing is printed"),
    ("data.task", "it only named the log file"),
    ("data.load_dir", "use --resume"),
    ("model.layernorm", "there is no layer normalisation"),
    ("model.n_layers_trg", "decoders have one layer"),
];

/// Converts the reference's intervals, which count examples, to steps.
fn steps(examples: u64, batch: usize) -> u64 {
    // The largest number in TOML.
    (examples / (batch as u64).max(1)).clamp(1, i64::MAX as u64)
}

impl Legacy {
    /// A warning for each key that has no effect.
    fn warnings(&self, origin: &str) -> Vec<String> {
        let mut sections = vec![
            ("", &self.others),
            ("training.", &self.training.others),
            ("management.", &self.management.others),
            ("data.", &self.data.others),
            ("model.", &self.model.others),
        ];
        sections.extend(self.data.paths.iter().map(|p| ("data.paths.", &p.others)));
        let keys = sections
            .into_iter()
            .flat_map(|(section, others)| others.keys().map(move |key| (section, key.as_str())));
        let warning = |(section, key)| {
            let key = format!("{section}{key}");
            let known = WITHOUT_EFFECT.iter().find(|(name, _)| *name == key);
            let reason = known.map_or("the reference has no such key", |(_, reason)| reason);
            format!("{origin}: {key} has no effect: {reason}")
        };
        keys.map(warning).collect()
    }
}

/// Converts a JSON configuration of the reference, with a warning for each key without effect.
///
/// Like the reference, the run trains until it is stopped: the JSON has no number of steps.
pub(crate) fn read(origin: &str, text: &str) -> Result<(Config, Vec<String>), TrainError> {
    let legacy: Legacy = serde_json::from_str(text).map_err(TrainError::invalid(origin))?;
    let warnings = legacy.warnings(origin);
    let Legacy {
        training,
        management,
        data,
        model,
        others: _,
    } = legacy;
    let batch = training.batch_size * training.n_gpus.max(1);
    // The reference's lengths include a sentence's two special words.
    let words = |key: &str, length: usize| match length.checked_sub(2) {
        Some(words @ 1..) => Ok(words),
        _ => {
            let problem = format!(
                "data.{key} = {length}: expected at least 3, for a word between the special ones"
            );
            Err(TrainError::config(origin, problem))
        }
    };
    let config = Config {
        model: ModelSizes {
            embedding_size: model.dim_word_src,
            hidden_size: model.dim_src,
            layers: model.n_layers_src,
            bidirectional: model.bidirectional,
            dropout: model.dropout,
            decoder_hidden_size: Some(model.dim_trg),
            target_embedding_size: model.dim_word_trg,
            ..ModelSizes::default()
        },
        vocabulary: VocabularyConfig {
            source_words: model.n_words_src,
            target_words: model.n_words_trg,
            tokenizer: "whitespace".into(),
            lowercase: true,
            count_nli: false,
            ..VocabularyConfig::default()
        },
        training: TrainingConfig {
            batch_size: Some(batch),
            learning_rate: training.lrate,
            clip_norm: 1.0,
            // The largest number in TOML.
            steps: i64::MAX as u64,
            nli_every: 10,
            max_source_words: words("max_src_length", data.max_src_length)?,
            max_target_words: words("max_trg_length", data.max_trg_length)?,
            ..TrainingConfig::default()
        },
        management: ManagementConfig {
            monitor_every: steps(management.monitor_loss, batch),
            checkpoint_every: steps(management.checkpoint_freq, batch),
            validate_every: steps(management.eval_freq, batch),
            ..ManagementConfig::default()
        },
        tasks: tasks(&data),
        run: RunConfig {
            folder: Some(data.save_dir.into()),
            ..RunConfig::default()
        },
        validations: Vec::new(),
        warnings: Vec::new(),
    };
    Ok((config, warnings))
}

fn tasks(data: &Data) -> Vec<TaskSpec> {
    let find = |name: &str| data.paths.iter().find(|p| p.taskname == name);
    let pair = find("skipthought_next").zip(find("skipthought_previous"));
    let mut tasks = Vec::new();
    for paths in &data.paths {
        tasks.push(match (pair, paths.taskname.as_str()) {
            (Some(_), "skipthought_previous") => continue,
            (Some((next, previous)), "skipthought_next") => skip_thought(next, previous),
            _ => sequence(paths),
        });
    }
    if let Some(train) = &data.nli_train {
        let path = |path: &String| Input::Path(path.clone());
        let mut task = TaskSpec::new("nli", TaskKind::Nli, vec![path(train)]);
        task.validation = data.nli_dev.iter().map(path).collect();
        task.test = data.nli_test.iter().map(path).collect();
        tasks.push(task);
    }
    tasks
}

fn sequence(paths: &Paths) -> TaskSpec {
    let files = |source: &String, target: &String| {
        Input::Table(Box::new(InputTable {
            source: Some(source.clone()),
            target: Some(target.clone()),
            ..InputTable::default()
        }))
    };
    let train = files(&paths.train_src, &paths.train_trg);
    let mut task = TaskSpec::new(&*paths.taskname, TaskKind::Seq2seq, vec![train]);
    let validation = paths.val_src.as_ref().zip(paths.val_trg.as_ref());
    task.validation = validation.map(|(s, t)| files(s, t)).into_iter().collect();
    task
}

/// One task of the reference's two, whose files of next and previous sentences share their sources.
fn skip_thought(next: &Paths, previous: &Paths) -> TaskSpec {
    let files = |source: &String, target: &String, before: &String| {
        Input::Table(Box::new(InputTable {
            source: Some(source.clone()),
            next: Some(target.clone()),
            previous: Some(before.clone()),
            ..InputTable::default()
        }))
    };
    let train = files(&next.train_src, &next.train_trg, &previous.train_trg);
    let mut task = TaskSpec::new("skip-thought", TaskKind::SkipThought, vec![train]);
    if let (Some(source), Some(target), Some(before)) =
        (&next.val_src, &next.val_trg, &previous.val_trg)
    {
        task.validation = vec![files(source, target, before)];
    }
    task
}

#[cfg(test)]
mod tests {
    use gensen_data::error::chain;

    #[test]
    fn a_configuration_of_the_reference_is_understood() {
        let text = r#"{
            "training": {"optimizer": "adam", "clip_c": 1, "lrate": 0.0001, "batch_size": 48, "n_gpus": 1},
            "management": {"monitor_loss": 9600, "print_samples": 12800,
                           "checkpoint_freq": 640000, "eval_freq": 4800000},
            "data": {"paths": [
                {"train_src": "next.src", "train_trg": "next.trg", "val_src": "v.src",
                 "val_trg": "v.next", "taskname": "skipthought_next"},
                {"train_src": "a.en", "train_trg": "a.de", "val_src": "v.en", "val_trg": "v.de",
                 "taskname": "de-en"},
                {"train_src": "next.src", "train_trg": "previous.trg", "val_src": "v.src",
                 "val_trg": "v.previous", "taskname": "skipthought_previous"}],
                "max_src_length": 90, "max_trg_length": 90, "task": "multi", "save_dir": "models/x",
                "load_dir": "auto", "nli_train": "nli.train", "nli_dev": "nli.dev", "nli_test": "nli.test"},
            "model": {"dim_src": 2048, "dim_trg": 2048, "dim_word_src": 512, "dim_word_trg": 512,
                      "n_words_src": 80000, "n_words_trg": 30000, "n_layers_src": 1,
                      "bidirectional": true, "layernorm": false, "dropout": 0.3}
        }"#;
        let (config, warnings) = super::read("example.json", text).unwrap();
        assert!(
            warnings
                .contains(&"example.json: data.load_dir has no effect: use --resume".to_owned())
        );
        assert_eq!(warnings.len(), 6, "{warnings:?}");
        assert_eq!(config.management.monitor_every, 200);
        assert_eq!(config.management.validate_every, 100_000);
        assert_eq!(config.training.max_source_words, 88);
        assert_eq!(config.training.learning_rate, 0.0001);
        let names: Vec<&str> = config.tasks.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["skip-thought", "de-en", "nli"]);
        assert_eq!(config.folder(), std::path::Path::new("models/x"));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let sections = r#""management": {"monitor_loss": 1, "checkpoint_freq": 1, "eval_freq": 1},
            "data": {"paths": [], "max_src_length": 9, "max_trg_length": 9, "save_dir": "x"},
            "model": {"dim_src": 2, "dim_trg": 2, "dim_word_src": 2, "dim_word_trg": 2,
                      "n_words_src": 9, "n_words_trg": 9, "n_layer_src": 2, "dropout": 0}"#;
        let text = format!(r#"{{"training": {{"lrate": 1, "batch_size": 1}}, {sections}}}"#);
        let (_, warnings) = super::read("x.json", &text).unwrap();
        let expected = "x.json: model.n_layer_src has no effect: the reference has no such key";
        assert_eq!(warnings, [expected]);
    }

    #[test]
    fn lengths_without_room_for_a_word_are_refused() {
        for (source, target, expected) in [
            (0, 9, "data.max_src_length = 0"),
            (2, 9, "data.max_src_length = 2"),
            (9, 1, "data.max_trg_length = 1"),
        ] {
            let text = format!(
                r#"{{"training": {{"lrate": 1, "batch_size": 1}},
                "management": {{"monitor_loss": 1, "checkpoint_freq": 1, "eval_freq": 1}},
                "data": {{"paths": [], "max_src_length": {source}, "max_trg_length": {target},
                          "save_dir": "x"}},
                "model": {{"dim_src": 2, "dim_trg": 2, "dim_word_src": 2, "dim_word_trg": 2,
                           "n_words_src": 9, "n_words_trg": 9, "dropout": 0}}}}"#
            );
            let error = chain(&super::read("x.json", &text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = super::read("x.json", r#"{"training": {"lrate": 1}}"#).unwrap_err();
        assert!(chain(&error).contains("batch_size"), "{error}");
    }
}
