//! `gensen convert`: the reference implementation's files become a model folder.

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

/// Make a model folder out of the reference implementation's released files.
///
/// Weights are a PyTorch file of any age, an encoder's or a whole training checkpoint's; the
/// vocabulary is pickled. Both are read as data: nothing in them is run.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen convert --weights nli_large.model --vocab nli_large_vocab.pkl --output models/nli_large"
)]
pub(crate) struct Arguments {
    /// The PyTorch file.
    #[arg(long, value_name = "FILE", value_parser = file())]
    weights: PathBuf,
    /// The pickled vocabulary.
    #[arg(long, value_name = "FILE", value_parser = file())]
    vocab: PathBuf,
    /// The model folder to write; a model folder that is there is replaced.
    #[arg(long, value_name = "DIR", value_parser = file())]
    output: PathBuf,
    /// How weights are stored: as 32-bit floats; as 16-bit floats, half the size; or as 8-bit integers
    /// with a scale a row, a quarter of the size, and biases as 32-bit floats.
    #[arg(long, default_value = "f32", value_name = "f32|f16|i8")]
    precision: StoredPrecision,
    /// The pooling that the model asks for.
    #[arg(long, default_value = "last")]
    pool: Pool,
    /// The tokeniser that the model asks for.
    #[arg(long, default_value = "whitespace", value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    tokenizer: String,
    /// Whether the model asks for lower-cased text.
    #[arg(long)]
    lowercase: bool,
    /// What the model puts in place of a word outside its vocabulary: `unk` or, by the known words most like it,
    /// its `spelling`.
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
            "left out {count} tensors that are no part of the encoder (decoders, inference head)"
        );
    }
    say!("{}", arguments.output.display())?;
    Ok(())
}
