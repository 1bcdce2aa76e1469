//! Several devices train as one with larger batches.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::Device;
use burn_train::{ExecutionStrategy, MultiDeviceOptim};
use gensen_data::batch::{Batch, NliBatch, Sentences, Seq2SeqBatch};
use gensen_model::config::{Architecture, DecoderConfig, MultitaskConfig};
use gensen_model::{MultitaskModel, Pooling};
use gensen_train::devices::{Devices, StepBatch};
use gensen_train::loss::{BatchLoss, Losses};
use gensen_train::precision::Autocast;
use support::{Run, TINY};

const WORDS: usize = 40;

/// Two encoder layers, so that there is dropout of every kind.
fn model() -> MultitaskModel {
    let decoder = DecoderConfig {
        target_words: WORDS,
        embedding_size: 12,
        hidden_size: 16,
    };
    let config = MultitaskConfig {
        encoder: Architecture {
            vocabulary_size: WORDS,
            embedding_size: 12,
            hidden_size: 16,
            layers: 2,
            bidirectional: true,
        },
        decoders: vec![decoder.clone(), decoder],
        inference_hidden: Some(16),
        contrasts: Vec::new(),
        distillations: Vec::new(),
        classifiers: Vec::new(),
        pooling: Pooling::Last,
        dropout: 0.3,
    };
    let device = Device::flex().autodiff();
    MultitaskModel::new(&config, 1, &device).unwrap()
}

fn cpus(count: usize) -> ExecutionStrategy {
    ExecutionStrategy::multi(
        vec![Device::flex(); count],
        MultiDeviceOptim::OptimMainDevice,
    )
}

/// Sentences of these lengths, special words included.
fn sentences(lengths: &[usize], stride: usize) -> Sentences {
    let mut sentences = Sentences::default();
    for (k, &length) in lengths.iter().enumerate() {
        let word = |place: usize| (4 + (k * 7 + place * stride) % (WORDS - 4)) as u32;
        let words: Vec<u32> = (1..length - 1).map(word).collect();
        sentences.push(&[&[0], &words[..], &[2]].concat());
    }
    sentences
}

/// The shares of two devices differ much in their numbers of words, differently for each target.
fn skip_thought() -> Batch {
    Batch::Seq2Seq(Seq2SeqBatch {
        source: sentences(&[3, 9, 2, 5, 14, 4, 6], 5),
        targets: vec![
            sentences(&[12, 15, 11, 13, 2, 3, 2], 3),
            sentences(&[2, 3, 4, 2, 9, 17, 8], 11),
        ],
    })
}

fn inference() -> Batch {
    Batch::Nli(NliBatch {
        premises: sentences(&[3, 9, 2, 5, 4], 5),
        hypotheses: sentences(&[12, 4, 11, 3, 2], 3),
        labels: vec![0, 2, 1, 1, 0],
    })
}

fn step(batch: Batch) -> StepBatch {
    StepBatch {
        batch,
        head: 0,
        seed: 5,
        step: 17,
        autocast: Autocast::default(),
    }
}

