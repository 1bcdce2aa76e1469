//! Transfer tasks with an encoder of your own.
//!
//! ```sh
//! cargo xtask fetch-data senteval
//! cargo run --release -p gensen --example evaluate -- data/senteval MR,TREC,STS-B
//! ```
//!
//! Anything that turns sentences into vectors is evaluated by implementing `Embedder`. This one hashes a sentence's
//! words into a vector of counts, a baseline that needs no training.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::collections::BTreeMap;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

use gensen::eval::tasks::{Pooling, select};
use gensen::eval::{
    Embedder, EmbedderError, EmbedderInfo, EvalEvent, EvalOptions, Role, evaluate, markdown,
};
use ndarray::Array2;

const WIDTH: usize = 512;

struct HashedWords;

impl Embedder for HashedWords {
    fn info(&self) -> EmbedderInfo {
        EmbedderInfo {
            name: "hashed words".to_owned(),
            role: Role::Baseline,
            // The key of cached vectors and scores: change it whenever the vectors change.
            identity: format!("hashed words, {WIDTH} wide, version 1"),
            details: BTreeMap::new(),
        }
    }

    /// This encoder has no hidden states to pool.
    fn pools(&self) -> bool {
        false
    }

    fn embed(&mut self, sentences: &[String], _: Pooling) -> Result<Array2<f32>, EmbedderError> {
        let mut vectors = Array2::zeros((sentences.len(), WIDTH));
        for (mut row, sentence) in vectors.rows_mut().into_iter().zip(sentences) {
            for word in sentence.split(' ').filter(|word| !word.is_empty()) {
                let mut hasher = DefaultHasher::new();
                word.hash(&mut hasher);
                row[hasher.finish() as usize % WIDTH] += 1.0;
            }
        }
        Ok(vectors)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, tasks] = &arguments[..] else {
        return Err("usage: evaluate SENTEVAL_DIR TASK,...".into());
    };
    let tasks: Vec<&str> = tasks.split(',').collect();
    println!("{}", report(data, &tasks)?);
    Ok(())
}

/// The report as a Markdown page.
pub(crate) fn report(data: &str, tasks: &[&str]) -> Result<String, Box<dyn Error>> {
    let options = EvalOptions::new(data, select(tasks)?);
    let report = evaluate(&mut HashedWords, &options, &|event| {
        if let EvalEvent::Finished { result, .. } = event {
            eprintln!("{}: {}", result.task, result.scores);
        }
    })?;
    Ok(markdown(&[report]))
}
