//! `gensen pairs`: the closest pairs of sentences of a file.

use anyhow::Result;
use gensen_search::{PairOptions, closest_pairs};
use serde::Serialize;

use super::UsageError;
use super::corpus::{EncodedText, SentenceFiles};
use super::encoding::EncodingArguments;
use crate::device;
use crate::output::{heading, say, say_json};
use crate::terminal::Busy;

/// Find the closest pairs of sentences of a file, by cosine (paraphrase mining).
///
/// Compares every sentence with every other. Prints cosine, both line numbers and both sentences, closest pair first.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen pairs --input sentences.txt --top 20 --skip-equal\n  gensen pairs --input sentences.txt --index vectors.npy --threshold 0.9 --json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sentences: SentenceFiles,
    /// Pairs to print.
    #[arg(long, default_value_t = 100, value_name = "N")]
    top: usize,
    /// Lowest cosine of a pair, from -1 to 1.
    #[arg(long, default_value_t = -1.0, value_name = "COSINE", allow_negative_numbers = true)]
    threshold: f32,
    /// Skip lines equal to an earlier one.
    #[arg(long)]
    skip_equal: bool,
    /// Print a JSON object per pair: cosine, lines, texts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArguments,
}

/// One line of the JSON output.
#[derive(Serialize)]
struct JsonPair<'a> {
    cosine: f32,
    lines: [u64; 2],
    texts: [&'a str; 2],
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !(-1.0..=1.0).contains(&arguments.threshold) {
        let problem = format!(
            "--threshold {}: expected a cosine, -1 to 1",
            arguments.threshold
        );
        return Err(UsageError(problem).into());
    }
    device::guard(&arguments.encoding.device, || pairs(arguments))
}

fn pairs(arguments: &Arguments) -> Result<()> {
    let corpus = EncodedText::open(
        &arguments.encoding,
        &arguments.sentences,
        arguments.skip_equal,
    )?;
    let matrix = corpus.matrix()?;
    let options = PairOptions {
        most: arguments.top,
        threshold: arguments.threshold,
    };
    let busy = Busy::new(format!("comparing {0} sentences with {0}", matrix.rows()));
    let found = corpus.located(closest_pairs(matrix, &options))?;
    drop(busy);
    if !arguments.json {
        heading("cosine\tline\tline\tsentence\tsentence")?;
    }
    for pair in found {
        let (first, first_text) = corpus.texts.of_row(pair.first);
        let (second, second_text) = corpus.texts.of_row(pair.second);
        if arguments.json {
            say_json(&JsonPair {
                cosine: pair.score,
                lines: [first, second],
                texts: [first_text, second_text],
            })?;
        } else {
            let cosine = pair.score;
            say!("{cosine:.4}\t{first}\t{second}\t{first_text}\t{second_text}")?;
        }
    }
    Ok(())
}
