//! Steps in bf16 and f16 beside the same steps in f32, on every device that supports them.
//!
//! Without bf16 kernels, training on the CPU in them is refused, but steps composed of Flex's
//! primitives are compared all the same.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod trace;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{DType, Distribution, FloatDType, Tensor};
use gensen_model::device::{Device, Listing};
use gensen_model::ops::projection_cross_entropy;
use gensen_model::parameters::{self, ParameterVisitor};
use gensen_train::config::TrainingPrecision;
use gensen_train::optimizer::StepGradients;
use gensen_train::precision::{Autocast, LossScale, supports};
use trace::Run;

/// A precision and its tolerances.
struct Rounding {
    precision: TrainingPrecision,
    /// The relative error of losses and norms.
    losses: f64,
    /// The error of gradients: the Euclidean norm of the difference over that of the gradient.
    gradients: f64,
    /// The error of gradients of inference, whose features and hidden layer have kinks: rounding
    /// moves numbers across zero.
    kinks: f64,
    /// The error of weights after four steps, relative to their change: Adam amplifies the noise of
    /// small gradients.
    steps: f64,
}

/// 8 and 11 significant bits.
const ROUNDINGS: [Rounding; 2] = [
    Rounding {
        precision: TrainingPrecision::Bf16,
        losses: 5e-3,
        gradients: 2e-2,
        kinks: 0.2,
        steps: 0.15,
    },
    Rounding {
        precision: TrainingPrecision::F16,
        losses: 1e-3,
        gradients: 4e-3,
        kinks: 0.1,
        steps: 0.06,
    },
];

/// Runs a test on every device that supports a precision, and prints their names.
fn on_each(test: impl Fn(&Device, &Rounding)) {
    let cpu = Device::flex();
    for device in Listing::new().devices {
        for rounding in &ROUNDINGS {
            let (name, precision) = (&device.name, rounding.precision);
            match supports(&device.device, precision) {
                Err(reason) if device.device != cpu => {
                    eprintln!("SKIPPED: {precision} on {name}: {reason}");
                }
                _ => {
                    eprintln!("{precision} on {name}: {}", device.description);
                    test(&device.device, rounding);
                }
            }
        }
    }
}

fn autocast(precision: TrainingPrecision) -> Autocast {
    Autocast::new(precision, LossScale::first(precision))
}

/// Gradients by name, without the loss scale.
fn numbers(run: &Run, gradients: &StepGradients) -> BTreeMap<String, Vec<f64>> {
    let sizes = parameters::read(&run.model).into_iter();
    let sizes: BTreeMap<String, usize> = sizes.map(|t| (t.name, t.data.len())).collect();
    let scale = f64::from(gradients.loss_scale);
    let named = gradients.by_name.iter().map(|(name, gradient)| {
        let dense = gradient.dense(sizes[name]);
        assert_eq!(dense.dtype(), DType::F32, "gradient of {name}");
        let values = dense.into_data();
        let values = values.iter::<f64>().map(|x| x / scale).collect();
        (name.clone(), values)
    });
    named.collect()
}

