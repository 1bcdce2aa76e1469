//! Runs the program `gensen-train`.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod kinds;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The configuration of a short run on the sample corpus, with tasks of the paper's kinds and
/// frequent checkpoints.
pub const TINY: &str = r#"
[run]
name = "tiny"
seed = 3

[model]
embedding_size = 16
hidden_size = 32
target_embedding_size = 16
inference_hidden_size = 32
dropout = 0.2

[vocabulary]
source_words = 300
target_words = 300
count_nli = true

[training]
batch_size = 16
learning_rate = 2e-3
steps = 40
nli_every = 4
max_source_words = 20
max_target_words = 30

[management]
monitor_every = 6
validate_every = 20
checkpoint_every = 5
keep_checkpoints = 3

[[task]]
name = "skip-thought"
kind = "skip-thought"
train = { path = "sample:train.stories.txt", limit = 2000 }
validation = { path = "sample:validation.stories.txt", limit = 40 }

[[task]]
name = "fr-en"
kind = "translation"
train = { path = "sample:train.en-fr.tsv", limit = 2000 }
validation = { path = "sample:validation.en-fr.tsv", limit = 40 }

[[task]]
name = "parsing"
kind = "parsing"
train = { path = "sample:train.trees.mrg", limit = 1000 }
validation = { path = "sample:validation.trees.mrg", limit = 40 }

[[task]]
name = "nli"
kind = "nli"
train = { path = "sample:train.nli.tsv", limit = 2000 }
validation = { path = "sample:validation.nli.tsv", limit = 60 }
test = { path = "sample:test.nli.tsv", limit = 60 }
"#;

const AVERAGE: &str = "average.safetensors";

/// The f32 tensors of a safetensors file by name.
pub fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let numbers = view.data().chunks_exact(4);
        let numbers = numbers.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        (name, numbers.collect())
    };
    file.tensors().into_iter().map(numbers).collect()
}

/// A folder with a configuration file and the run it describes.
pub struct Run {
    pub home: tempfile::TempDir,
}

impl Run {
    pub fn new(config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("run.toml"), config).unwrap();
        Self { home }
    }

    pub fn folder(&self) -> PathBuf {
        self.home.path().join("run")
    }

    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.folder().join(format!("checkpoints/step-{step:08}"))
    }

    /// The weights of a checkpoint by name.
    pub fn weights(&self, step: u64) -> BTreeMap<String, Vec<f32>> {
        tensors(&self.checkpoint(step).join("model.safetensors"))
    }

    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gensen-train"));
        command
            .current_dir(self.home.path())
            .args(["--config", "run.toml", "--set", "run.folder=run"])
            .args(options)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    pub fn train(&self, options: &[&str]) -> Output {
        self.command(options).output().unwrap()
    }

    pub fn succeed(&self, options: &[&str]) -> String {
        let output = self.train(options);
        assert!(
            output.status.success(),
            "gensen-train {options:?} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn start(&self, options: &[&str]) -> Child {
        let mut command = self.command(options);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// The metrics without times.
    pub fn metrics(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.folder().join("metrics.jsonl")).unwrap();
        let timeless = |line: &str| {
            let mut metric: serde_json::Value = serde_json::from_str(line).unwrap();
            let fields = metric.as_object_mut().unwrap();
            fields.remove("seconds");
            fields.remove("count_per_second");
            metric
        };
        text.lines().map(timeless).collect()
    }

    /// Panics unless both runs have the same final weights, optimiser state and metrics, byte for
    /// byte.
    pub fn assert_same(&self, other: &Self, step: u64, what: &str) {
        for file in ["model.safetensors", "optimizer.safetensors", AVERAGE] {
            // The mean of the weights is optional.
            let read = |run: &Self| match fs::read(run.checkpoint(step).join(file)) {
                Err(_) if file == AVERAGE => Vec::new(),
                bytes => bytes.unwrap(),
            };
            assert!(
                read(self) == read(other),
                "{what}: {file} of step {step} differs"
            );
        }
        assert_eq!(self.metrics(), other.metrics(), "{what}: metrics");
    }
}

/// Writes scored pairs of the sample corpus to `scored.tsv`; the score is the number of common
/// words.
pub fn write_scored_pairs(home: &Path) -> Vec<(f64, String, String)> {
    let text = gensen_data::sample::text("validation.nli.tsv").unwrap();
    let pair = |line: &str| {
        let mut columns = line.split('\t').map(String::from);
        let (a, b) = (columns.next().unwrap(), columns.next().unwrap());
        let common = a.split(' ').filter(|word| b.contains(word)).count();
        (common as f64, a, b)
    };
    let pairs: Vec<_> = text.lines().take(150).map(pair).collect();
    let row = |(score, a, b): &(f64, String, String)| format!("{score}\t{a}\t{b}\n");
    let rows: String = pairs.iter().map(row).collect();
    fs::write(home.join("scored.tsv"), rows).unwrap();
    pairs
}

/// Adds these pairs to `config` as a validation.
pub fn with_scored_pairs(config: &str) -> String {
    format!(
        "{config}\n[[validation]]\nname = \"scored\"\nkind = \"similarity\"\npath = \"scored.tsv\"\n"
    )
}

/// Trains a model of few words of the sample corpus in `models/english`.
pub fn write_model(home: &Path) {
    let first = Run::new(&TINY.replace("source_words = 300", "source_words = 60"));
    first.succeed(&["--set", "training.steps=8"]);
    copy(&first.folder().join("model"), &home.join("models/english"));
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
