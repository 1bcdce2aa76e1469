//! Counts the launches of each operation, beside the composition of primitives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::TensorData;
use burn_cubecl::CubeDevice;
use burn_cubecl::cubecl::logging::{LaunchObservation, LaunchObserver};
use burn_cubecl::tensor::CubeTensor;

use crate::ops::adam::{self, AdamKernels, AdamStep};
use crate::ops::cross_entropy::{self, CrossEntropyKernels};
use crate::ops::gru::{self, GruInputs, GruKernels, Recurrence};
use crate::packed::Steps;

/// Counts the launches of one thread.
struct LaunchCount {
    thread: ThreadId,
    launches: AtomicUsize,
}

impl LaunchObserver for LaunchCount {
    fn launched(&self, _kernel: &'static str) {
        if thread::current().id() == self.thread {
            self.launches.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The launches of `work`, once the products in it are tuned.
fn launches<T>(mut work: impl FnMut() -> T) -> usize {
    work();
    work();
    let count = Arc::new(LaunchCount {
        thread: thread::current().id(),
        launches: AtomicUsize::new(0),
    });
    let observation = LaunchObservation::new(count.clone());
    work();
    drop(observation);
    count.launches.load(Ordering::Relaxed)
}

fn ones<const D: usize>(device: &CubeDevice, shape: [usize; D]) -> CubeTensor {
    Cube::float_from_data(TensorData::ones::<f32, _>(shape), device)
}

/// In one test, because only one observer can be registered.
#[test]
fn kernels_take_fewer_launches() {
    for device in super::devices_to_test() {
        gru_launches(&device);
        cross_entropy_launches(&device);
        adam_launches(&device);
    }
}

fn gru_launches(device: &CubeDevice) {
    // Rows that products read in place, and sentences of equal length, so that all steps are alike.
    let (sentences, hidden, time) = (4, 128, 10);
    let steps = Steps::from_sorted_lengths(&[time as u32; 4]);
    let inputs = GruInputs::<Cube> {
        projected: ones(device, [steps.rows(), 3 * hidden]),
        recurrence: Recurrence {
            weight: ones(device, [3 * hidden, hidden]),
            initial: ones(device, [sentences, hidden]),
            reverse: false,
        },
        bias: ones(device, [3 * hidden]),
    };
    let composed = |save| {
        let inputs = inputs.clone();
        launches(|| gru::generic::forward::<Cube>(inputs.clone(), &steps, save))
    };
    let kernels = |save| {
        let inputs = inputs.clone();
        launches(|| Cube::gru_forward(vec![inputs.clone()], &steps, save))
    };
    let forward = [
        composed(false),
        kernels(false),
        composed(true),
        kernels(true),
    ];
    let trace = Cube::gru_forward(vec![inputs.clone()], &steps, true).remove(0);
    let gradient = ones(device, [steps.rows(), hidden]);
    let walk = || (gradient.clone(), trace.clone(), inputs.recurrence.clone());
    let composed = launches(|| {
        let (gradient, trace, recurrence) = walk();
        gru::generic::backward::<Cube>(gradient, trace, recurrence, &steps)
    });
    let kernels = launches(|| Cube::gru_backward(vec![walk()], &steps));
    eprintln!("{time} steps: forward (composed, ours, saving: composed, ours) {forward:?}");
    eprintln!("{time} steps: backward {composed} composed, {kernels} ours");
    // A step is one launch of our kernel and one of a product, or two if autotuning prefers that.
    for found in [forward[1], forward[3], kernels] {
        assert!(found <= 3 * time + 6, "{found} launches");
    }
}

fn cross_entropy_launches(device: &CubeDevice) {
    let (words, hidden) = (256, 128);
    let targets = vec![7; 64];
    let states = ones(device, [targets.len(), hidden]);
    let (weight, bias) = (ones(device, [words, hidden]), ones(device, [words]));
    let inputs = || (states.clone(), weight.clone(), bias.clone());
    let composed = launches(|| {
        let (s, w, b) = inputs();
        cross_entropy::generic::<Cube>(s, w, b, &targets, Some(1.0))
    });
    let kernels = launches(|| {
        let (s, w, b) = inputs();
        Cube::cross_entropy(s, w, b, &targets, Some(1.0))
    });
    eprintln!("cross-entropy: {composed} composed, {kernels} ours");
    assert!(kernels <= 10, "{kernels} launches");
}

fn adam_launches(device: &CubeDevice) {
    let step = AdamStep {
        step_size: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        variance_correction: 1.5,
        epsilon: 1e-8,
    };
    // Rows that are contiguous wherever rows are padded to whole segments of memory.
    let (x, scale) = (|| ones(device, [1024]), || ones(device, [1]));
    let composed = launches(|| adam::generic::<Cube>(x(), x(), x(), x(), scale(), step));
    let kernels = launches(|| Cube::adam(x(), x(), x(), x(), scale(), step));
    let rows = launches(|| {
        let state = [x(), x(), x()];
        Cube::adam_rows(state, ones(device, [2, 128]), &[3, 5], scale(), step)
    });
    eprintln!("adam: {composed} composed, {kernels} ours, {rows} by rows");
    assert_eq!((kernels, rows), (1, 1));
}
