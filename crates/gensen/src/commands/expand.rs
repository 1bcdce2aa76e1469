//! `gensen expand`: a model folder with a new vocabulary.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gensen_encode::SentenceEncoder;
use gensen_encode::model_folder::{MAP_FILE, ModelFolder, TrainingData};
use gensen_expand::{ExpandError, SPECIAL_WORDS};

use super::encoding::{ModelPlace, folder};
use super::expansion::{MappedVectors, WordVectorArguments};
use super::places::{distinct, file};
use crate::lines::Lines;
use crate::output::say;

/// Give a model a new vocabulary, by a linear map from word vectors to its embeddings.
///
/// The new model knows exactly the listed words: the model's own keep their embeddings, others get their mapped word vectors,
/// and words in neither become <unk>. To keep all of the model's words, list them too (they are in vocab.txt). The map is saved
/// in the folder; expanding the new model again, or encoding with `--vectors`, uses it.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen expand -m models/nli_large --vectors glove.840B.300d.txt --words words.txt -o models/medical"
)]
pub(crate) struct Arguments {
    /// A model folder, or a model on the Hugging Face Hub.
    #[arg(short, long, value_name = "DIR|hf://OWNER/NAME[@REV]", value_parser = file())]
    model: PathBuf,
    /// Word vectors: GloVe, word2vec or fastText text, plain or gzipped, word2vec binary, HDF5 or .npy.
    #[arg(long, value_name = "FILE", value_parser = file())]
    vectors: PathBuf,
    #[command(flatten)]
    options: WordVectorArguments,
    /// Words of the new vocabulary, one per line, in the model's case; `-` for standard input.
    #[arg(long, value_name = "FILE|-")]
    words: PathBuf,
    /// Model folder to write; an existing model folder is replaced.
    #[arg(short, long, value_name = "DIR", value_parser = file())]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let inputs = [
        ("--model", arguments.model.as_path()),
        ("--vectors", &arguments.vectors),
        ("--words", &arguments.words),
    ];
    distinct(&inputs, &[("--output", &arguments.output)])?;
    ModelFolder::check_destination(&arguments.output)?;
    let words = words(&arguments.words)?;
    let folder = folder(&arguments.model)?;
    let encoder = SentenceEncoder::load(&folder)?;
    let encoders = std::slice::from_ref(&encoder);
    let expansion = MappedVectors::open(
        &arguments.vectors,
        &arguments.options,
        encoders,
        &[ModelPlace::Folder(folder)],
        words.iter().map(String::as_str),
    )?;
    for (map, expanded) in expansion.expand(encoders, words.iter().map(String::as_str)) {
        let (expanded, report) = expanded?;
        let (mut config, vocabulary, weights) = expanded.model().clone().into_parts();
        let name = arguments.vectors.file_name().unwrap_or_default();
        config.provenance.data.push(TrainingData {
            name: name.to_string_lossy().into_owned(),
            task: "vocabulary expansion".to_owned(),
            licence: "as its publisher says".to_owned(),
        });
        let precision = encoder.model().weights().precision();
        let model = ModelFolder::new(config, vocabulary, weights)?;
        model.write_with(&arguments.output, precision, |folder| {
            anyhow::Ok(map.save(&folder.join(MAP_FILE))?)
        })?;
        let own = encoder.own_vocabulary().len() - SPECIAL_WORDS.len();
        let left_out = own - report.kept;
        say!("{}\n{report}", map.report())?;
        say!("{left_out} of the model's own {own} words left out, as --words does not list them")?;
    }
    say!("{}", arguments.output.display())?;
    Ok(())
}

/// The words of a list, one per line; blanks around a word are trimmed.
fn words(path: &Path) -> Result<Vec<String>> {
    let mut lines = Lines::open(path)?;
    let mut words = Vec::new();
    while let Some(line) = lines.next()? {
        let position = words.len() + 1;
        let place = || format!("{}, line {position}", lines.name());
        if line.trim().is_empty() {
            return Err(ExpandError::EmptyWord { position }).with_context(place);
        }
        let word = line.trim_ascii();
        if word.contains(|c: char| c.is_ascii_whitespace()) {
            bail!(
                "{}: `{}` is more than one word, expected one word per line",
                place(),
                word.escape_debug()
            );
        }
        words.push(word.to_owned());
    }
    if words.is_empty() {
        return Err(ExpandError::NoWords).with_context(|| lines.name().to_owned());
    }
    Ok(words)
}
