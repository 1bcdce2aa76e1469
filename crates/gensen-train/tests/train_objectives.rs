//! The training objectives agree with PyTorch on every available device:
//! `tests/reference/objectives`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use gensen_data::batch::{Batch, ClassificationBatch, DistillationBatch, PairsBatch, Sentences};
use gensen_model::config::{
    Architecture, ClassifierConfig, ContrastConfig, DistillationConfig, MultitaskConfig,
};
use gensen_model::device::Listing;
use gensen_model::dropout::Dropout;
use gensen_model::parameters::{self, NamedTensor};
use gensen_model::{MultitaskModel, Pooling};
use gensen_train::loss::BatchLoss;
use gensen_train::optimizer::{Adam, AdamConfig};
use serde::Deserialize;

/// Losses are near 5, computed in f32.
const LOSSES_NEAR: f64 = 4e-6;
/// Gradients are up to 3; PyTorch's own are in f32.
const GRADIENTS_NEAR: f32 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    shapes: BTreeMap<String, Vec<usize>>,
    weights: BTreeMap<String, Vec<f32>>,
    batches: BTreeMap<String, Examples>,
    cases: Vec<Case>,
    #[serde(rename = "after three steps")]
    after_three_steps: BTreeMap<String, Vec<f32>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Examples {
    first: Vec<Vec<u32>>,
    second: Vec<Vec<u32>>,
    negatives: Vec<Vec<u32>>,
    sentences: Vec<Vec<u32>>,
    vectors: Vec<Vec<f32>>,
    labels: Vec<u32>,
}

#[derive(Deserialize)]
struct Case {
    batch: String,
    pooling: Pooling,
    losses: Vec<f64>,
    correct: usize,
    gradients: BTreeMap<String, Vec<f32>>,
    temperature: Option<f64>,
    widths: Option<Vec<usize>>,
    weights: Option<[f64; 3]>,
}

fn sentences(ids: &[Vec<u32>]) -> Sentences {
    let mut sentences = Sentences::default();
    ids.iter().for_each(|ids| sentences.push(ids));
    sentences
}

impl Examples {
    fn batch(&self) -> Batch {
        if !self.labels.is_empty() {
            return Batch::Classification(ClassificationBatch {
                first: sentences(&self.first),
                second: (!self.second.is_empty()).then(|| sentences(&self.second)),
                labels: self.labels.clone(),
            });
        }
        if !self.sentences.is_empty() {
            return Batch::Distillation(DistillationBatch {
                sentences: sentences(&self.sentences),
                vectors: self.vectors.concat(),
            });
        }
        Batch::Pairs(PairsBatch {
            first: sentences(&self.first),
            second: sentences(&self.second),
            negatives: sentences(&self.negatives),
            numbers: None,
        })
    }
}

