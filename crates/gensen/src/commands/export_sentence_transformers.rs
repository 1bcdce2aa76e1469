//! `gensen export-sentence-transformers`: a model folder that sentence-transformers can open too.

use std::path::PathBuf;

use anyhow::{Result, bail};
use gensen_encode::model_folder::ModelFolder;
use gensen_encode::weights::StoredPrecision;

use super::encoding::{ModelPlace, places};
use super::places::file;
use crate::english;
use crate::output::say;

/// Write a model folder that Python's sentence-transformers can open too.
///
/// SentenceTransformer(DIR, trust_remote_code=True) gives the vectors of `gensen embed --model DIR`. For models
/// whose tokeniser is `whitespace` or `ptb`.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen export-sentence-transformers -m runs/sample/model -o models/sample"
)]
pub(crate) struct Arguments {
    /// A model folder, or a model on the Hugging Face Hub. [default: the built-in model]
    #[arg(short, long, required = !english::IS_THERE, value_name = "DIR|hf://OWNER/NAME[@REV]", value_parser = file())]
    model: Option<PathBuf>,
    /// Model folder to write; an existing model folder is replaced.
    #[arg(short, long, value_name = "DIR", value_parser = file())]
    output: PathBuf,
    /// Precision of stored weights. [default: the model's]
    #[arg(long, value_name = "f32|f16|i8")]
    precision: Option<StoredPrecision>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let place = place(arguments.model.as_ref())?;
    if let ModelPlace::Folder(folder) = &place
        && let (Ok(from), Ok(to)) = (folder.canonicalize(), arguments.output.canonicalize())
        && from == to
    {
        bail!(
            "--output {}: the same place as --model",
            arguments.output.display()
        );
    }
    let model = open(&place)?;
    let stored = model.weights().precision();
    let precision = arguments.precision.unwrap_or(stored);
    model.write_for_sentence_transformers(
        &arguments.output,
        precision,
        place.map_file().as_deref(),
    )?;
    say!("{}", arguments.output.display())
}

/// The place of the named model, or of the built-in one.
pub(super) fn place(model: Option<&PathBuf>) -> Result<ModelPlace> {
    let mut places = places(model.map(std::slice::from_ref).unwrap_or_default())?;
    Ok(places.remove(0))
}

/// The model at a place.
pub(super) fn open(place: &ModelPlace) -> Result<ModelFolder> {
    Ok(match place {
        ModelPlace::Folder(folder) => ModelFolder::open(folder)?,
        ModelPlace::InTheBox => english::model()?,
    })
}
