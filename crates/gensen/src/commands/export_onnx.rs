//! `gensen export-onnx`: an encoder as an ONNX file.

use std::path::PathBuf;

use anyhow::Result;
use gensen_encode::onnx;

use super::encoding::Pool;
use super::export_sentence_transformers::{open, place};
use super::places::{distinct, ends_in, file, writable};
use crate::english;
use crate::output::say;

/// Write a model as an ONNX file: word ids in, sentence vectors out, pooling included.
///
/// Inputs are `input_ids` and `attention_mask`, int64 [batch, time]; the output is `sentence_embedding` [batch, width].
/// A sentence is <s> (0), its words, </s> (2), then padding with mask 0; unknown words are <unk> (3). If the model reads
/// them by their spelling, the optional input `spelled_embeddings` [spelled, size] has the embeddings of words with ids
/// after the vocabulary's. The file's metadata contain the vocabulary, tokeniser, lower-casing, pooling and unknown_words.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen export-onnx --model runs/sample/model --output sample.onnx"
)]
pub(crate) struct Arguments {
    /// A model folder, or a model on the Hugging Face Hub. [default: the built-in model]
    #[arg(short, long, required = !english::IS_THERE, value_name = "DIR|hf://OWNER/NAME[@REV]", value_parser = file())]
    model: Option<PathBuf>,
    /// File to write.
    #[arg(short, long, value_name = "FILE.onnx", value_parser = file())]
    output: PathBuf,
    /// Pooling of hidden states into a vector. [default: the model's own]
    #[arg(long)]
    pool: Option<Pool>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let output = &arguments.output;
    let outputs = [("--output", output.as_path())];
    ends_in("--output", output, "onnx")?;
    let inputs = arguments.model.as_deref().map(|model| ("--model", model));
    distinct(inputs.as_slice(), &outputs)?;
    writable(&outputs)?;
    let model = open(&place(arguments.model.as_ref())?)?;
    onnx::export(&model, arguments.pool.map(Into::into), output)?;
    say!("{}", output.display())
}
