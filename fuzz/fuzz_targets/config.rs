//! `config.json`: a configuration that was read survives writing and reading.
#![no_main]

use std::path::Path;

use gensen_encode::model_folder::ModelConfig;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("config.json");
    let Ok(mut config) = ModelConfig::from_json(bytes, path) else {
        return;
    };
    let again = ModelConfig::from_json(config.to_json().as_bytes(), path);
    let mut again = again.expect("the written configuration is readable");
    // The JSON reader may round the last bit of a float.
    for config in [&mut config, &mut again] {
        let scores = &mut config.provenance.scores;
        scores.iter_mut().for_each(|score| score.value = 0.0);
    }
    assert_eq!(again, config);
});
