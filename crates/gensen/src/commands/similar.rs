//! `gensen similar`: the sentences nearest to one.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::builder::NonEmptyStringValueParser;
use ndarray::Axis;

use super::encoding::{Encoding, normalize, say_coverage};
use crate::device;
use crate::lines::Lines;
use crate::output::say;
use crate::terminal::Progress;

/// Find the sentences of a file that are nearest to a query, by cosine.
///
/// Prints cosine, line number and sentence, the nearest first.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen similar --input sentences.txt --query \"A man is singing.\"\n  gensen similar --model models/nli_large --input sentences.txt --query \"a man is singing .\" --top 5"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    encoding: Encoding,
    /// Text in UTF-8, a sentence a line; `-` for standard input. Blank lines are passed over.
    #[arg(long, value_name = "FILE|-")]
    input: PathBuf,
    /// The sentence to compare with.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    query: String,
    /// How many to print.
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
}

/// A sentence of the file.
struct Hit {
    cosine: f32,
    line: u64,
    sentence: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    device::guard(&arguments.encoding.device, || similar(arguments))
}

fn similar(arguments: &Arguments) -> Result<()> {
    let mut input = Lines::open(&arguments.input)?;
    let encoder = arguments.encoding.encoder(&arguments.encoding.places()?)?;
    let options = arguments.encoding.options();
    let encoded = encoder
        .encode_ragged(&[&arguments.query], &options, false, &mut |_| {})
        .context("--query")?;
    let (mut query, mut coverage) = (encoded.vectors, encoded.coverage);
    if coverage.without_known_word > 0 {
        tracing::warn!("--query: none of its words is known to the model");
    }
    normalize(&mut query);
    let query = query.index_axis(Axis(0), 0);
    let progress = Progress::new(input.size());
    let mut hits: Vec<Hit> = Vec::new();
    let mut line = 0;
    loop {
        let chunk = input.chunk(arguments.encoding.batch_size as usize, u64::MAX)?;
        if chunk.is_empty() {
            break;
        }
        let numbered = (line + 1..).zip(chunk);
        let (numbers, sentences): (Vec<u64>, Vec<String>) = numbered
            .inspect(|(number, _)| line = *number)
            .filter(|(_, sentence)| !sentence.trim().is_empty())
            .unzip();
        let encoded = encoder
            .encode_ragged(&sentences, &options, false, &mut |_| {})
            .with_context(|| format!("up to line {line} of {}", arguments.input.display()))?;
        coverage += encoded.coverage;
        let mut vectors = encoded.vectors;
        normalize(&mut vectors);
        let cosines = vectors.dot(&query);
        let found = numbers.into_iter().zip(sentences).zip(cosines);
        hits.extend(found.map(|((line, sentence), cosine)| Hit {
            cosine,
            line,
            sentence,
        }));
        hits.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.line.cmp(&b.line)));
        hits.truncate(arguments.top);
        progress.show(input.bytes(), line);
    }
    drop(progress);
    say_coverage(coverage);
    for hit in hits {
        say!("{:.4}\t{}\t{}", hit.cosine, hit.line, hit.sentence)?;
    }
    Ok(())
}