#[test]
fn gradients_of_shares_add_up_to_those_of_the_batch() {
    let model = model();
    let gradients = |count: usize, batch: StepBatch| {
        let devices = Devices::new(&cpus(count)).unwrap();
        assert_eq!(devices.count(), count);
        let (shares, gradients) = devices.gradients(&model, batch).unwrap();
        let loss = Losses::join(shares.iter().map(BatchLoss::read).collect());
        let sizes: BTreeMap<String, usize> = gensen_model::parameters::read(&model)
            .into_iter()
            .map(|tensor| (tensor.name, tensor.data.len()))
            .collect();
        let dense = |(name, gradient): (&String, &gensen_train::optimizer::Gradient)| {
            let numbers = gradient.dense(sizes[name]).into_data();
            (name.clone(), numbers.iter::<f32>().collect::<Vec<f32>>())
        };
        let norm = gradients.norm();
        let gradients: BTreeMap<_, _> = gradients.by_name.iter().map(dense).collect();
        (loss, gradients, norm)
    };
    // For the last batch, other devices get only the second decoder.
    let translation = match skip_thought() {
        Batch::Seq2Seq(mut batch) => Batch::Seq2Seq(Seq2SeqBatch {
            targets: vec![batch.targets.remove(1)],
            ..batch
        }),
        _ => panic!("another kind of batch"),
    };
    for (batch, head) in [(skip_thought(), 0), (inference(), 0), (translation, 1)] {
        let gradients = |count: usize| {
            let batch = StepBatch {
                head,
                ..step(batch.clone())
            };
            gradients(count, batch)
        };
        let (loss, expected, norm) = gradients(1);
        assert!(
            expected.len() > 10 && norm > 0.1,
            "{} {norm}",
            expected.len()
        );
        // With nine devices, some have empty shares.
        for count in [2, 3, 5, 9] {
            let (found_loss, found, found_norm) = gradients(count);
            assert_eq!(found_loss.counts, loss.counts, "{count} devices");
            assert_eq!(found_loss.correct, loss.correct, "{count} devices");
            for (found, expected) in found_loss.losses.iter().zip(&loss.losses) {
                let off = (found - expected).abs();
                assert!(
                    off <= 1e-6 * expected,
                    "{found} != {expected}, {count} devices"
                );
            }
            assert!(
                (found_norm - norm).abs() <= 1e-6 * norm,
                "{found_norm} != {norm}"
            );
            assert!(found.keys().eq(expected.keys()), "{count} devices");
            for (name, expected) in &expected {
                for (place, (found, expected)) in found[name].iter().zip(expected).enumerate() {
                    let off = (found - expected).abs();
                    assert!(
                        off <= 1e-7 + 1e-5 * expected.abs(),
                        "{name}[{place}] on {count} devices: expected {expected}, found {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn gradients_of_shares_keep_the_loss_scale() {
    let model = model();
    let gradients = |count: usize, loss_scale: f32| {
        let mut batch = step(skip_thought());
        batch.autocast.loss_scale = loss_scale;
        let devices = Devices::new(&cpus(count)).unwrap();
        devices.gradients(&model, batch).unwrap().1
    };
    let expected = gradients(1, 1.0).norm();
    for count in [1, 2, 3] {
        let scaled = gradients(count, 1024.0);
        assert_eq!(scaled.loss_scale, 1024.0, "{count} devices");
        let off = (scaled.norm() - expected).abs() / expected;
        assert!(off <= 1e-6, "{count} devices: {off}");
    }
}

#[test]
fn strategies_that_cannot_train_the_model_are_refused() {
    let refused = |strategy: ExecutionStrategy| Devices::new(&strategy).unwrap_err().to_string();
    let two = || vec![Device::flex(), Device::flex()];
    let error = refused(ExecutionStrategy::multi(
        two(),
        MultiDeviceOptim::OptimSharded,
    ));
    assert!(error.contains("use OptimMainDevice"), "{error}");
    assert!(refused(cpus(0)).contains("no device"));
    let single = Devices::new(&ExecutionStrategy::single(Device::flex()));
    assert_eq!(single.unwrap().count(), 1);
}

#[test]
fn a_device_that_fails_is_named() {
    let model = model();
    let devices = Devices::new(&cpus(2)).unwrap();
    let (shares, _) = devices.gradients(&model, step(inference())).unwrap();
    assert!(shares[0].read().losses[0].is_finite());
    let Batch::Nli(mut batch) = inference() else {
        panic!("another kind of batch")
    };
    // A word id out of range, in the second device's share.
    batch.premises.ids.pop();
    batch.premises.ids.push(WORDS as u32 + 1_000);
    for _ in 0..2 {
        let batch = Batch::Nli(batch.clone());
        let error = devices.gradients(&model, step(batch)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("device 2 ("), "{error}");
    }
}

/// [`TINY`] whose epochs end in a batch of one sentence, with two encoder layers.
fn short_epochs() -> String {
    let mut config = TINY.replace("dropout = 0.2", "dropout = 0.2\nlayers = 2");
    for limit in ["2000", "1000"] {
        config = config.replace(&format!("limit = {limit}"), "limit = 33");
    }
    config.replace("steps = 40", "steps = 24")
}

/// Weights move by up to 0.002 a step, here by 0.03 in all.
#[track_caller]
fn assert_near(found: &Run, expected: &Run, step: u64, what: &str) {
    let (found_weights, expected_weights) = (found.weights(step), expected.weights(step));
    assert!(found_weights.keys().eq(expected_weights.keys()), "{what}");
    let mut largest = (0.0, String::new());
    for (name, expected) in &expected_weights {
        for (place, (found, expected)) in found_weights[name].iter().zip(expected).enumerate() {
            let off = (found - expected).abs();
            if off > largest.0 {
                let place = format!("{name}[{place}]: expected {expected}, found {found}");
                largest = (off, place);
            }
        }
    }
    eprintln!("{what}: largest difference {:e} {}", largest.0, largest.1);
    assert!(largest.0 <= 2e-5, "{what}: {}", largest.1);
    let (found_metrics, expected_metrics) = (found.metrics(), expected.metrics());
    assert_eq!(found_metrics.len(), expected_metrics.len(), "{what}");
    for (found, expected) in found_metrics.iter().zip(&expected_metrics) {
        let loss = |metric: &serde_json::Value| metric["loss"].as_f64();
        if let Some((found, expected)) = loss(found).zip(loss(expected)) {
            let off = (found - expected).abs();
            assert!(off <= 1e-5 * expected, "{what}: {found} != {expected}");
        }
        assert_eq!(found["count"], expected["count"], "{what}: {expected}");
    }
}

#[test]
fn several_devices_train_as_one_with_larger_batches() {
    let config = short_epochs();
    for (key, sizes) in [("batch_size", [16, 8, 4]), ("batch_words", [400, 200, 100])] {
        let config = config.replace("batch_size = 16", &format!("{key} = {}", sizes[0]));
        let one = Run::new(&config);
        one.succeed(&["--device", "cpu"]);
        for (devices, size) in [("cpu,cpu", sizes[1]), ("cpu,cpu,cpu,cpu", sizes[2])] {
            let size = format!("training.{key}={size}");
            let several = Run::new(&config);
            several.succeed(&["--device", devices, "--set", &size]);
            assert_near(&several, &one, 24, &format!("{size} on {devices}"));
        }
    }
}

#[test]
fn several_devices_train_as_one_with_tasks_of_their_own_sizes() {
    let choices = "nli_every = 4\nword_dropout = 0.2\nschedule = \"linear\"";
    let config = short_epochs()
        .replace("nli_every = 4", choices)
        .replace(
            "name = \"fr-en\"",
            "name = \"fr-en\"\nfrom_step = 5\nbatch_size = 12",
        )
        .replace(
            "name = \"parsing\"",
            "name = \"parsing\"\nloss_weight = 0.3",
        );
    let one = Run::new(&config);
    one.succeed(&["--device", "cpu"]);
    let several = Run::new(&config.replace("batch_size = 12", "batch_size = 6"));
    let size = "training.batch_size=8";
    several.succeed(&["--device", "cpu,cpu", "--set", size]);
    assert_near(&several, &one, 24, "two devices");
    // A task's own batch size must be adapted to another number of devices.
    let rest = [
        "--device",
        "cpu",
        "--set",
        "training.steps=30",
        "--set",
        "training.batch_size=16",
    ];
    let output = several.train(&rest);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    let expected = "takes 6 sentences of task `fr-en`, and took 12 sentences: set batch_size";
    assert!(log.contains(expected), "{log}");
}

#[test]
fn a_run_goes_on_with_another_number_of_devices() {
    let config = short_epochs();
    let whole = Run::new(&config);
    whole.succeed(&[]);
    let run = Run::new(&config);
    let part = |device: &str, size: u64, steps: u64| {
        let size = format!("training.batch_size={size}");
        let steps = format!("training.steps={steps}");
        run.train(&["--device", device, "--set", &size, "--set", &steps])
    };
    for (device, size, steps) in [
        ("cpu,cpu", 8, 7),
        ("cpu", 16, 13),
        ("cpu,cpu,cpu,cpu", 4, 24),
    ] {
        let output = part(device, size, steps);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{device}: {log}");
    }
    assert_eq!(
        run.weights(24).len(),
        whole.weights(24).len(),
        "tensors of a checkpoint"
    );
    let names = |run: &Run| {
        let files = fs::read_dir(run.checkpoint(24)).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&run), names(&whole));
    // A shorter run validates where it ends; leave those lines out.
    let path = run.folder().join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let kept = text.lines().filter(|line| {
        let metric: serde_json::Value = serde_json::from_str(line).unwrap();
        ![7, 13].contains(&metric["step"].as_u64().unwrap()) || metric["split"] == "train"
    });
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    fs::write(path, kept).unwrap();
    assert_near(&run, &whole, 24, "a run on two, one and four devices");
    let output = part("cpu,cpu", 16, 30);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    for expected in ["32 sentences", "16 sentences", "training.batch_size"] {
        assert!(log.contains(expected), "`{expected}` is not in: {log}");
    }
}

/// Trains to step 20 at once, and stopped at step 5; both must end in the same bytes.
#[track_caller]
fn assert_resumes_to_the_byte(config: &str, device: &str) {
    let whole = Run::new(config);
    whole.succeed(&["--device", device, "--set", "training.steps=20"]);
    let run = Run::new(config);
    run.succeed(&["--device", device, "--set", "training.steps=5"]);
    run.succeed(&["--device", device, "--set", "training.steps=20"]);
    for file in ["model.safetensors", "optimizer.safetensors"] {
        let read = |run: &Run| fs::read(run.checkpoint(20).join(file)).unwrap();
        assert!(read(&run) == read(&whole), "{file} differs on {device}");
    }
}

#[test]
fn a_run_on_three_devices_ends_in_the_same_bytes_when_resumed() {
    let config = short_epochs().replace("batch_size = 16", "batch_size = 5");
    assert_resumes_to_the_byte(&config, "cpu,cpu,cpu");
}

#[test]
fn a_run_by_words_ends_in_the_same_bytes_when_resumed() {
    let config = TINY.replace("batch_size = 16", "batch_words = 300");
    assert_resumes_to_the_byte(&config, "cpu");
}
