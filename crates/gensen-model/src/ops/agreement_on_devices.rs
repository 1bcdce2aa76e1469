//! On every present device, kernels agree with the compositions of primitives on the CPU.
//!
//! The numbers compared are of the order of one. GPUs compute exponentials and divisions less
//! exactly than CPUs, hence the tolerances.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{TensorData, read_sync};

use super::adam::{self, AdamKernels, AdamStep};
use super::agreement::{TestTensor, assert_near, numbers, scale};
use super::cross_entropy::{self, CrossEntropyKernels};
use super::flex::{slice, tensor};
use super::gru::{self, GruInputs, GruKernels, Recurrence};
use super::rows::RowKernels;
use crate::packed::Steps;

/// Largest difference of a state, a gate or an updated number.
const NEAR: f32 = 2e-6;
/// Largest difference of a sum over rows or positions.
const SUMS_NEAR: f32 = 2e-5;

const STEP: AdamStep = AdamStep {
    step_size: 1e-2,
    beta1: 0.9,
    beta2: 0.999,
    variance_correction: 1.5,
    epsilon: 1e-8,
};

/// The tolerance on `device`, from that of f32 products. CUDA's libraries and CubeCL's tuning may
/// use tensor cores for f32 products, which read only 11 bits.
fn with_products<B: Kernels>(device: &B::Device, tolerance: f32) -> f32 {
    if format!("{device:?}").contains("Cuda") {
        tolerance.max(2e-3)
    } else {
        tolerance
    }
}

/// All operations with kernels.
trait Kernels: GruKernels + CrossEntropyKernels + AdamKernels {}
impl<B: GruKernels + CrossEntropyKernels + AdamKernels> Kernels for B {}

fn on<B: Kernels>(device: &B::Device, x: &TestTensor) -> FloatTensor<B> {
    let shape = x.shape();
    let data = TensorData::new(slice(x.clone()).to_vec(), shape);
    B::float_from_data(data, device)
}

fn back<B: Kernels>(x: FloatTensor<B>) -> TestTensor {
    let data = read_sync(B::float_into_data(x)).expect("a tensor can be read");
    let data: Vec<f32> = data.iter::<f32>().collect();
    let size = data.len();
    tensor(data, [size])
}

/// Scans both directions at once on `device` and compares each with the composition on the CPU.
fn gru_agrees<B: Kernels>(device: &B::Device, steps: &Steps, sentences: usize, hidden: usize) {
    // As large as a layer's: with larger ones a recurrence amplifies rounding.
    let scale = (hidden as f32).sqrt().recip();
    let weight = Flex::float_mul_scalar(numbers([3 * hidden, hidden], 2), scale.into());
    let inputs = [false, true].map(|reverse| GruInputs::<Flex> {
        projected: numbers([steps.rows(), 3 * hidden], 1),
        recurrence: Recurrence {
            weight: weight.clone(),
            initial: numbers([sentences, hidden], 3),
            reverse,
        },
        bias: numbers([3 * hidden], 4),
    });
    let gradient = numbers([steps.rows(), hidden], 5);
    let on_device = inputs.clone().map(|inputs| GruInputs::<B> {
        projected: on::<B>(device, &inputs.projected),
        recurrence: Recurrence {
            weight: on::<B>(device, &inputs.recurrence.weight),
            initial: on::<B>(device, &inputs.recurrence.initial),
            reverse: inputs.recurrence.reverse,
        },
        bias: on::<B>(device, &inputs.bias),
    });
    let unsaved = B::gru_forward(on_device.to_vec(), steps, false);
    let traces = B::gru_forward(on_device.to_vec(), steps, true);
    let walked = on_device.into_iter().zip(&traces);
    let walked = walked.map(|(inputs, trace)| {
        let gradient = on::<B>(device, &gradient);
        (gradient, trace.clone(), inputs.recurrence)
    });
    let gradients = B::gru_backward(walked.collect(), steps);

    let (states_near, sums_near) = (
        with_products::<B>(device, NEAR),
        with_products::<B>(device, SUMS_NEAR),
    );
    let found = unsaved.into_iter().zip(traces).zip(gradients);
    for (inputs, ((unsaved, trace), found)) in inputs.into_iter().zip(found) {
        let recurrence = inputs.recurrence.clone();
        let expected = gru::generic::forward::<Flex>(inputs, steps, true);
        let near =
            |what, found, expected| assert_near(what, back::<B>(found), expected, states_near);
        near("states", unsaved.states, expected.states.clone());
        near("states", trace.states, expected.states.clone());
        let gates = trace.gates.zip(expected.gates.clone());
        let (gates, expected_gates) = gates.expect("gates were asked for");
        near("gates", gates, expected_gates);

        let expected =
            gru::generic::backward::<Flex>(gradient.clone(), expected, recurrence, steps);
        let near = |what, found, expected| assert_near(what, back::<B>(found), expected, sums_near);
        near("projected", found.projected, expected.projected);
        near("weight", found.weight, expected.weight);
        near("bias", found.bias, expected.bias);
        near("initial", found.initial, expected.initial);
    }
}

