//! `gensen classify`: classifiers on sentence vectors.

mod model;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use gensen_encode::Coverage;
use gensen_eval::classify::train;
use gensen_eval::protocol::{Classifier, Protocol};
use ndarray::{Array2, ArrayView1};
use serde::Serialize;

use super::UsageError;
use super::encoding::{EncodingArguments, say_coverage};
use super::places::{distinct, file, writable};
use crate::device;
use crate::lines::Lines;
use crate::output::{heading, say, say_json};
use crate::terminal::{Busy, Progress};
use model::{ClassifierFile, EncoderRecord};

/// Train a classifier on labelled sentences, or classify sentences with one.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen classify train --input labelled.tsv --output topics.json\n  gensen classify predict --classifier topics.json --input sentences.txt"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<TrainArguments>),
    Predict(Box<PredictArguments>),
}

/// Train a linear classifier on lines of `label TAB sentence`.
///
/// Prints the number of sentences per label and the accuracy of a nested cross-validation: the inner one chooses the penalty,
/// the outer one measures on held-out sentences.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen classify train --input labelled.tsv --output topics.json"
)]
struct TrainArguments {
    /// UTF-8 text with `label TAB sentence` per line, plain or gzipped; `-` for standard input.
    #[arg(short, long, value_name = "FILE|-")]
    input: PathBuf,
    /// The classifier, as JSON.
    #[arg(short, long, value_name = "FILE", value_parser = file())]
    output: PathBuf,
    /// Kind of classifier.
    #[arg(long, default_value = "lbfgs", value_name = "KIND")]
    kind: ClassifierKind,
    /// Number of folds of each cross-validation.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100), value_name = "N")]
    folds: u32,
    #[command(flatten)]
    encoding: EncodingArguments,
}

/// The values of `--kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClassifierKind {
    /// Logistic regression to convergence.
    Lbfgs,
    /// SentEval's classifier: Adam with early stopping.
    Senteval,
}

/// Classify sentences.
///
/// Prints label, probability and sentence for each line of the input. The model and its options must be the same
/// as in training.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen classify predict --classifier topics.json --input sentences.txt"
)]
struct PredictArguments {
    /// Classifier that `gensen classify train` wrote.
    #[arg(short, long, value_name = "FILE", value_parser = file())]
    classifier: PathBuf,
    /// UTF-8 text with one sentence per line, plain or gzipped; `-` for standard input.
    #[arg(short, long, value_name = "FILE|-")]
    input: PathBuf,
    /// Print a JSON object per sentence: line, text, label, probability, and the probabilities of all labels.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArguments,
}

/// One line of the output with --json.
#[derive(Serialize)]
struct JsonPrediction<'a> {
    line: u64,
    text: &'a str,
    label: &'a str,
    probability: f32,
    probabilities: BTreeMap<&'a str, f32>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Train(arguments) => {
            device::guard(&arguments.encoding.device, || train_one(arguments))
        }
        Command::Predict(arguments) => {
            device::guard(&arguments.encoding.device, || predict(arguments))
        }
    }
}

/// Sentences, with their labels as indices into `names`.
struct LabelledLines {
    sentences: Vec<String>,
    labels: Vec<u32>,
    names: Vec<String>,
    counts: Vec<usize>,
}

impl LabelledLines {
    fn read(place: &Path) -> Result<Self> {
        let mut lines = Lines::open(place)?;
        let mut rows = Vec::new();
        while let Some(line) = lines.next()? {
            let (name, number) = (lines.name(), rows.len() + 1);
            let Some((label, sentence)) = line.split_once('\t') else {
                bail!("{name}, line {number}: no tab, expected `label TAB sentence`");
            };
            if label.trim().is_empty() || sentence.trim().is_empty() {
                bail!(
                    "{name}, line {number}: an empty label or sentence, expected `label TAB sentence`"
                );
            }
            rows.push((label.trim().to_owned(), sentence.to_owned()));
        }
        let mut names: Vec<String> = rows.iter().map(|(label, _)| label.clone()).collect();
        names.sort_unstable();
        names.dedup();
        match &names[..] {
            [] => bail!("{}: no line, expected `label TAB sentence`", lines.name()),
            [only] => bail!(
                "{}: all lines have the label `{only}`, expected two labels or more",
                lines.name()
            ),
            _ => {}
        }
        let mut counts = vec![0; names.len()];
        let mut labels = Vec::with_capacity(rows.len());
        let mut sentences = Vec::with_capacity(rows.len());
        for (label, sentence) in rows {
            #[allow(clippy::expect_used, reason = "`names` are the labels, sorted")]
            let place = names.binary_search(&label).expect("a label's name");
            counts[place] += 1;
            labels.push(place as u32);
            sentences.push(sentence);
        }
        Ok(Self {
            sentences,
            labels,
            names,
            counts,
        })
    }
}

