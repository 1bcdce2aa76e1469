//! `gensen inspect`: what a model, a checkpoint or a file of weights or vectors holds, and whether the
//! parts of a whole fit together.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gensen_data::text;
use gensen_encode::model_folder::{self, ModelFolder};
use gensen_encode::weights::torch::TorchFile;
use gensen_encode::weights::{safetensors, vocabulary_pickle};
use gensen_expand::{LinearMap, MAP_KEY, ReadOptions, WordSelection, WordVectors};

use crate::english;
use crate::output::say;
use crate::part::{self, Record};

/// Show what a model folder, a checkpoint, or a file of weights or word vectors holds.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen inspect models/nli_large\n  gensen inspect nli_large.model\n  \
                  gensen inspect part-*.npy"
)]
pub(crate) struct Arguments {
    /// A model folder, a checkpoint folder, a PyTorch or safetensors file, a pickled vocabulary, or a file of word vectors;
    /// or all parts that `embed --part` wrote of a whole, in any order. [default: the model in the box]
    #[arg(value_name = "DIR|hf://OWNER/NAME[@REV]|FILE", required = !english::IS_THERE)]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let path = match &arguments.paths[..] {
        [] => return model(&english::model()?, None),
        [path] if !Record::is_beside(path) => super::encoding::folder(path)?,
        paths => return parts(paths),
    };
    let path = path.as_path();
    let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
    if metadata.is_dir() {
        if path.join(model_folder::CONFIG_FILE).is_file() {
            return folder(path);
        }
        let weights = path.join(model_folder::WEIGHTS_FILE);
        if weights.is_file() {
            return tensors(&weights);
        }
    }
    if metadata.is_dir() {
        return folder(path);
    }
    match Kind::of(path).with_context(|| path.display().to_string())? {
        Kind::Map => map(path),
        Kind::Safetensors => tensors(path),
        Kind::Torch => torch(path),
        Kind::Pickle => vocabulary(path),
        Kind::Vectors => vectors(path),
    }
}

/// What a file is, by its contents.
enum Kind {
    /// A vocabulary map.
    Map,
    Safetensors,
    Torch,
    /// Any other pickle.
    Pickle,
    /// Word vectors, or something unknown.
    Vectors,
}

impl Kind {
    fn of(path: &Path) -> io::Result<Self> {
        /// The number that PyTorch's files before 1.6 begin with, pickled.
        const TORCH: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
        /// The longest header of a map.
        const HEADER_BYTES: u64 = 1 << 20;

        let mut start = Vec::new();
        File::open(path)?
            .take(HEADER_BYTES)
            .read_to_end(&mut start)?;
        text::no_pointer(&start)?;
        let header = start.get(8..).unwrap_or_default();
        let pickled = start.strip_prefix(b"\x80");
        Ok(if header.starts_with(b"{") {
            match header
                .windows(MAP_KEY.len())
                .any(|key| key == MAP_KEY.as_bytes())
            {
                true => Self::Map,
                false => Self::Safetensors,
            }
        } else if start.starts_with(b"PK\x03\x04")
            || pickled.is_some_and(|rest| rest.get(1..).is_some_and(|rest| rest.starts_with(TORCH)))
        {
            Self::Torch
        } else if pickled.is_some() || start.starts_with(b"(d") {
            Self::Pickle
        } else {
            Self::Vectors
        })
    }
}

fn parts(paths: &[PathBuf]) -> Result<()> {
    let whole = part::verify(paths)?;
    say!(
        "{} parts that fit together: {} vectors of {} numbers, in this order:",
        whole.files.len(),
        whole.lines,
        whole.width
    )?;
    for file in &whole.files {
        say!("{}", file.display())?;
    }
    Ok(())
}

fn folder(path: &Path) -> Result<()> {
    model(
        &ModelFolder::open(path)?,
        Some(path.join(model_folder::MAP_FILE)),
    )
}

/// Shows a model, and its vocabulary map if there is such a file.
fn model(model: &ModelFolder, map: Option<PathBuf>) -> Result<()> {
    let (config, weights) = (model.config(), model.weights());
    say!("model folder, format version {}", config.format_version)?;
    let architecture = &config.architecture;
    say!("words          {}", architecture.vocabulary_size)?;
    say!("embedding size {}", architecture.embedding_size)?;
    say!("hidden size    {}", architecture.hidden_size)?;
    say!("layers         {}", architecture.layers)?;
    say!("bidirectional  {}", architecture.bidirectional)?;
    say!("precision      {}", weights.precision())?;
    say!("pooling        {}", config.pooling)?;
    say!("tokenizer      {}", config.tokenizer)?;
    say!("lowercase      {}", config.lowercase)?;
    let provenance = &config.provenance;
    if !provenance.name.is_empty() {
        say!("name           {}", provenance.name)?;
    }
    if let Some(steps) = provenance.steps {
        say!("steps          {steps}")?;
    }
    for source in &provenance.data {
        say!(
            "trained on     {}: {} (licence: {})",
            source.task,
            source.name,
            source.licence
        )?;
    }
    for score in &provenance.scores {
        say!(
            "score          {}: {} = {:.4}",
            score.task,
            score.metric,
            score.value
        )?;
    }
    if !provenance.description.is_empty() {
        say!("{}", provenance.description)?;
    }
    if let Some(map) = map.filter(|map| map.is_file()) {
        say!("vocabulary map:\n{}", LinearMap::load(&map)?.report())?;
    }
    Ok(())
}

fn map(path: &Path) -> Result<()> {
    say!("vocabulary map:\n{}", LinearMap::load(path)?.report())
}

fn tensors(path: &Path) -> Result<()> {
    let tensors = safetensors::open(path)?;
    say!("safetensors, {} tensors", tensors.len())?;
    for (name, tensor) in &tensors {
        say!("{name}\t{:?}\t{}", tensor.shape(), tensor.precision())?;
    }
    Ok(())
}

fn torch(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let file = TorchFile::read(&bytes).with_context(|| path.display().to_string())?;
    say!("PyTorch file, {} tensors", file.names().count())?;
    for (name, shape) in file.shapes() {
        say!("{name}\t{shape:?}")?;
    }
    Ok(())
}

fn vocabulary(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let words = vocabulary_pickle::read(&bytes).with_context(|| path.display().to_string())?;
    say!("pickled vocabulary, {} words", words.len())?;
    say!(
        "first: {}",
        words.iter().take(12).cloned().collect::<Vec<_>>().join(" ")
    )?;
    Ok(())
}

fn vectors(path: &Path) -> Result<()> {
    let vectors = WordVectors::read(path, &WordSelection::all(), &ReadOptions::default())?;
    say!(
        "word vectors, {} words of {} dimensions",
        vectors.len(),
        vectors.dimensions()
    )?;
    say!("{}", vectors.report())?;
    Ok(())
}
