//! Times the fit on made-up vectors: `fit_speed [WORDS [DIMENSIONS [WIDTH]]]`, by default 80000 300 512.
//!
//! `benches/peers/least_squares.py` times scikit-learn on the same shape.

use std::{error::Error, time::Instant};

use gensen_expand::{EmbeddingTable, FitOptions, SPECIAL_WORDS, VocabularyMap, WordVectors};
use ndarray::Array2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse::<usize>());
    let mut size = |default| sizes.next().unwrap_or(Ok(default));
    let (words, dimensions, width) = (size(80_000)?, size(300)?, size(512)?);

    // Uniform numbers from a fixed sequence; the cost of a fit does not depend on the values.
    let mut state = 1u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let names: Vec<String> =
        SPECIAL_WORDS.map(String::from).into_iter().chain((4..words).map(|id| format!("w{id}"))).collect();
    let vectors = WordVectors::from_rows(&names, Array2::from_shape_simple_fn((words, dimensions), &mut number))?;
    let embedding = Array2::from_shape_simple_fn((words, width), &mut number);
    let own = EmbeddingTable::new(&names, embedding.view())?;

    for _ in 0..5 {
        let start = Instant::now();
        let map = VocabularyMap::fit_tables(&own, &vectors, &FitOptions::default())?;
        let fit = start.elapsed();
        let start = Instant::now();
        let mapped = map.linear().transform(vectors.matrix())?;
        println!("fit {:.3} s, map {} words {:.3} s", fit.as_secs_f64(), mapped.nrows(), start.elapsed().as_secs_f64());
    }
    Ok(())
}