fn train_one(arguments: &TrainArguments) -> Result<()> {
    let (input, output) = (&arguments.input, &arguments.output);
    distinct(&[("--input", input)], &[("--output", output)])?;
    writable(&[("--output", output)])?;
    let data = LabelledLines::read(input)?;
    let places = arguments.encoding.places()?;
    let encoder = arguments.encoding.encoder(&places)?;
    let vectors = {
        let progress = Progress::new(None);
        let options = arguments.encoding.options();
        let mut show = |done: usize| progress.show(0, done as u64);
        let encoded = encoder.encode_ragged(&data.sentences, &options, false, &mut show);
        let encoded = encoded.with_context(|| input.display().to_string())?;
        drop(progress);
        say_coverage(encoded.coverage);
        encoded.vectors
    };
    let classifier = match arguments.kind {
        ClassifierKind::Lbfgs => Classifier::Lbfgs,
        ClassifierKind::Senteval => Classifier::SentEval(Default::default()),
    };
    let protocol = Protocol::new(
        classifier,
        data.names.len() as u32,
        arguments.folds as usize,
    );
    let busy = Busy::new(format!("training on {} sentences", data.sentences.len()));
    let trained = train(&vectors, &data.labels, data.names.clone(), &protocol)
        .with_context(|| format!("{}, --folds {}", input.display(), arguments.folds))?;
    drop(busy);
    let record = EncoderRecord::of(&arguments.encoding, &places)?;
    let file = ClassifierFile::new(
        record,
        trained.accuracy,
        data.labels.len(),
        trained.classifier,
    );
    file.write(output)?;
    for (name, count) in data.names.iter().zip(&data.counts) {
        say!("{name}\t{count}")?;
    }
    let most = data.counts.iter().max().copied().unwrap_or(0);
    say!(
        "accuracy {:.1} % in nested {}-fold cross-validation; {:.1} % for always the most frequent label",
        trained.accuracy,
        arguments.folds,
        100.0 * most as f64 / data.labels.len() as f64
    )
}

fn predict(arguments: &PredictArguments) -> Result<()> {
    let standard_input = Path::new("-");
    if arguments.classifier == standard_input {
        return Err(UsageError("--classifier: needs a file".into()).into());
    }
    let file = ClassifierFile::read(&arguments.classifier)?;
    let mut input = Lines::open(&arguments.input)?.live();
    let places = arguments.encoding.places()?;
    let record = EncoderRecord::of(&arguments.encoding, &places)?;
    file.check(&record)
        .with_context(|| arguments.classifier.display().to_string())?;
    let encoder = arguments.encoding.encoder(&places)?;
    let options = arguments.encoding.options();
    let progress = Progress::new(input.size());
    let mut coverage = Coverage::default();
    let mut line = 0;
    if !arguments.json {
        heading("label\tprobability\tsentence")?;
    }
    loop {
        let chunk = input.chunk(arguments.encoding.batch_size as usize, u64::MAX)?;
        if chunk.is_empty() {
            break;
        }
        let encoded = encoder
            .encode_ragged(&chunk, &options, false, &mut |_| {})
            .with_context(|| format!("in {} after line {line}", input.name()))?;
        coverage += encoded.coverage;
        let probabilities: Array2<f32> = file.classifier().probabilities(encoded.vectors.view())?;
        for (text, row) in chunk.iter().zip(probabilities.rows()) {
            line += 1;
            print(arguments, &file, line, text, row)?;
        }
        progress.show(input.bytes(), line);
    }
    drop(progress);
    say_coverage(coverage);
    Ok(())
}

fn print(
    arguments: &PredictArguments,
    file: &ClassifierFile,
    line: u64,
    text: &str,
    probabilities: ArrayView1<'_, f32>,
) -> Result<()> {
    let labels = file.classifier().labels();
    let mut best = 0;
    for (k, &probability) in probabilities.iter().enumerate() {
        if probability > probabilities[best] {
            best = k;
        }
    }
    let (label, probability) = (&labels[best], probabilities[best]);
    if !arguments.json {
        return say!("{label}\t{probability:.4}\t{text}");
    }
    let names = labels.iter().map(String::as_str);
    say_json(&JsonPrediction {
        line,
        text,
        label,
        probability,
        probabilities: names.zip(probabilities.iter().copied()).collect(),
    })
}
