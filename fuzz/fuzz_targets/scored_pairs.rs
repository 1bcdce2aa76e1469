//! Pairs of sentences with scores.
#![no_main]

use std::fs;

use gensen_data::scored_pairs;
use gensen_fuzz::folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let name = ["f.csv", "f.tsv"][*which as usize % 2];
    fs::write(folder().join(name), bytes).expect("writable");
    if let Ok(pairs) = scored_pairs::read(name, folder()) {
        assert!(pairs.iter().all(|pair| pair.score.is_finite()));
    }
});