fn gru_scans_agree<B: Kernels>(device: &B::Device) {
    // Sentences that end and begin at many steps, one of them empty.
    let lengths = [7, 5, 5, 2, 1, 0];
    let steps = Steps::from_sorted_lengths(&lengths);
    // Rows that a product can read in place, and rows that have to be copied for it.
    for hidden in [128, 12] {
        gru_agrees::<B>(device, &steps, lengths.len(), hidden);
    }
}

fn cross_entropy_agrees<B: Kernels>(
    device: &B::Device,
    positions: usize,
    words: usize,
    hidden: usize,
) {
    let targets: Vec<u32> = (0..positions).map(|k| (k * 5 % words) as u32).collect();
    let states = numbers([positions, hidden], 1);
    let (weight, bias) = (numbers([words, hidden], 2), numbers([words], 3));
    let [s, w, b] = [&states, &weight, &bias].map(|x| on::<B>(device, x));
    let (near, sums_near) = (
        with_products::<B>(device, NEAR),
        with_products::<B>(device, SUMS_NEAR),
    );
    let mean = Some(1.0 / positions as f32);
    let loss = B::cross_entropy(s.clone(), w.clone(), b.clone(), &targets, None).loss;
    let expected = cross_entropy::generic::<Flex>(states, weight, bias, &targets, mean);
    assert_near("loss", back::<B>(loss), expected.loss.clone(), sums_near);
    let gradients = expected.gradients.expect("gradients were asked for");
    let gradients = gradients.computed(&Default::default());
    for factor in [1.0_f32, 2.0] {
        let found = B::cross_entropy(s.clone(), w.clone(), b.clone(), &targets, mean);
        assert_near(
            "loss",
            back::<B>(found.loss),
            expected.loss.clone(),
            sums_near,
        );
        let found = found.gradients.expect("gradients were asked for");
        let found = found.times(on::<B>(device, &tensor(vec![factor], [1])));
        let both = found.into_iter().zip(gradients.clone());
        for ((found, expected), what) in both.zip(["states", "weight", "bias"]) {
            let expected = Flex::float_mul_scalar(expected, factor.into());
            assert_near(what, back::<B>(found), expected, near);
        }
    }
}

fn sums_of_rows_agree<B: Kernels>(device: &B::Device) {
    // Rows with no, one and several uses, and more values than a cube has units.
    let (places, rows) = ([6, 0, 3, 3, 6, 1, 3], 8);
    for width in [5, 300] {
        let values = numbers([places.len(), width], 1);
        let found = B::sum_rows(on::<B>(device, &values), &places, rows);
        assert_eq!(found.shape().dims(), [rows, width]);
        let expected = Flex::sum_rows(values.clone(), &places, rows);
        let mut sums = vec![0.0; rows * width];
        for (value, place) in slice(values).chunks(width).zip(places) {
            let sums = &mut sums[place as usize * width..][..width];
            sums.iter_mut().zip(value).for_each(|(sum, x)| *sum += x);
        }
        assert_near("sums", back::<B>(found), expected.clone(), NEAR);
        assert_near("sums", expected, tensor(sums, [rows, width]), NEAR);
    }
}

fn maxima_of_rows_agree<B: Kernels>(device: &B::Device) {
    let (group_of, groups) = ([1, 0, 3, 3, 2, 1, 3, 3, 3], 4);
    for width in [5, 300] {
        let values = numbers([group_of.len(), width], 1);
        let found = B::max_rows(on::<B>(device, &values), &group_of, groups);
        assert_eq!(found.shape().dims(), [groups, width]);
        let expected = Flex::max_rows(values, &group_of, groups);
        assert_near("maxima", back::<B>(found), expected, 0.0);
    }
}

fn cross_entropies_agree<B: Kernels>(device: &B::Device) {
    // Fewer and more words than a cube has units.
    cross_entropy_agrees::<B>(device, 21, 37, 8);
    cross_entropy_agrees::<B>(device, 21, 1000, 16);
}

/// A parameter and its moments on the CPU.
fn adam_state(size: usize) -> [TestTensor; 3] {
    let squares = slice(numbers([size], 3)).iter().map(|x| x * x).collect();
    let variance = tensor(squares, [size]);
    [numbers([size], 1), numbers([size], 2), variance]
}

