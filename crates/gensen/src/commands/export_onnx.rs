//! `gensen export-onnx`: an encoder as a file for ONNX runtimes.

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
/// The graph takes `input_ids` and `attention_mask`, int64 [batch, time], and gives `sentence_embedding`
/// [batch, width]. Ids are lines of the vocabulary, which is in the file's metadata as are the names of the
/// tokeniser, lower-casing and pooling: <s> (0), the words, </s> (2), then padding with mask 0; words that are
/// not in the vocabulary are <unk> (3).
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen export-onnx --model runs/sample/model --output sample.onnx"
)]
pub(crate) struct Arguments {
    /// A model folder, or a model of the Hugging Face Hub. [default: the model in the box]
    #[arg(long, required = !english::IS_THERE, value_name = "DIR|hf://OWNER/NAME[@REV]", value_parser = file())]
    model: Option<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE.onnx", value_parser = file())]
    output: PathBuf,
    /// How hidden states become a vector. [default: as the model says]
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
