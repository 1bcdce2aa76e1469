//! Every compiled-in and present device agrees with the reference and the CPU.
//!
//! Missing devices are named on standard error. The tolerances are for single precision on any
//! device; those of the CPU alone are tighter (`train_trace.rs`, `encoder_golden.rs`).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod trace;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use burn_train::{ExecutionStrategy, Interrupter};
use gensen_data::prepare::{self, PreparedData};
use gensen_model::device::{Available, Device, Listing};
use gensen_model::model_folder::convert;
use gensen_model::parameters::{self, NamedTensor};
use gensen_model::{EncodeOptions, EncoderPrecision, Pooling, encoder_on};
use gensen_train::TrainError;
use gensen_train::checkpoint::{self, Checkpoints};
use gensen_train::config::{Config, TrainingPrecision};
use gensen_train::metrics::Metric;
use gensen_train::optimizer::AdamConfig;
use gensen_train::precision::{LossScale, supports};
use gensen_train::run::{self, Ending, Outcome, Resume};
use ndarray::Array2;
use trace::{Run, Tolerances, assert_near};

const TOLERANCES: Tolerances = Tolerances {
    logits: 1e-5,
    losses: 2e-5,
    gradients: 2e-6,
    parameters: 2e-5,
};
/// Tolerance of vectors, whose components are between -1 and 1.
const VECTORS: f32 = 1e-5;
/// Tolerance of parameters after a few steps of Adam, which amplifies the rounding noise of small
/// gradients.
const TRAINED: f32 = 1e-4;
/// Relative tolerance of the losses of a short run.
const LOSSES: f64 = 1e-3;
/// The same for a run in mixed precision compared with one in f32.
const MIXED_LOSSES: f64 = 1e-2;

/// The factor of tolerances on a device. CUDA's libraries and CubeCL's tuning may use tensor cores
/// for f32 products, which read only 11 bits.
fn looser(device: &Device) -> f32 {
    if format!("{device:?}").contains("Cuda") {
        100.0
    } else {
        1.0
    }
}

fn tolerances(device: &Device) -> Tolerances {
    let times = looser(device);
    Tolerances {
        logits: TOLERANCES.logits * times,
        losses: TOLERANCES.losses * f64::from(times),
        gradients: TOLERANCES.gradients * times,
        parameters: TOLERANCES.parameters * times,
    }
}

/// Every present device.
fn devices() -> &'static [Available] {
    static LISTING: LazyLock<Listing> = LazyLock::new(|| {
        let listing = Listing::new();
        // Not `eprintln!`, which the test harness captures.
        let mut stderr = std::io::stderr();
        for device in &listing.devices {
            let (name, what) = (&device.name, &device.description);
            writeln!(stderr, "backends: testing {name}: {what}").unwrap();
        }
        for absent in &listing.others {
            writeln!(stderr, "backends: SKIPPED: {absent}").unwrap();
        }
        listing
    });
    &LISTING.devices
}

/// Runs a test on every device, and prints their names.
fn on_each(test: impl Fn(&Device)) {
    for device in devices() {
        eprintln!("on {}: {}", device.name, device.description);
        test(&device.device);
    }
}

#[test]
fn logits_are_the_references() {
    on_each(|device| Run::new(device).assert_logits(tolerances(device).logits));
}

#[test]
fn losses_gradients_and_three_steps_are_the_references() {
    let three_steps = |device: &Device| {
        let mut run = Run::new(device);
        for _ in 0..3 {
            run = run.step(&tolerances(device));
        }
        parameters::read(&run.model)
    };
    let expected = three_steps(&Device::flex());
    on_each(|device| {
        let tolerance = TRAINED * looser(device);
        assert_parameters(&three_steps(device), &expected, tolerance);
    });
}

fn assert_parameters(found: &[NamedTensor], expected: &[NamedTensor], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "number of parameters");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.name, expected.name);
        assert_near(
            &found.name,
            &found.data,
            &expected.data,
            |_| false,
            tolerance,
        );
    }
}

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference")
}