impl Golden {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
        let text = std::fs::read(root.join("objectives/objectives.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn model(&self, case: &Case, device: &Device) -> MultitaskModel {
        let size = |name: &str, dim: usize| self.shapes[name][dim];
        let classifier = |k: usize| ClassifierConfig {
            pairs: k == 1,
            labels: size(&format!("classifiers.{k}.output.weight"), 0),
            hidden: size(&format!("classifiers.{k}.hidden.weight"), 0),
        };
        let [cosine_weight, contrast_weight, matrix_weight] = case.weights.unwrap_or([1.0; 3]);
        let temperature = case.temperature.unwrap_or(1.0);
        let hidden_size = size("distillations.0.head.weight", 1);
        let config = MultitaskConfig {
            encoder: Architecture {
                vocabulary_size: size("src_embedding.weight", 0),
                embedding_size: size("src_embedding.weight", 1),
                hidden_size,
                layers: 1,
                bidirectional: true,
            },
            decoders: Vec::new(),
            inference_hidden: None,
            contrasts: vec![ContrastConfig {
                temperature,
                widths: case.widths.clone().unwrap_or_default(),
            }],
            distillations: vec![DistillationConfig {
                width: size("distillations.0.head.weight", 0),
                temperature,
                cosine_weight,
                contrast_weight,
                matrix_weight,
            }],
            classifiers: vec![classifier(0), classifier(1)],
            pooling: case.pooling,
            // Dropout is off.
            dropout: 0.5,
        };
        let model = MultitaskModel::new(&config, 1, &device.clone().autodiff()).unwrap();
        let weights = |name: &str| {
            Some(NamedTensor {
                name: name.into(),
                shape: self.shapes.get(name)?.clone(),
                data: self.weights[name].clone(),
            })
        };
        parameters::load(model, weights).unwrap()
    }
}

#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: size");
    for (k, (a, b)) in found.iter().zip(expected).enumerate() {
        let near = (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(near, "{what}[{k}]: {a}, and {b} in PyTorch");
    }
}

/// The factor of tolerances on a device. CUDA's libraries and CubeCL's tuning may use tensor cores
/// for f32 products, which read only 11 bits, and temperatures divide cosines by 0.05.
fn looser(device: &Device) -> f32 {
    if format!("{device:?}").contains("Cuda") {
        1000.0
    } else {
        1.0
    }
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let listing = Listing::new();
    assert!(!listing.devices.is_empty());
    for device in &listing.devices {
        eprintln!("on {}: {}", device.name, device.description);
        losses_and_gradients(&device.device);
    }
}

fn losses_and_gradients(device: &Device) {
    let golden = Golden::read();
    let times = looser(device);
    let kinds: Vec<_> = golden
        .cases
        .iter()
        .map(|case| case.batch.as_str())
        .collect();
    assert_eq!(kinds.len(), 16);
    for case in &golden.cases {
        let what = format!("{} by {}", case.batch, case.pooling);
        let model = golden.model(case, device);
        let batch = golden.batches[&case.batch].batch();
        let head = usize::from(case.batch == "pair");
        let mut loss = BatchLoss::new(&model, &batch, head, &mut Dropout::off());
        let read = loss.read();
        assert_eq!(read.losses.len(), case.losses.len(), "{what}");
        assert_eq!(read.counts, vec![batch.len(); case.losses.len()], "{what}");
        for (found, expected) in read.losses.iter().zip(&case.losses) {
            assert!(
                (found - expected).abs() < LOSSES_NEAR * f64::from(times) * expected.max(1.0),
                "{what}: {found}, and {expected}"
            );
        }
        if times == 1.0 {
            assert_eq!(read.correct, case.correct, "{what}");
        }
        let gradients = loss.backward(&model).by_name;
        let names = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect::<Vec<_>>();
        let found = names(&mut gradients.keys());
        assert_eq!(found, names(&mut case.gradients.keys()), "{what}");
        for (name, gradient) in &gradients {
            let expected = &case.gradients[name];
            let found: Vec<f32> = gradient.dense(expected.len()).into_data().iter().collect();
            assert_near(
                &format!("{what}: {name}"),
                &found,
                expected,
                GRADIENTS_NEAR * times,
            );
        }
    }
}

#[test]
fn embeddings_learn_at_a_rate_of_their_own() {
    let golden = Golden::read();
    let case = golden
        .cases
        .iter()
        .find(|case| case.batch == "distillation" && case.pooling == Pooling::Mean);
    let case = case.unwrap();
    let batch = golden.batches["distillation"].batch();
    for (factor, frozen) in [(0.3, false), (0.0, true)] {
        let mut model = golden.model(case, &Device::flex());
        if frozen {
            let embedding = model.encoder.embedding;
            model.encoder.embedding = embedding.set_require_grad(false);
        }
        let mut adam = Adam::new(AdamConfig {
            embedding_factor: factor,
            ..AdamConfig::new(0.01, 0.5)
        });
        for _ in 0..3 {
            let mut loss = BatchLoss::new(&model, &batch, 0, &mut Dropout::off());
            let gradients = loss.backward(&model);
            let squares = gradients.squared_norms();
            model = adam.step(model, gradients, squares);
        }
        for tensor in parameters::read(&model) {
            let name = tensor.name.as_str();
            let expected = &golden.after_three_steps[name];
            if !frozen {
                assert_near(name, &tensor.data, expected, 2e-5);
            } else if name == "src_embedding.weight" {
                assert_eq!(tensor.data, golden.weights[name], "frozen");
            } else if name == "distillations.0.head.weight" {
                assert_ne!(tensor.data, golden.weights[name], "the rest learns");
            }
        }
        assert_eq!(adam.moments().contains_key("src_embedding.weight"), !frozen);
    }
}
