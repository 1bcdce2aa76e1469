//! All formats of files written by the reference implementation give the same numbers.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod weights_support;

use gensen_encode::model_folder::convert;
use gensen_encode::weights::torch::TorchFile;
use gensen_encode::weights::{EncoderState, TensorMap, vocabulary_pickle};
use weights_support::{path, read, tensors, vocabulary};

/// Asserts that the tensors are equal, bit for bit.
fn assert_same(found: &TensorMap, expected: &TensorMap, what: &str) {
    let names: Vec<_> = expected.keys().collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), names, "{what}");
    for (name, expected) in expected {
        let found = &found[name];
        assert_eq!(found.shape(), expected.shape(), "{what}: {name}");
        let differing = found
            .values()
            .iter()
            .zip(expected.values().iter())
            .filter(|(a, b)| a.to_bits() != b.to_bits())
            .count();
        assert_eq!(differing, 0, "{what}: {name}: values that differ");
    }
}

#[test]
fn every_kind_of_pytorch_file_holds_the_same_encoder() {
    for model in ["tiny-1layer", "tiny-2layer"] {
        let expected = tensors(&format!("{model}/{model}.safetensors"));
        for kind in ["", ".torch03cuda", ".legacy-py3", ".zip"] {
            let name = format!("{model}/{model}{kind}.model");
            let bytes = read(&name);
            let (state, others) = TorchFile::read(&bytes).unwrap().encoder().unwrap();
            assert_same(state.tensors(), &expected, &name);
            assert!(others.is_empty(), "{name}: {others:?}");
        }
    }
}

#[test]
fn the_encoder_is_cut_out_of_a_training_checkpoint() {
    let bytes = read("tiny-1layer/best_model.model");
    let file = TorchFile::read(&bytes).unwrap();
    let (state, others) = file.encoder().unwrap();
    let expected = tensors("tiny-1layer/tiny-1layer.safetensors");
    assert_same(state.tensors(), &expected, "best_model.model");
    assert_eq!(others.len() + expected.len(), file.names().count());
    assert!(others.contains(&"module.decoders.0.input_weights.weight".to_owned()));
    assert!(others.contains(&"module.nli_decoder.1.weight".to_owned()));
}

#[test]
fn sizes_are_told_from_the_tensors() {
    for (model, layers) in [("tiny-1layer", 1), ("tiny-2layer", 2)] {
        let state = EncoderState::new(tensors(&format!("{model}/{model}.safetensors"))).unwrap();
        assert_eq!(state.layers(), layers);
        assert!(state.bidirectional());
        assert_eq!(state.vocabulary_size(), 504);
        assert_eq!(state.embedding_size(), 24);
        assert_eq!(state.direction_size(), 32);
        assert_eq!(state.hidden_size(), 64);
    }
}

#[test]
fn every_kind_of_pickled_vocabulary_holds_the_same_words() {
    let expected = vocabulary();
    for kind in ["", ".proto2", ".py3"] {
        let words =
            vocabulary_pickle::read(&read(&format!("tiny-1layer/tiny-1layer_vocab{kind}.pkl")));
        assert_eq!(words.unwrap(), expected, "{kind}");
    }
}

#[test]
fn released_files_become_a_model_folder() {
    let conversion = convert(
        &path("tiny-2layer/tiny-2layer.torch03cuda.model"),
        &path("tiny-2layer/tiny-2layer_vocab.pkl"),
    )
    .unwrap();
    assert!(conversion.left_out.is_empty());
    let model = conversion.model;
    assert!(model.vocabulary().words().eq(vocabulary()));
    assert_eq!(model.config().architecture.layers, 2);
    assert_same(
        model.weights().tensors(),
        &tensors("tiny-2layer/tiny-2layer.safetensors"),
        "converted",
    );
}
