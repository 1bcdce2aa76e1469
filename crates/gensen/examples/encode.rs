//! Sentences to vectors, with the built-in model.
//!
//! ```sh
//! cargo run --release -p gensen --example encode -- "A cat is asleep." "The kitten sleeps." "Shares fell."
//! ```
//!
//! Prints the cosine of every pair of sentences, highest first.
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;

use gensen::EncodeOptions;
use gensen::data::similarity::cosine;

/// A cosine and its two sentences.
type Pair<'s> = (f64, &'s str, &'s str);

fn main() -> Result<(), Box<dyn Error>> {
    let sentences: Vec<String> = std::env::args().skip(1).collect();
    for (cosine, first, second) in similarities(&sentences)? {
        println!("{cosine:.3}\t{first}\t{second}");
    }
    Ok(())
}

/// The cosine of each pair of sentences, highest first.
pub(crate) fn similarities(sentences: &[String]) -> Result<Vec<Pair<'_>>, Box<dyn Error>> {
    let encoder = gensen_english::load()?;
    // [sentences, width]. A model folder of your own: SentenceEncoder::load("models/NAME").
    let vectors = encoder.encode(sentences, &EncodeOptions::default())?;
    let mut pairs = Vec::new();
    for (i, first) in sentences.iter().enumerate() {
        for (j, second) in sentences.iter().enumerate().skip(i + 1) {
            let [u, v] = [i, j].map(|row| vectors.row(row).to_vec());
            pairs.push((cosine(&u, &v), first.as_str(), second.as_str()));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(pairs)
}
