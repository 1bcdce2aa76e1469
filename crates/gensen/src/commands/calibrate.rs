//! `gensen calibrate`: the ranges of a model's vectors, for 8-bit integers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gensen_encode::model_folder::CONFIG_FILE;
use gensen_encode::{Calibration, EncodeOptions, Pooling, SentenceEncoder};

use super::encoding::{Pool, folder, use_threads};
use super::places::file;
use crate::hub;
use crate::lines::Lines;
use crate::output::say;
use crate::terminal::Progress;

/// Measure the ranges of a model's vectors over a text, and save them in the model folder.
///
/// `embed --output-precision int8` and `uint8` cut each dimension's range into 255 steps. Use a few thousand sentences like
/// those to be encoded later. The folder's config.json is rewritten; its other files stay.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen calibrate models/nli_large --input sentences.txt\n  gensen embed -m models/nli_large -i sentences.txt -o vectors.npy --output-precision int8"
)]
pub(crate) struct Arguments {
    /// Model folder to change.
    #[arg(value_name = "DIR", value_parser = file())]
    model: PathBuf,
    /// UTF-8 text with one sentence per line, plain or gzipped; `-` for standard input. Blank lines are skipped.
    #[arg(short, long, value_name = "FILE|-")]
    input: PathBuf,
    /// Pooling of the vectors; a model folder can hold the ranges of each pooling. [default: the model's own]
    #[arg(long)]
    pool: Option<Pool>,
    /// Number of threads. [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024), value_name = "N")]
    threads: Option<u32>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let place = arguments.model.as_path();
    if place.to_string_lossy().starts_with(hub::SCHEME) {
        let place = place.display();
        bail!("{place}: a model in the hub's cache is not changed; copy its folder first");
    }
    let place = folder(place)?;
    let mut input = Lines::open(&arguments.input)?;
    use_threads(arguments.threads)?;
    let encoder = SentenceEncoder::load(&place)?;
    let own = encoder.model().config().pooling;
    let pooling = arguments.pool.map_or(own, Pooling::from);
    let options = EncodeOptions::default().pooling(pooling);
    let mut calibration = Calibration::new(pooling, encoder.width());
    let progress = Progress::new(input.size());
    let mut lines = 0;
    loop {
        let mut chunk = input.chunk(32, u64::MAX)?;
        if chunk.is_empty() {
            break;
        }
        lines += chunk.len() as u64;
        chunk.retain(|line| !line.trim().is_empty());
        let vectors = encoder
            .encode(&chunk, &options)
            .with_context(|| format!("up to line {lines} of {}", input.name()))?;
        calibration.add(vectors.view());
        progress.show(input.bytes(), lines);
    }
    drop(progress);
    let text = Path::new(input.name()).file_name().unwrap_or_default();
    let Some(ranges) = calibration.finish(text.to_string_lossy()) else {
        bail!("{}: no sentence to calibrate with", input.name());
    };
    let (_, sentences) = ranges.text();
    if sentences < FEW {
        tracing::warn!("ranges of {sentences} sentences are rough: use {FEW} or more");
    }
    ranges.save(&place)?;
    say!("{}", place.join(CONFIG_FILE).display())
}

/// Ranges of fewer sentences rarely generalise.
const FEW: u64 = 100;
