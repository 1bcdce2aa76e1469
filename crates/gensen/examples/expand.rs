//! New words for a model, from word vectors.
//!
//! ```sh
//! cargo run --release -p gensen --example expand -- models/NAME glove.840B.300d.txt stethoscope tachycardia
//! ```
//!
//! Fits a linear map from the word vectors to the model's embeddings, adds the words to the model's vocabulary, and
//! prints the model's words nearest to each, by cosine of their embeddings. Nothing is saved: `gensen expand` does that.
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::path::Path;

use gensen::SentenceEncoder;
use gensen::data::similarity::cosine;
use gensen::expand::{ReadOptions, SPECIAL_WORDS, VocabularyMap, WordSelection, WordVectors};

/// The number of neighbours printed per word.
const NEIGHBOURS: usize = 5;

/// A new word and the model's words nearest to it.
type Neighbours = (String, Vec<String>);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, vectors, words @ ..] = &arguments[..] else {
        return Err("usage: expand MODEL VECTORS WORD...".into());
    };
    for (word, neighbours) in expand(Path::new(model), Path::new(vectors), words)? {
        println!("{word}: {}", neighbours.join(", "));
    }
    Ok(())
}

/// Each new word with the nearest words of the model; an empty list for words without a vector.
pub(crate) fn expand(
    model: &Path,
    vectors: &Path,
    words: &[String],
) -> Result<Vec<Neighbours>, Box<dyn Error>> {
    let encoder = SentenceEncoder::load(model)?;
    // The fit needs the vectors of shared words.
    let own: Vec<String> = encoder.vocabulary().words().map(str::to_owned).collect();
    let wanted = WordSelection::of(own.iter().chain(words));
    let vectors = WordVectors::read(vectors, &wanted, &ReadOptions::default())?;
    let map = VocabularyMap::fit(&encoder, &vectors)?;
    println!("{}", map.linear().report());

    let (expanded, report) =
        map.expand_with_report(&encoder, own.iter().skip(SPECIAL_WORDS.len()).chain(words))?;
    println!("{report}");
    let (embedding, vocabulary) = (expanded.embedding(), expanded.vocabulary());
    let row = |word: &str| {
        vocabulary
            .id(word)
            .map(|id| embedding.row(id as usize).to_vec())
    };
    let mut found = Vec::new();
    for word in words.iter().filter(|word| !own.contains(word)) {
        let mut near: Vec<(f64, &String)> = Vec::new();
        if let (Some(_), Some(new)) = (vectors.get(word), row(word)) {
            let old = own.iter().skip(SPECIAL_WORDS.len());
            near = old
                .filter_map(|old| Some((cosine(&new, &row(old)?), old)))
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
        }
        let nearest = near.into_iter().take(NEIGHBOURS);
        found.push((
            word.clone(),
            nearest.map(|(_, word)| word.clone()).collect(),
        ));
    }
    Ok(found)
}
