//! `gensen convert`: the reference implementation's files to a model folder.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use gensen_data::tokenizer::NAMES;
use gensen_encode::UnknownWords;
use gensen_encode::model_folder::{self, ModelFolder};
use gensen_encode::weights::StoredPrecision;

use super::encoding::Pool;
use super::places::file;
use crate::output::say;

/// Convert the reference implementation's released files to a model folder.
///
/// Weights are a PyTorch file of any version: an encoder's, or a whole training checkpoint. The vocabulary is a pickle.
/// Both are read as data: nothing in them is executed.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen convert --weights nli_large.model --vocab nli_large_vocab.pkl -o models/nli_large"
)]
pub(crate) struct Arguments {
    /// The PyTorch file.
    #[arg(long, value_name = "FILE", value_parser = file())]
    weights: PathBuf,
    /// The pickled vocabulary.
    #[arg(long, value_name = "FILE", value_parser = file())]
    vocab: PathBuf,
    /// Model folder to write; an existing model folder is replaced.
    #[arg(short, long, value_name = "DIR", value_parser = file())]
    output: PathBuf,
    /// Precision of stored weights: 32-bit floats; 16-bit floats, half the size; or 8-bit integers with a scale per row, a
    /// quarter of the size.
    #[arg(long, default_value = "f32", value_name = "f32|f16|i8")]
    precision: StoredPrecision,
    /// Pooling, written into the model's configuration.
    #[arg(long, default_value = "last")]
    pool: Pool,
    /// Tokeniser, written into the model's configuration.
    #[arg(long, default_value = "whitespace", value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    tokenizer: String,
    /// Lower-casing, written into the model's configuration.
    #[arg(long)]
    lowercase: bool,
    /// Embedding of unknown words, written into the model's configuration: `unk`, or by `spelling`, the mean of the known
    /// words most similar to it.
    #[arg(long, default_value = "unk", value_name = "unk|spelling")]
    unknown_words: UnknownWords,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let conversion = model_folder::convert(&arguments.weights, &arguments.vocab)?;
    let (mut config, vocabulary, weights) = conversion.model.into_parts();
    config.pooling = arguments.pool.into();
    config.tokenizer.clone_from(&arguments.tokenizer);
    config.lowercase = arguments.lowercase;
    config.unknown_words = arguments.unknown_words;
    let model = ModelFolder::new(config, vocabulary, weights)?;
    model.write(&arguments.output, arguments.precision)?;
    if !conversion.left_out.is_empty() {
        let count = conversion.left_out.len();
        tracing::info!(
            "left out {count} tensors that do not belong to the encoder (decoders, inference head)"
        );
    }
    say!("{}", arguments.output.display())?;
    Ok(())
}
