//! `config.json`: what is read can be written and comes back.
#![no_main]

use std::path::Path;

use gensen_model::model_folder::ModelConfig;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("config.json");
    let Ok(config) = ModelConfig::from_json(bytes, path) else {
        return;
    };
    let again = ModelConfig::from_json(config.to_json().as_bytes(), path);
    assert_eq!(again.expect("what was written is read"), config);
});
