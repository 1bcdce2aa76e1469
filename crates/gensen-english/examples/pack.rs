//! Makes this crate's `model` folder from an exported model: converts its weights to 8-bit
//! integers, and calibrates the value ranges of its vectors on a text with one sentence a line.
//!
//! ```sh
//! cargo run --release -p gensen-english --example pack -- EXPORTED_MODEL_FOLDER data/english/distill.dev.txt
//! ```
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::fs;
use std::path::Path;

use gensen_encode::model_folder::ModelFolder;
use gensen_encode::weights::StoredPrecision;
use gensen_encode::{Calibration, EncodeOptions, SentenceEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pack MODEL_FOLDER TEXT".into());
    };
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("model");
    ModelFolder::open(Path::new(&source))?.write(&place, StoredPrecision::I8)?;

    let sentences = fs::read_to_string(&text)?;
    let sentences: Vec<&str> = sentences.lines().collect();
    let encoder = SentenceEncoder::load(&place)?;
    let pooling = encoder.model().config().pooling;
    let mut calibration = Calibration::new(pooling, encoder.width());
    calibration.add(
        encoder
            .encode(&sentences, &EncodeOptions::default())?
            .view(),
    );
    let name = Path::new(&text).file_name().unwrap_or_default();
    let ranges = calibration.finish(name.to_string_lossy());
    ranges.ok_or("the text has no line")?.save(&place)?;
    Ok(())
}
