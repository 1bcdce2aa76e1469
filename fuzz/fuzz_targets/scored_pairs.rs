//! Pairs of sentences with scores.
#![no_main]

use std::fs;
use std::sync::OnceLock;

use gensen_data::scored_pairs;
use tempfile::TempDir;

fn folder() -> &'static TempDir {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| TempDir::new().expect("a folder"))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let name = ["f.csv", "f.tsv"][*which as usize % 2];
    fs::write(folder().path().join(name), bytes).expect("writable");
    if let Ok(pairs) = scored_pairs::read(name, folder().path()) {
        assert!(pairs.iter().all(|pair| pair.score.is_finite()));
    }
});
