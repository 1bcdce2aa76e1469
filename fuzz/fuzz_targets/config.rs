//! `config.json`: what is read can be written and comes back.
#![no_main]

use std::path::Path;

use gensen_encode::model_folder::ModelConfig;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("config.json");
    let Ok(mut config) = ModelConfig::from_json(bytes, path) else {
        return;
    };
    let again = ModelConfig::from_json(config.to_json().as_bytes(), path);
    let mut again = again.expect("what was written is read");
    // The JSON reader may miss a float by its last bit.
    for config in [&mut config, &mut again] {
        let scores = &mut config.provenance.scores;
        scores.iter_mut().for_each(|score| score.value = 0.0);
    }
    assert_eq!(again, config);
});