fn adam_steps_agree<B: Kernels>(device: &B::Device) {
    let size = 1000;
    let [p, m, v] = adam_state(size);
    let gradient = numbers([size], 4);
    let [parameter, mean, variance] = [&p, &m, &v].map(|x| on::<B>(device, x));
    let kept = parameter.clone();
    let factor = on::<B>(device, &scale());
    let found = B::adam(
        parameter,
        mean,
        variance,
        on::<B>(device, &gradient),
        factor,
        STEP,
    );
    let expected = adam::generic::<Flex>(p.clone(), m, v, gradient, scale(), STEP);
    let near = |what, found, expected| assert_near(what, back::<B>(found), expected, NEAR);
    near("parameter", found.parameter, expected.parameter);
    near("mean", found.mean, expected.mean);
    near("variance", found.variance, expected.variance);
    // The parameter had another owner, so it was copied.
    assert_near("the parameter before", back::<B>(kept), p, 0.0);
}

fn adam_by_rows_has_the_bits_of_adam<B: Kernels>(device: &B::Device) {
    let (words, width, rows) = (300, 12, [0_u32, 3, 255, 256, 299]);
    let size = words * width;
    let values = numbers([rows.len(), width], 4);
    let mut dense = vec![0.0; size];
    for (row, values) in rows.iter().zip(slice(values.clone()).chunks(width)) {
        dense[*row as usize * width..][..width].copy_from_slice(values);
    }
    let state = || adam_state(size).map(|x| on::<B>(device, &x));
    let [p, m, v] = state();
    let factor = || on::<B>(device, &scale());
    let dense = on::<B>(device, &tensor(dense, [size]));
    let expected = B::adam(p, m, v, dense, factor(), STEP);
    let found = B::adam_rows(state(), on::<B>(device, &values), &rows, factor(), STEP);
    let same = |what, x, y| assert_near(what, back::<B>(x), back::<B>(y), 0.0);
    same("parameter", found.parameter, expected.parameter);
    same("mean", found.mean, expected.mean);
    same("variance", found.variance, expected.variance);
}

fn squared_norms_agree<B: Kernels>(device: &B::Device) {
    // Fewer values than a cube has units, and more than all cubes have.
    for size in [5, 300_001] {
        let x = numbers([size], 1);
        let found = slice(back::<B>(B::squared_norm(on::<B>(device, &x))))[0];
        let expected = slice(Flex::squared_norm(x))[0];
        let error = (found - expected).abs() / expected;
        assert!(error < 1e-5, "{size} numbers: {found}, expected {expected}");
    }
}

fn clip_factors_agree<B: Kernels>(device: &B::Device) {
    // A norm of 10, clipped and not.
    let squares = tensor(vec![36.0, 0.0, 64.0], [3]);
    for (clip_norm, expected) in [(2.5, 0.25), (20.0, 1.0)] {
        for found in [
            back::<B>(B::clip_factor(on::<B>(device, &squares), clip_norm)),
            Flex::clip_factor(squares.clone(), clip_norm),
        ] {
            assert_near("factor", found, tensor(vec![expected], [1]), 1e-6);
        }
    }
}

/// A test per function, on each of `devices`.
macro_rules! tests {
    ($backend:ty, $devices:expr) => {
        tests!(
            $backend,
            $devices,
            [
                gru_scans_agree,
                cross_entropies_agree,
                adam_steps_agree,
                adam_by_rows_has_the_bits_of_adam,
                sums_of_rows_agree,
                maxima_of_rows_agree,
                squared_norms_agree,
                clip_factors_agree
            ]
        );
    };
    ($backend:ty, $devices:expr, [$($name:ident),*]) => {
        $(
            #[test]
            fn $name() {
                for device in $devices {
                    eprintln!("on {device:?}");
                    super::$name::<$backend>(&device);
                }
            }
        )*
    };
}

#[cfg(any(feature = "cuda", feature = "metal", feature = "vulkan"))]
mod cube {
    use burn::backend::Cube;
    use burn_cubecl::cubecl::server::Handle;

    use super::*;
    use crate::ops::cube::devices_to_test as devices;

    tests!(Cube, devices());

    #[test]
    fn chunks_of_positions_add_up() {
        for device in devices() {
            // A vocabulary of four words has chunks of 8,192 positions.
            cross_entropy_agrees::<Cube>(&device, 8192 + 70, 4, 4);
        }
    }

    #[test]
    fn adam_writes_in_place_what_nobody_else_holds() {
        for device in devices() {
            let [p, m, v] = adam_state(100).map(|x| on::<Cube>(&device, &x));
            let gradient = on::<Cube>(&device, &numbers([100], 4));
            // Memory is allocated when the device executes the operations, which reading back waits for.
            back::<Cube>(gradient.clone());
            let place = |handle: &Handle| format!("{:?}", handle.clone().binding().memory);
            let before = [&p, &m, &v].map(|x| place(&x.handle));
            let after = Cube::adam(p, m, v, gradient, on::<Cube>(&device, &scale()), STEP);
            let after = [after.parameter, after.mean, after.variance];
            assert_eq!(after.map(|x| place(&x.handle)), before);
        }
    }
}

#[cfg(feature = "tch")]
mod tch;
