//! Whole model folders: the first byte selects the file that the rest replaces.
#![no_main]

use std::fs;
use std::sync::OnceLock;

use gensen_data::vocabulary::Vocabulary;
use gensen_encode::model_folder::{
    CONFIG_FILE, ModelConfig, ModelFolder, Provenance, VOCABULARY_FILE, WEIGHTS_FILE,
};
use gensen_encode::weights::{EncoderState, StoredPrecision, Tensor, TensorMap};
use tempfile::TempDir;

/// A folder with a model of five words.
fn folder() -> &'static TempDir {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut tensors = TensorMap::new();
        for (name, shape) in [
            ("src_embedding.weight", vec![5, 2]),
            ("encoder.weight_ih_l0", vec![6, 2]),
            ("encoder.weight_hh_l0", vec![6, 2]),
            ("encoder.bias_ih_l0", vec![6]),
            ("encoder.bias_hh_l0", vec![6]),
        ] {
            let values = vec![0.5; shape.iter().product()];
            tensors.insert(name.to_owned(), Tensor::new(shape, values).expect("fits"));
        }
        let weights = EncoderState::new(tensors).expect("an encoder");
        let config = ModelConfig::new(&weights, Provenance::default());
        let words = Vocabulary::SPECIAL.into_iter().chain(["word"]);
        let vocabulary = Vocabulary::from_words(words).expect("words");
        let model = ModelFolder::new(config, vocabulary, weights).expect("a model");
        let folder = TempDir::new().expect("a folder");
        model
            .write(&folder.path().join("model"), StoredPrecision::F32)
            .expect("written");
        folder
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let folder = folder().path().join("model");
    let name = match which % 3 {
        0 => WEIGHTS_FILE,
        1 => VOCABULARY_FILE,
        _ => CONFIG_FILE,
    };
    let place = folder.join(name);
    let original = fs::read(&place).expect("readable");
    fs::write(&place, bytes).expect("writable");
    if let Ok(model) = ModelFolder::open(&folder) {
        assert_eq!(model.vocabulary().len(), 5);
        let tensors = model.weights().tensors().values();
        assert!(tensors.flat_map(|tensor| tensor.values().into_owned()).all(f32::is_finite));
    }
    fs::write(&place, original).expect("writable");
});
