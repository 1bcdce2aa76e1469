//! `gensen inspect`: describes a file or folder, and checks that parts of an output fit together.

mod arrays;
mod folders;
mod kind;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gensen_data::text;
use gensen_encode::model_folder::{CONFIG_FILE, WEIGHTS_FILE};
use gensen_encode::weights::torch::TorchFile;
use gensen_encode::weights::{safetensors, vocabulary_pickle};
use gensen_expand::{LinearMap, ReadOptions, WordSelection, WordVectors};
use serde_json::{Value, json};

use super::encoding::{self, run_hint};
use crate::english;
use crate::output::say;
use crate::part::{self, PartRecord};
use kind::FileKind;

/// Describe a model folder, training run, checkpoint, or any file that gensen reads or writes.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen inspect models/nli_large\n  gensen inspect nli_large.model\n  \
                  gensen inspect vectors.npy --json\n  gensen inspect part-*.npy"
)]
pub(crate) struct Arguments {
    /// A folder of a model, training run or checkpoint; a file of weights (PyTorch, safetensors, ONNX), arrays, words,
    /// word vectors, a report, metrics, ...; or all parts of one `embed --part`, in any order. [default: the built-in
    /// model]
    #[arg(value_name = "DIR|hf://OWNER/NAME[@REV]|FILE", required = !english::IS_THERE)]
    paths: Vec<PathBuf>,
    /// Print the description as a JSON object.
    #[arg(long)]
    json: bool,
}

/// A description of a file or folder.
struct Shown {
    /// A short description of the kind.
    kind: String,
    /// The output as text.
    lines: Vec<String>,
    /// The same as JSON.
    facts: Value,
}

impl Shown {
    fn new(kind: impl Into<String>, lines: Vec<String>, facts: Value) -> Self {
        Self {
            kind: kind.into(),
            lines,
            facts,
        }
    }

    fn print(self, as_json: bool) -> Result<()> {
        if as_json {
            let mut object = json!({ "kind": self.kind });
            if let (Some(object), Value::Object(facts)) = (object.as_object_mut(), self.facts) {
                object.extend(facts);
            }
            return say!("{object:#}");
        }
        for line in &self.lines {
            say!("{line}")?;
        }
        Ok(())
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shown = match &arguments.paths[..] {
        [] => folders::model(&english::model()?, None)?,
        [path] if PartRecord::is_beside(path) => parts(&arguments.paths)?,
        [path] if run_hint(path).is_some() => folders::run(path)?,
        [path] => one(&encoding::folder(path)?)?,
        paths => parts(paths)?,
    };
    shown.print(arguments.json)
}

fn one(path: &Path) -> Result<Shown> {
    let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
    if metadata.is_dir() {
        let weights = path.join(WEIGHTS_FILE);
        return match path.join(CONFIG_FILE).is_file() || !weights.is_file() {
            true => folders::model_folder(path),
            false => folders::checkpoint(path),
        };
    }
    // It is read twice: to recognise it, and by the reader of its format.
    text::regular(path).with_context(|| path.display().to_string())?;
    match FileKind::of(path).with_context(|| path.display().to_string())? {
        FileKind::Map => map(path),
        FileKind::Safetensors => tensors(path),
        FileKind::Torch => torch(path),
        FileKind::Pickle => pickle(path),
        FileKind::Npy => arrays::npy(path),
        FileKind::Onnx => onnx(path),
        FileKind::Words => tables::words(path),
        FileKind::Json => tables::json(path),
        FileKind::JsonLines => tables::json_lines(path),
        FileKind::Picture => arrays::picture(path),
        FileKind::Shard(element) => arrays::shard(path, element),
        #[cfg(feature = "burn")]
        FileKind::Events => tables::events(path),
        #[cfg(feature = "burn")]
        FileKind::Configuration => tables::configuration(path),
        #[cfg(feature = "parquet")]
        FileKind::Parquet => tables::parquet(path),
        FileKind::Text => tables::text(path),
        FileKind::Vectors => vectors(path),
    }
}

fn parts(paths: &[PathBuf]) -> Result<Shown> {
    let whole = part::verify(paths)?;
    let first = format!(
        "{} parts that fit together: {} vectors of {} numbers, in this order:",
        whole.files.len(),
        whole.lines,
        whole.width
    );
    let files = whole.files.iter().map(|file| file.display().to_string());
    let facts = json!({ "vectors": whole.lines, "width": whole.width, "files": whole.files });
    Ok(Shown::new(
        "parts",
        std::iter::once(first).chain(files).collect(),
        facts,
    ))
}

fn map(path: &Path) -> Result<Shown> {
    let report = LinearMap::load(path)?.report().to_string();
    let lines = vec!["vocabulary map:".to_owned(), report.clone()];
    Ok(Shown::new(
        "vocabulary map",
        lines,
        json!({ "report": report }),
    ))
}

fn tensors(path: &Path) -> Result<Shown> {
    let tensors = safetensors::open(path)?;
    let mut lines = vec![format!("safetensors, {} tensors", tensors.len())];
    let mut facts = Vec::new();
    for (name, tensor) in &tensors {
        let (shape, precision) = (tensor.shape(), tensor.precision().to_string());
        lines.push(format!("{name}\t{shape:?}\t{precision}"));
        facts.push(json!({ "name": name, "shape": shape, "precision": precision }));
    }
    Ok(Shown::new(
        "safetensors",
        lines,
        json!({ "tensors": facts }),
    ))
}

fn torch(path: &Path) -> Result<Shown> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let file = TorchFile::read(&bytes).with_context(|| path.display().to_string())?;
    let mut lines = vec![format!("PyTorch file, {} tensors", file.names().count())];
    let mut facts = Vec::new();
    for (name, shape) in file.shapes() {
        lines.push(format!("{name}\t{shape:?}"));
        facts.push(json!({ "name": name, "shape": shape }));
    }
    Ok(Shown::new(
        "PyTorch file",
        lines,
        json!({ "tensors": facts }),
    ))
}

fn pickle(path: &Path) -> Result<Shown> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let words = vocabulary_pickle::read(&bytes).with_context(|| path.display().to_string())?;
    Ok(tables::vocabulary("pickled vocabulary", &words))
}

fn onnx(path: &Path) -> Result<Shown> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let found = gensen_encode::onnx::describe(&bytes);
    let found = found.with_context(|| path.display().to_string())?;
    let mut lines = vec![format!("ONNX file, {} operations", found.operations)];
    let named = [("input", &found.inputs), ("output", &found.outputs)];
    for (what, values) in named {
        lines.extend(values.iter().map(|value| format!("{what}\t{value}")));
    }
    for (key, value) in &found.metadata {
        let value = match value.lines().count() {
            0 | 1 => value.clone(),
            count => format!("{count} lines"),
        };
        lines.push(format!("{key}\t{value}"));
    }
    let facts = json!({
        "operations": found.operations, "inputs": found.inputs, "outputs": found.outputs,
        "metadata": found.metadata,
    });
    Ok(Shown::new("ONNX file", lines, facts))
}

fn vectors(path: &Path) -> Result<Shown> {
    let vectors = WordVectors::read(path, &WordSelection::all(), &ReadOptions::default())?;
    let (words, dimensions) = (vectors.len(), vectors.dimensions());
    let lines = vec![
        format!("word vectors, {words} words of {dimensions} dimensions"),
        vectors.report().to_string(),
    ];
    let facts = json!({ "words": words, "dimensions": dimensions });
    Ok(Shown::new("word vectors", lines, facts))
}