#[test]
fn vectors_are_the_references() {
    let sentences = fs::read(reference().join("sentences.json")).unwrap();
    let sentences: Vec<String> = serde_json::from_slice(&sentences).unwrap();
    on_each(|device| {
        for name in ["tiny-1layer", "tiny-2layer"] {
            let folder = reference().join(name);
            let file = |suffix| folder.join(format!("{name}{suffix}"));
            let model = convert(&file(".model"), &file("_vocab.pkl")).unwrap().model;
            let encoder = encoder_on(model, device, EncoderPrecision::F32).unwrap();
            let options = EncodeOptions::default()
                .pooling(Pooling::Last)
                .batch_size(7);
            let found = encoder.encode(&sentences, &options).unwrap();
            let golden = folder.join("expected/base_ht_last.npy");
            let expected: Array2<f32> = ndarray_npy::read_npy(golden).unwrap();
            assert_eq!(found.dim(), expected.dim());
            let (found, expected) = (found.as_slice().unwrap(), expected.as_slice().unwrap());
            assert_near(name, found, expected, |_| false, VECTORS * looser(device));
        }
    });
}

#[test]
fn other_precisions_are_refused_off_the_cpu() {
    let folder = reference().join("tiny-1layer");
    let (model, words) = ("tiny-1layer.model", "tiny-1layer_vocab.pkl");
    let model = convert(&folder.join(model), &folder.join(words)).unwrap();
    on_each(|device| {
        for precision in [
            EncoderPrecision::F16,
            EncoderPrecision::Bf16,
            EncoderPrecision::I8,
        ] {
            let encoder = encoder_on(model.model.clone(), device, precision);
            assert_eq!(encoder.is_ok(), *device == Device::flex());
        }
    });
}

/// A short run on the sample corpus with every kind of task.
const SHORT: &str = r#"
[run]
name = "short"
seed = 3

[model]
embedding_size = 12
hidden_size = 16
target_embedding_size = 12
inference_hidden_size = 16
dropout = 0.2

[vocabulary]
source_words = 120
target_words = 120
count_nli = true

[training]
batch_size = 8
learning_rate = 2e-3
steps = 8
nli_every = 4
max_source_words = 8
max_target_words = 8

[management]
monitor_every = 2
validate_every = 8
checkpoint_every = 4

[[task]]
name = "skip-thought"
kind = "skip-thought"
train = { path = "sample:train.stories.txt", limit = 400 }

[[task]]
name = "fr-en"
kind = "translation"
train = { path = "sample:train.en-fr.tsv", limit = 400 }
validation = { path = "sample:validation.en-fr.tsv", limit = 16 }

[[task]]
name = "nli"
kind = "nli"
train = { path = "sample:train.nli.tsv", limit = 400 }
validation = { path = "sample:validation.nli.tsv", limit = 16 }
"#;

struct Home {
    folder: tempfile::TempDir,
    data: PreparedData,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.toml"), SHORT).unwrap();
        let config = config(folder.path(), "data");
        let (options, shards) = (config.data_options(0), folder.path().join("shards"));
        let data =
            prepare::prepare(&config.tasks, &options, &shards, &config.run.data, &|_| ()).unwrap();
        Self { folder, data }
    }

    fn run(&self, name: &str, device: &Device, resume: &Resume) -> Outcome {
        let outcome = self
            .try_run(name, TrainingPrecision::F32, device, resume)
            .unwrap();
        assert_eq!((outcome.ending, outcome.step), (Ending::Finished, 8));
        outcome
    }

    fn try_run(
        &self,
        name: &str,
        precision: TrainingPrecision,
        device: &Device,
        resume: &Resume,
    ) -> Result<Outcome, TrainError> {
        let mut config = config(self.folder.path(), name);
        config.training.precision = precision;
        let strategy = ExecutionStrategy::single(device.clone());
        let interrupter = Interrupter::new();
        run::train(
            &config,
            &self.data,
            &strategy,
            resume,
            &interrupter,
            &mut |_| (),
        )
    }

    fn checkpoint(&self, name: &str, step: u64) -> PathBuf {
        let folder = self.folder.path().join(name);
        folder.join(format!("checkpoints/step-{step:08}"))
    }
}

fn config(home: &Path, name: &str) -> Config {
    let folder = format!("run.folder={}", home.join(name).display());
    Config::load(Some(&home.join("run.toml")), &[folder]).unwrap()
}

/// Panics unless two runs reported the same losses from a step on, up to a relative tolerance.
fn assert_losses(found: &[Metric], expected: &[Metric], from: u64, tolerance: f64) {
    let losses = |metrics: &[Metric]| -> Vec<(u64, String, f64)> {
        let later = metrics.iter().filter(|metric| metric.step > from);
        later
            .filter_map(|m| Some((m.step, m.task.clone(), m.loss?)))
            .collect()
    };
    let (found, expected) = (losses(found), losses(expected));
    assert_eq!(found.len(), expected.len(), "number of losses");
    assert!(!found.is_empty());
    for ((step, task, found), expected) in found.iter().zip(&expected) {
        assert_eq!((step, task), (&expected.0, &expected.1));
        let expected = expected.2;
        assert!(
            (found - expected).abs() <= tolerance * expected,
            "{task} at step {step}: expected {expected}, found {found}"
        );
    }
}

