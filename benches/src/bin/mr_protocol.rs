//! Times SentEval's MR protocol, 10 outer by 10 inner folds, on features of MR's size.
//!
//! ```text
//! cargo run --release -p gensen-bench --bin mr_protocol -- [senteval|lbfgs] [features.npy labels.npy]
//! ```
//!
//! Without files the features are random, 10,662 by 2,048, with a weak direction that tells the
//! two classes apart.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::time::Instant;

use gensen_eval::linear::{Examples, SentEvalOptions};
use gensen_eval::protocol::{Classifier, Protocol, inner_k_fold};
use gensen_eval::random::MersenneTwister;
use ndarray::{Array1, Array2};

fn random_features(rows: usize, width: usize) -> (Array2<f32>, Vec<u32>) {
    let mut rng = MersenneTwister::new(1);
    let labels: Vec<u32> = (0..rows).map(|i| (i % 2) as u32).collect();
    let features = Array2::from_shape_fn((rows, width), |(i, j)| {
        let noise = rng.uniform_f32() + rng.uniform_f32() - 1.0;
        let signal = if j < 20 {
            0.1 * (labels[i] as f32 - 0.5)
        } else {
            0.0
        };
        noise + signal
    });
    (features, labels)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let classifier = match arguments.next().as_deref() {
        None | Some("lbfgs") => Classifier::Lbfgs,
        Some("senteval") => Classifier::SentEval(SentEvalOptions::default()),
        Some(other) => return Err(format!("unknown classifier {other}").into()),
    };
    let (features, labels) = match (arguments.next(), arguments.next()) {
        (Some(features), Some(labels)) => {
            let labels: Array1<i64> = ndarray_npy::read_npy(labels)?;
            (
                ndarray_npy::read_npy(features)?,
                labels.iter().map(|&y| y as u32).collect(),
            )
        }
        _ => random_features(10_662, 2048),
    };
    let examples = Examples::new(&features, &labels, 2)?;
    let start = Instant::now();
    let report = |done: f64| {
        eprint!(
            "\r{:3.0} % {:.1} s",
            100.0 * done,
            start.elapsed().as_secs_f64()
        )
    };
    let protocol = Protocol {
        progress: &report,
        ..Protocol::new(classifier, 2, 10)
    };
    let result = inner_k_fold(examples, &protocol)?;
    eprintln!();
    println!(
        "{classifier}: {:?} in {:.1} s",
        result.mean,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
