//! The seeds of fuzzing are valid files, since mutations of invalid ones reach little code.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod weights_support;

use std::fs;
use std::path::PathBuf;

use gensen_encode::model_folder::ModelConfig;
use gensen_encode::weights::pickle::Pickle;
use gensen_encode::weights::torch::TorchFile;
use gensen_encode::weights::vocabulary_pickle;

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = weights_support::path("../../fuzz/seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn seeds_are_whole_files() {
    for (path, bytes) in seeds("pickle") {
        Pickle::read(&bytes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    }
    for (path, bytes) in seeds("torch") {
        let encoder = TorchFile::read(&bytes).and_then(|file| file.encoder());
        encoder.unwrap_or_else(|error| panic!("{path:?}: {error}"));
    }
    for (path, bytes) in seeds("vocabulary") {
        if path.ends_with("list") {
            continue;
        }
        let words = vocabulary_pickle::read(&bytes);
        assert_eq!(
            words
                .unwrap_or_else(|error| panic!("{path:?}: {error}"))
                .len(),
            6
        );
    }
    for (path, bytes) in seeds("config") {
        ModelConfig::from_json(&bytes, &path).unwrap();
    }
}