#[test]
fn a_run_learns_what_it_does_on_the_cpu() {
    let home = Home::new();
    let cpu = home.run("cpu", &Device::flex(), &Resume::Never);
    let expected = parameters::read(&cpu.model);
    for (k, device) in devices().iter().enumerate() {
        let trained = TRAINED * looser(&device.device);
        eprintln!("on {}: {}", device.name, device.description);
        let run = home.run(&format!("run-{k}"), &device.device, &Resume::Never);
        assert_losses(&run.metrics, &cpu.metrics, 0, LOSSES);
        assert_parameters(&parameters::read(&run.model), &expected, trained);
        // A checkpoint resumes on any device.
        let resume = Resume::Path(home.checkpoint("cpu", 4));
        let resumed = home.run(&format!("resumed-{k}"), &device.device, &resume);
        assert_losses(&resumed.metrics, &cpu.metrics, 4, LOSSES);
        assert_parameters(&parameters::read(&resumed.model), &expected, trained);
    }
}

#[test]
fn a_run_in_mixed_precision_learns_what_it_does_in_single_precision() {
    let home = Home::new();
    let cpu = home.run("cpu", &Device::flex(), &Resume::Never);
    on_each(|device| {
        for precision in [TrainingPrecision::Bf16, TrainingPrecision::F16] {
            let name = format!("{precision}-{device:?}");
            let run = home.try_run(&name, precision, device, &Resume::Never);
            if let Err(reason) = supports(device, precision) {
                let error = run.expect_err("it was said not to work").to_string();
                eprintln!("refused: {error}");
                assert!(error.contains(&reason), "{error}");
                continue;
            }
            let run = run.unwrap();
            assert_losses(&run.metrics, &cpu.metrics, 0, MIXED_LOSSES);
            let found = parameters::read(&run.model);
            assert_ne!(found, parameters::read(&cpu.model));
            // Resuming is exact in f16 only if the loss scale is part of a checkpoint.
            let state = checkpoint::load_state(&home.checkpoint(&name, 8)).unwrap();
            let steps = state.loss_scale.map(|scale| scale.steps);
            assert_eq!(steps, (precision == TrainingPrecision::F16).then_some(8));
            // A checkpoint resumes in any precision.
            let from = Resume::Path(home.checkpoint(&name, 4));
            let resumed = home.run(&format!("{name}-single"), device, &from);
            assert_losses(&resumed.metrics, &cpu.metrics, 4, MIXED_LOSSES);
        }
    });
}

#[test]
fn an_overflow_updates_nothing_and_halves_the_loss_scale() {
    let home = Home::new();
    home.run("cpu", &Device::flex(), &Resume::Never);
    let before = home.checkpoint("cpu", 4);
    on_each(|device| {
        if supports(device, TrainingPrecision::F16).is_err() {
            return;
        }
        // The checkpoint with a loss scale that is far too large.
        let name = format!("overflow-{device:?}");
        let folder = home.folder.path().join(&name);
        let config = config(home.folder.path(), &name);
        let mut state = checkpoint::load_state(&before).unwrap();
        let adam = AdamConfig::new(config.training.learning_rate, config.training.clip_norm);
        let adam = checkpoint::load_optimizer(&before, &state, adam, device).unwrap();
        let model = run::initial_model(&config, &home.data, device).unwrap();
        let model = checkpoint::load_model(&before, model).unwrap();
        let weights = parameters::read(&model);
        let scale = 2.0_f32.powi(60);
        state.loss_scale = Some(LossScale { scale, steps: 5 });
        let checkpoints = Checkpoints::of(&folder);
        checkpoints.save(&model, None, &adam, &state, 1).unwrap();

        let resume = Resume::Path(checkpoints.path(4));
        let run = home.try_run(&name, TrainingPrecision::F16, device, &resume);
        let run = run.unwrap();
        assert_eq!((run.ending, run.step), (Ending::Finished, 8));
        assert_eq!(parameters::read(&run.model), weights);
        let after = checkpoint::load_state(&checkpoints.path(8)).unwrap();
        let expected = LossScale {
            scale: scale / 16.0,
            steps: 0,
        };
        assert_eq!(after.loss_scale, Some(expected));
        assert_eq!(after.updates, state.updates);
    });
}
