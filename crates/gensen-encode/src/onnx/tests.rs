use std::collections::BTreeSet;

use gensen_data::vocabulary::Vocabulary;

use super::*;
use crate::model_folder::{Architecture, ModelConfig, Provenance};
use crate::{UnknownWords, fixtures};

/// A model of two layers whose weights count up, tensor by tensor.
fn model(bidirectional: bool, unknown_words: UnknownWords) -> ModelFolder {
    let sizes = Architecture {
        vocabulary_size: 7,
        embedding_size: 3,
        hidden_size: if bidirectional { 4 } else { 2 },
        layers: 2,
        bidirectional,
    };
    let mut next = 0.0;
    let weights = fixtures::weights(&sizes, || {
        next += 1.0;
        next
    });
    let words = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "c"];
    let mut config = ModelConfig::new(&weights, Provenance::default());
    config.unknown_words = unknown_words;
    let vocabulary = Vocabulary::from_words(words).unwrap();
    ModelFolder::new(config, vocabulary, weights).unwrap()
}

fn graph(bidirectional: bool, unknown_words: UnknownWords, pooling: Pooling) -> GraphProto {
    let bytes = bytes(&model(bidirectional, unknown_words), Some(pooling)).unwrap();
    ModelProto::decode(&bytes[..]).unwrap().graph.unwrap()
}

#[test]
fn every_operation_has_its_inputs_and_leads_to_the_output() {
    let poolings = [
        Pooling::Last,
        Pooling::Mean,
        Pooling::Max,
        Pooling::MaxPadded,
    ];
    let encoders = [
        (false, UnknownWords::Unk),
        (true, UnknownWords::Unk),
        (true, UnknownWords::Spelling),
    ];
    for ((bidirectional, unknown), pooling) in
        encoders.iter().flat_map(|e| poolings.map(|p| (*e, p)))
    {
        let graph = graph(bidirectional, unknown, pooling);
        let constants = graph.initializer.iter().map(|tensor| &tensor.name);
        let inputs = graph.input.iter().map(|value| &value.name);
        let mut known: BTreeSet<&String> = constants.chain(inputs).collect();
        let mut used = BTreeSet::new();
        for node in &graph.node {
            for input in &node.input {
                assert!(
                    known.contains(input),
                    "{pooling}: {} lacks {input}",
                    node.name
                );
                used.insert(input);
            }
            for output in &node.output {
                assert!(known.insert(output), "{pooling}: {output} is there twice");
            }
        }
        assert!(known.contains(&graph.output[0].name), "{pooling}");
        let unused = |tensor: &&messages::TensorProto| !used.contains(&tensor.name);
        assert_eq!(graph.initializer.iter().find(unused), None, "{pooling}");
        let layers = graph.node.iter().filter(|node| node.op_type == "GRU");
        for layer in layers.clone() {
            let before = layer
                .attribute
                .iter()
                .find(|a| a.name == "linear_before_reset");
            assert_eq!(before.unwrap().i, Some(1));
        }
        assert_eq!(layers.count(), 2);
    }
}

#[test]
fn weights_are_there_with_the_gates_in_onnxs_order() {
    let model = model(true, UnknownWords::Unk);
    let graph = graph(true, UnknownWords::Unk, Pooling::Last);
    let constant = |name: &str| {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.unwrap();
        let values = tensor.raw_data.as_chunks::<4>().0.iter();
        let values: Vec<f32> = values.map(|&bytes| f32::from_le_bytes(bytes)).collect();
        (tensor.dims.clone(), values)
    };
    let embedding = constant("src_embedding.weight");
    assert_eq!(embedding.0, [7, 3]);
    assert_eq!(embedding.1, &*model.weights().embedding().values());

    // Rows r0 r1 z0 z1 n0 n1 become z0 z1 r0 r1 n0 n1, in each direction.
    let (dims, values) = constant("layer1.W");
    assert_eq!(dims, [2, 6, 4]);
    for (direction, found) in values.chunks_exact(24).enumerate() {
        let ours = model.weights().gru(1, direction == 1).weight_ih.values();
        let rows: Vec<&[f32]> = ours.chunks_exact(4).collect();
        let expected = [2, 3, 0, 1, 4, 5].map(|row| rows[row]).concat();
        assert_eq!(found, expected);
    }
    let (dims, values) = constant("layer0.B");
    assert_eq!(dims, [2, 12]);
    let ours = model.weights().gru(0, false);
    let order = |values: &[f32]| [2, 3, 0, 1, 4, 5].map(|row| values[row]);
    assert_eq!(values[..6], order(&ours.bias_ih.values()));
    assert_eq!(values[6..12], order(&ours.bias_hh.values()));
    assert_eq!(constant("layer0.R").0, [2, 6, 2]);
}

#[test]
fn the_file_says_what_its_words_are() {
    let bytes = bytes(&model(true, UnknownWords::Spelling), None).unwrap();
    let file = ModelProto::decode(&bytes[..]).unwrap();
    let entry = |key: &str| {
        let found = file.metadata.iter().find(|entry| entry.key == key);
        found.unwrap().value.clone()
    };
    assert_eq!(entry("tokenizer"), "whitespace");
    assert_eq!(entry("lowercase"), "false");
    assert_eq!(entry("pooling"), "last");
    assert_eq!(entry("unknown_words"), "spelling");
    assert_eq!(entry("vocabulary"), "<s>\n<pad>\n</s>\n<unk>\na\nb\nc");
    assert_eq!((file.ir_version, file.opset_import[0].version), (7, 14));
}

#[test]
fn embeddings_of_unknown_words_are_an_optional_input() {
    let inputs = |unknown| {
        let bytes = bytes(&model(true, unknown), None).unwrap();
        describe(&bytes).unwrap().inputs
    };
    let [ids, mask] = ["input_ids [batch, time]", "attention_mask [batch, time]"];
    assert_eq!(inputs(UnknownWords::Unk), [ids, mask]);
    let spelled = "spelled_embeddings [spelled, 3]";
    assert_eq!(inputs(UnknownWords::Spelling), [ids, mask, spelled]);

    // Optional: a constant of the same name is its default value.
    let graph = graph(true, UnknownWords::Spelling, Pooling::Mean);
    let mut constants = graph.initializer.iter();
    let default = constants.find(|tensor| tensor.name == "spelled_embeddings");
    assert_eq!(default.unwrap().dims, [1, 3]);
}
