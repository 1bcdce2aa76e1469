//! `gensen similar`: the sentences nearest to queries.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::NonEmptyStringValueParser;
use gensen_encode::{ConcatEncoder, VectorOptions, VectorPrecision, Vectors};
use gensen_search::{Matrix, SearchError, nearest};
use serde::Serialize;

use super::UsageError;
use super::corpus::{InputLines, SentenceFiles};
use super::encoding::{EncodingArguments, say_coverage};
use crate::device;
use crate::lines::Lines;
use crate::output::{heading, say, say_json};
use crate::terminal::Progress;

/// Find the sentences of a file that are nearest to a query, by cosine.
///
/// Prints cosine, line number and sentence, nearest first. With several queries, each list is headed by `# QUERY`.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen similar --input sentences.txt --query \"A man is singing.\"\n  gensen similar --model models/nli_large --input sentences.txt --query \"a man is singing .\" --top 5\n  \
                  gensen embed --input sentences.txt --output vectors.npy\n  gensen similar --input sentences.txt --index vectors.npy --queries questions.txt --json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sentences: SentenceFiles,
    /// Query sentence; may be repeated.
    #[arg(
        short,
        long,
        value_name = "TEXT",
        value_parser = NonEmptyStringValueParser::new(),
        required_unless_present = "queries"
    )]
    query: Vec<String>,
    /// File of queries, one per line; `-` for standard input. Blank lines are skipped.
    #[arg(long, value_name = "FILE|-")]
    queries: Option<PathBuf>,
    /// Sentences to print for each query.
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
    /// Print a JSON object per sentence: query, rank, cosine, line, text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArguments,
}

/// A sentence of the file.
struct SimilarSentence {
    cosine: f32,
    line: u64,
    sentence: String,
}

/// One line of the JSON output.
#[derive(Serialize)]
struct JsonHit<'a> {
    query: &'a str,
    rank: usize,
    cosine: f32,
    line: u64,
    text: &'a str,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    device::guard(&arguments.encoding.device, || similar(arguments))
}

fn similar(arguments: &Arguments) -> Result<()> {
    let standard_input = Path::new("-");
    if arguments.sentences.input == standard_input
        && arguments.queries.as_deref() == Some(standard_input)
    {
        let problem = "--input and --queries: only one can be standard input";
        return Err(UsageError(problem.into()).into());
    }
    let queries = queries(arguments)?;
    // Checked before a model is opened, so that a wrong path fails at once.
    let input = match &arguments.sentences.index {
        None => Some(Lines::open(&arguments.sentences.input)?),
        Some(_) => None,
    };
    let encoder = arguments.encoding.encoder(&arguments.encoding.places()?)?;
    let options = arguments.encoding.options();
    let encoded = encoder
        .encode_ragged(&queries, &options, false, &mut |_| {})
        .context("--query")?;
    match (encoded.coverage.without_known_word, queries.len()) {
        (0, _) => {}
        (_, 1) => tracing::warn!("--query: all words of the query are unknown"),
        (unknown, count) => {
            tracing::warn!("{unknown} of {count} queries have only unknown words");
        }
    }
    let dimensions = arguments.sentences.dimensions(&encoder);
    let precision = match arguments.sentences.binary {
        true => VectorPrecision::Ubinary,
        false => VectorPrecision::Float32,
    };
    let vectors = VectorOptions::default()
        .dimensions(dimensions)
        .precision(precision)
        .converter(encoder.encoders(), &options)
        .map_err(|error| UsageError(format!("--truncate-dim: {error}")))?
        .convert(encoded.vectors)?;
    let (numbers, bits): (Vec<f32>, Vec<u8>);
    let vectors = match vectors {
        Vectors::F32(vectors) => {
            numbers = vectors.into_iter().collect();
            Matrix::from_floats(&numbers, dimensions)?
        }
        Vectors::U8(vectors) => {
            bits = vectors.into_iter().collect();
            Matrix::from_bits(&bits, dimensions)?
        }
        _ => bail!("queries of another precision than {precision}"),
    };
    let hits = match (&arguments.sentences.index, input) {
        (Some(index), _) => search(arguments, index, encoder, vectors)?,
        (None, Some(input)) => compare(arguments, input, &encoder, vectors)?,
        (None, None) => bail!("neither vectors nor sentences"),
    };
    print(arguments, &queries, &hits)
}

