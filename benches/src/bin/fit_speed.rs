//! Times the fit on random vectors: `fit_speed [WORDS [DIMENSIONS [WIDTH]]]`, by default 80000 300
//! 512.
//!
//! `benches/peers/least_squares.py` times scikit-learn on the same shape.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::{error::Error, time::Instant};

use gensen_bench::process::processor_seconds;
use gensen_expand::{EmbeddingTable, FitOptions, SPECIAL_WORDS, VocabularyMap, WordVectors};
use ndarray::Array2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse::<usize>());
    let mut size = |default| sizes.next().unwrap_or(Ok(default));
    let (words, dimensions, width) = (size(80_000)?, size(300)?, size(512)?);

    // Uniform numbers from a fixed sequence; the cost of a fit does not depend on the values.
    let mut state = 1u64;
    let mut number = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let names: Vec<String> = SPECIAL_WORDS
        .map(String::from)
        .into_iter()
        .chain((4..words).map(|id| format!("w{id}")))
        .collect();
    let vectors = WordVectors::from_rows(
        &names,
        Array2::from_shape_simple_fn((words, dimensions), &mut number),
    )?;
    let embedding = Array2::from_shape_simple_fn((words, width), &mut number);
    let own = EmbeddingTable::new(&names, embedding.view())?;

    for _ in 0..5 {
        let fit = Stopwatch::start();
        let map = VocabularyMap::fit_tables(&own, &vectors, &FitOptions::default())?;
        fit.stop("fit");
        let transform = Stopwatch::start();
        map.linear().transform(vectors.matrix())?;
        transform.stop("map all words");
    }
    Ok(())
}

/// Measures wall-clock time and, on Linux, the processor time of all threads, which other processes
/// affect less.
struct Stopwatch {
    wall: Instant,
    processor: Option<f64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            processor: processor_seconds().ok(),
        }
    }

    fn stop(self, what: &str) {
        print!("{what} {:.3} s", self.wall.elapsed().as_secs_f64());
        match (self.processor, processor_seconds().ok()) {
            (Some(before), Some(now)) => println!(" (processor {:.2} s)", now - before),
            _ => println!(),
        }
    }
}
