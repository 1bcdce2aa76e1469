//! Makes this crate's `model` folder from an exported model: converts its weights to 8-bit
//! integers, and calibrates the value ranges of its vectors on a text with one sentence a line.
//!
//! The embedding's integers are multiples of 2, those of rare words multiples of 8. Compressed, as
//! cargo packages them, they take one and two bits less: the crate has to stay below 10 MB.
//!
//! ```sh
//! cargo run --release -p gensen-english --example pack -- EXPORTED_MODEL_FOLDER data/english/distill.dev.txt
//! ```
#![allow(clippy::disallowed_methods, clippy::expect_used)]

use std::error::Error;
use std::fs;
use std::path::Path;

use gensen_encode::model_folder::ModelFolder;
use gensen_encode::weights::{EncoderState, StoredPrecision, Tensor};
use gensen_encode::{Calibration, EncodeOptions, SentenceEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pack MODEL_FOLDER TEXT".into());
    };
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("model");
    let (config, vocabulary, weights) = ModelFolder::open(Path::new(&source))?.into_parts();
    let weights = weights.with_embedding(with_fewer_integers(&weights))?;
    ModelFolder::new(config, vocabulary, weights)?.write(&place, StoredPrecision::I8)?;

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

/// The rows of frequent words. The vocabulary is in the order of frequency.
const FREQUENT: usize = 8_000;

/// The embedding with values whose 8-bit integers are multiples of 2 or 8, except for those of a
/// row's largest magnitude.
fn with_fewer_integers(weights: &EncoderState) -> Tensor {
    let embedding = weights.embedding();
    let mut values = embedding.values().into_owned();
    let rows = values.chunks_exact_mut(weights.embedding_size());
    for (number, row) in rows.enumerate() {
        let multiple = if number < FREQUENT { 2.0 } else { 8.0 };
        // A row's largest magnitude is stored as 127.
        let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let step = largest / 127.0 * multiple;
        let most = (127.0_f32 / multiple).floor();
        let smaller = row.iter_mut().filter(|x| x.abs() < largest);
        smaller.for_each(|x| *x = (*x / step).round().clamp(-most, most) * step);
    }
    Tensor::new(embedding.shape().to_vec(), values).expect("as many values as the embedding has")
}
