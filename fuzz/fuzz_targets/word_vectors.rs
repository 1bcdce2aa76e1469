//! Word vectors in every format, detected from the contents: values are finite, and all words are found.
#![no_main]

use std::fs;

use gensen_expand::{ReadOptions, WordSelection, WordVectors};
use gensen_fuzz::folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = folder().join("vectors");
    fs::write(&path, bytes).expect("writable");
    for selection in [WordSelection::all(), WordSelection::first(2, true)] {
        let Ok(vectors) = WordVectors::read(&path, &selection, &ReadOptions::default()) else {
            continue;
        };
        assert_eq!(vectors.matrix().dim(), (vectors.len(), vectors.dimensions()));
        assert!(vectors.matrix().iter().all(|x| x.is_finite()));
        for (row, word) in vectors.words().iter().enumerate() {
            assert_eq!(vectors.position(word), Some(row));
        }
    }
});