fn norm(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[track_caller]
fn assert_within(what: &str, off: f64, tolerance: f64) {
    assert!(
        off <= tolerance,
        "{what} is off by {off}, more than {tolerance}"
    );
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    norm(a.iter().zip(b).map(|(a, b)| a - b))
}

#[test]
fn losses_and_gradients_are_those_of_single_precision_but_for_rounding() {
    let expected = Run::new(&Device::flex());
    on_each(|device, rounding| {
        let run = Run::new(device);
        for step in 0..run.recorded() {
            let (losses, gradients) = run.gradients(step, autocast(rounding.precision));
            let (expected_losses, expected_gradients) =
                expected.gradients(step, Autocast::default());
            for (found, expected) in losses.iter().zip(&expected_losses) {
                let off = (found - expected).abs() / expected;
                assert_within(&format!("loss {step}"), off, rounding.losses);
            }
            let expected_norm = expected_gradients.norm();
            let off = (gradients.norm() - expected_norm).abs() / expected_norm;
            assert_within(&format!("norm {step}"), off, rounding.losses);
            let found = numbers(&run, &gradients);
            let expected = numbers(&expected, &expected_gradients);
            assert!(found.keys().eq(expected.keys()));
            let inference = found.keys().any(|name| name.starts_with("nli"));
            let tolerance = if inference {
                rounding.kinks
            } else {
                rounding.gradients
            };
            let mut largest = 0.0_f64;
            for (name, expected) in &expected {
                let off = distance(&found[name], expected) / norm(expected.iter().copied());
                let what = format!("gradient {step} of {name}");
                assert_within(&what, off, tolerance);
                largest = largest.max(off);
            }
            // Single precision would be closer.
            assert!(largest > 2e-4, "gradients {step} are off by {largest} only");
        }
    });
}

/// All weights of a model, which must be in f32, one after the other.
fn weights(run: &Run) -> Vec<f64> {
    struct Single;
    impl ParameterVisitor for Single {
        fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            assert_eq!(tensor.dtype(), DType::F32, "{name}");
        }
    }
    parameters::visit(&run.model, &mut Single);
    let all = parameters::read(&run.model).into_iter();
    all.flat_map(|tensor| tensor.data).map(f64::from).collect()
}

#[test]
fn steps_go_where_those_of_single_precision_go() {
    let four_steps = |device: &Device, autocast: Autocast| {
        let mut run = Run::new(device);
        for _ in 0..4 {
            run = run.step_in(autocast);
        }
        weights(&run)
    };
    let start = weights(&Run::new(&Device::flex()));
    let expected = four_steps(&Device::flex(), Autocast::default());
    on_each(|device, rounding| {
        let found = four_steps(device, autocast(rounding.precision));
        let (off, way) = (distance(&found, &expected), distance(&expected, &start));
        assert_within("the way", off / way, rounding.steps);
    });
}

#[test]
fn gradients_that_overflow_are_not_accepted() {
    let too_large = LossScale {
        scale: 2.0_f32.powi(40),
        steps: 7,
    };
    on_each(|device, rounding| {
        if rounding.precision != TrainingPrecision::F16 {
            return;
        }
        let mut scale = too_large;
        let autocast = Autocast::new(TrainingPrecision::F16, Some(scale));
        let (_, gradients) = Run::new(device).gradients(0, autocast);
        assert!(!scale.accepts(&gradients.squared_norms().unwrap()));
        assert_eq!((scale.scale, scale.steps), (2.0_f32.powi(39), 0));
    });
}

/// One over the words of a large batch is near the smallest f16: numbers multiplied by it too early
/// lose digits.
#[test]
fn gradients_of_means_over_many_words_keep_their_digits() {
    let (positions, words, hidden) = (10_000, 2_000, 16);
    let targets: Arc<[u32]> = (0..positions).map(|k| k * 7 % 300).collect();
    on_each(|device, rounding| {
        let device = device.clone().autodiff();
        let random = |rows| {
            device.seed(1);
            let distribution = Distribution::Uniform(-1.0, 1.0);
            Tensor::<2>::random([rows as usize, hidden], distribution, &device)
        };
        let (states, weight) = (random(positions), random(words));
        let bias = Tensor::<1>::zeros([words as usize], &device);
        let gradients = |float_type: FloatDType| {
            let leaves = [&states, &weight].map(|x| x.clone().detach().require_grad());
            let [states, weight] = leaves.clone();
            let states = states.cast(float_type);
            let loss = projection_cross_entropy(states, weight, bias.clone(), targets.clone());
            let gradients = (loss * 65536.0).backward();
            leaves.map(|leaf| {
                let gradient = leaf.grad(&gradients).unwrap().into_data();
                gradient.iter::<f64>().collect::<Vec<f64>>()
            })
        };
        let expected = gradients(FloatDType::F32);
        let found = gradients(rounding.precision.float_type());
        for ((found, expected), what) in found.iter().zip(&expected).zip(["states", "weight"]) {
            let off = distance(found, expected) / norm(expected.iter().copied());
            assert_within(&format!("gradient of {what}"), off, rounding.gradients);
        }
    });
}