fn queries(arguments: &Arguments) -> Result<Vec<String>> {
    let mut queries = arguments.query.clone();
    if let Some(place) = &arguments.queries {
        let mut lines = Lines::open(place)?;
        while let Some(line) = lines.next()? {
            if !line.trim().is_empty() {
                queries.push(line);
            }
        }
    }
    if queries.is_empty() {
        let place = arguments.queries.as_deref().unwrap_or(Path::new("-"));
        bail!("--queries {}: no sentence", place.display());
    }
    Ok(queries)
}

/// Searches saved vectors.
fn search(
    arguments: &Arguments,
    place: &Path,
    encoder: ConcatEncoder,
    queries: Matrix<'_>,
) -> Result<Vec<Vec<SimilarSentence>>> {
    let index = {
        let encoder = encoder.clone();
        arguments
            .sentences
            .open(place, &arguments.encoding, || Ok(encoder))?
    };
    arguments
        .sentences
        .check_width(place, index.file(), &encoder)?;
    let texts = InputLines::read(&arguments.sentences.input, false)?;
    let matrix = texts.select(index.matrix()?, &arguments.sentences.input, place)?;
    index.file().prefetch();
    let found = nearest(matrix, queries, arguments.top).map_err(|error| match error {
        SearchError::NotFinite { row } => {
            let (line, _) = texts.of_row(row);
            let place = place.display();
            anyhow::Error::from(error)
                .context(format!("--index {place}, the vector of line {line}"))
        }
        error => error.into(),
    })?;
    let hit = |hit: gensen_search::Hit| {
        let (line, sentence) = texts.of_row(hit.row);
        SimilarSentence {
            cosine: hit.score,
            line,
            sentence: sentence.to_owned(),
        }
    };
    let hits = found.into_iter();
    Ok(hits
        .map(|hits| hits.into_iter().map(hit).collect())
        .collect())
}

/// Encodes the sentences piece by piece, and keeps the nearest.
fn compare(
    arguments: &Arguments,
    mut input: Lines,
    encoder: &ConcatEncoder,
    queries: Matrix<'_>,
) -> Result<Vec<Vec<SimilarSentence>>> {
    let options = arguments.encoding.options();
    let progress = Progress::new(input.size());
    let mut best: Vec<Vec<SimilarSentence>> = (0..queries.rows()).map(|_| Vec::new()).collect();
    let mut coverage = gensen_encode::Coverage::default();
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
        if sentences.is_empty() {
            continue;
        }
        let encoded = encoder
            .encode_ragged(&sentences, &options, false, &mut |_| {})
            .with_context(|| {
                format!(
                    "up to line {line} of {}",
                    arguments.sentences.input.display()
                )
            })?;
        coverage += encoded.coverage;
        let vectors: Vec<f32> = encoded.vectors.iter().copied().collect();
        let matrix = Matrix::from_floats(&vectors, encoder.width())?;
        let found = nearest(matrix, queries, arguments.top).with_context(|| {
            format!(
                "up to line {line} of {}",
                arguments.sentences.input.display()
            )
        })?;
        for (best, found) in best.iter_mut().zip(found) {
            best.extend(found.into_iter().map(|hit| SimilarSentence {
                cosine: hit.score,
                line: numbers[hit.row],
                sentence: sentences[hit.row].clone(),
            }));
            best.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.line.cmp(&b.line)));
            best.truncate(arguments.top);
        }
        progress.show(input.bytes(), line);
    }
    drop(progress);
    say_coverage(coverage);
    Ok(best)
}

fn print(arguments: &Arguments, queries: &[String], all: &[Vec<SimilarSentence>]) -> Result<()> {
    if !arguments.json {
        heading("cosine\tline\tsentence")?;
    }
    for (k, (query, hits)) in queries.iter().zip(all).enumerate() {
        if queries.len() > 1 && !arguments.json {
            let blank = if k > 0 { "\n" } else { "" };
            say!("{blank}# {query}")?;
        }
        for (k, hit) in hits.iter().enumerate() {
            if arguments.json {
                say_json(&JsonHit {
                    query,
                    rank: k + 1,
                    cosine: hit.cosine,
                    line: hit.line,
                    text: &hit.sentence,
                })?;
            } else {
                say!("{:.4}\t{}\t{}", hit.cosine, hit.line, hit.sentence)?;
            }
        }
    }
    Ok(())
}
