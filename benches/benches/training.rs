//! The operations of a training step on the CPU, each over a range of batch sizes, sentence lengths
//! and vocabularies: `cargo bench -p gensen-bench --bench training`.
#![allow(clippy::disallowed_methods, missing_docs, reason = "benchmarks")]

use std::sync::Arc;

use burn::tensor::{Device, Distribution, Tensor};
use divan::{Bencher, black_box};
use gensen_model::ops::{
    AdamStep, GruDirection, adam_rows_step, adam_step, bigru_scan, gru_scan,
    projection_cross_entropy, sum_of_squares,
};
use gensen_model::packed::Steps;

/// Number of sentences and the longest length; lengths fall to a fourth of it.
const BATCHES: [(usize, usize); 5] = [(12, 28), (24, 28), (48, 28), (48, 14), (48, 56)];
const HIDDEN: usize = 512;

fn main() {
    divan::main();
}

fn steps((sentences, longest): (usize, usize)) -> Steps {
    let length = |i| longest - i * (longest * 3 / 4) / sentences;
    let lengths: Vec<u32> = (0..sentences).map(|i| length(i) as u32).collect();
    Steps::from_sorted_lengths(&lengths)
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-0.1, 0.1), device)
}

fn direction(steps: &Steps, device: &Device) -> GruDirection {
    GruDirection {
        projected: random([steps.rows(), 3 * HIDDEN], device),
        weight: random([3 * HIDDEN, HIDDEN], device),
        bias: random([3 * HIDDEN], device),
    }
}

#[divan::bench(args = BATCHES)]
fn gru_scan_forward(bencher: Bencher<'_, '_>, batch: (usize, usize)) {
    let (steps, device) = (steps(batch), Device::flex());
    let direction = direction(&steps, &device);
    let initial = random([batch.0, HIDDEN], &device);
    bencher.bench_local(|| gru_scan(black_box(direction.clone()), initial.clone(), &steps));
}

#[divan::bench(args = BATCHES)]
fn bigru_scan_forward_and_backward(bencher: Bencher<'_, '_>, batch: (usize, usize)) {
    let (steps, device) = (steps(batch), Device::flex().autodiff());
    let [forward, reverse] = [0, 1].map(|_| {
        let GruDirection {
            projected,
            weight,
            bias,
        } = direction(&steps, &device);
        GruDirection {
            projected: projected.require_grad(),
            weight: weight.require_grad(),
            bias: bias.require_grad(),
        }
    });
    bencher.bench_local(|| {
        let states = bigru_scan(black_box(forward.clone()), reverse.clone(), &steps);
        states.sum().backward()
    });
}

/// Arguments: numbers of positions and words.
#[divan::bench(args = [(100, 8_000), (200, 8_000), (400, 8_000), (400, 2_000), (400, 32_000)])]
fn projection_and_loss(bencher: Bencher<'_, '_>, (positions, words): (usize, usize)) {
    let device = Device::flex().autodiff();
    let states = random([positions, HIDDEN], &device).require_grad();
    let weight = random([words, HIDDEN], &device).require_grad();
    let bias = random([words], &device).require_grad();
    let targets: Arc<[u32]> = (0..positions).map(|k| (k * 7 % words) as u32).collect();
    bencher.bench_local(|| {
        let (states, weight, bias) = (states.clone(), weight.clone(), bias.clone());
        projection_cross_entropy(black_box(states), weight, bias, targets.clone()).backward()
    });
}

const STEP: AdamStep = AdamStep {
    step_size: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    variance_correction: 1.0,
    epsilon: 1e-8,
};

fn state(size: usize) -> Option<[Tensor<1>; 3]> {
    let device = Device::flex();
    Some([
        random([size], &device),
        Tensor::zeros([size], &device),
        Tensor::ones([size], &device),
    ])
}

/// The number of words of an embedding of width 512.
#[divan::bench(args = [5_000, 20_000, 80_000])]
fn adam_of_a_dense_gradient(bencher: Bencher<'_, '_>, words: usize) {
    let mut held = state(words * 512);
    let gradient = random([words * 512], &Device::flex());
    let scale = Tensor::ones([1], &Device::flex());
    bencher.bench_local(|| {
        if let Some([parameter, mean, variance]) = held.take() {
            let (gradient, scale) = (gradient.clone(), scale.clone());
            held = Some(adam_step(parameter, mean, variance, gradient, scale, STEP));
        }
    });
}

/// The same for a step that looked up 800 rows.
#[divan::bench(args = [5_000, 20_000, 80_000])]
fn adam_of_a_gradient_by_rows(bencher: Bencher<'_, '_>, words: usize) {
    let mut held = state(words * 512);
    let rows: Arc<[u32]> = (0..800).map(|k| (k * words / 800) as u32).collect();
    let values = random([rows.len(), 512], &Device::flex());
    let scale = Tensor::ones([1], &Device::flex());
    bencher.bench_local(|| {
        if let Some(state) = held.take() {
            let (values, rows, scale) = (values.clone(), rows.clone(), scale.clone());
            held = Some(adam_rows_step(state, values, rows, scale, STEP));
        }
    });
}

#[divan::bench(args = [1 << 20, 1 << 24, 1 << 26])]
fn square_norm(bencher: Bencher<'_, '_>, size: usize) {
    let gradient = random([size], &Device::flex());
    bencher.bench_local(|| sum_of_squares(black_box(gradient.clone())));
}
