//! The CPU kernels and the compositions of primitives compute the same.

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, FloatDType};

use super::adam::{self, AdamKernels, AdamStep};
use super::cross_entropy::{self, CrossEntropyKernels};
use super::flex::{self, slice, tensor};
use super::gru::{self, GruInputs, GruKernels, Recurrence};
use super::linear::{self, LinearKernels};
use super::products::Bf16Product;
use super::rows::{self, RowKernels};
use crate::packed::Steps;

pub(super) type TestTensor = FloatTensor<Flex>;

/// Numbers between -1 and 1 that repeat from run to run.
pub(super) fn numbers<const D: usize>(shape: [usize; D], seed: u32) -> TestTensor {
    let mut state = seed.wrapping_mul(2_654_435_769).max(1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    let data = std::iter::repeat_with(next).take(shape.iter().product());
    tensor(data.collect(), shape)
}

#[track_caller]
pub(super) fn assert_near(what: &str, found: TestTensor, expected: TestTensor, tolerance: f32) {
    let (found, expected) = (slice(found), slice(expected));
    assert_eq!(found.len(), expected.len(), "{what}: size");
    for (k, (a, b)) in found.iter().zip(expected.iter()).enumerate() {
        assert!(
            (a - b).abs() <= tolerance,
            "{what}[{k}]: {a} by kernel, {b} composed"
        );
    }
}

#[test]
fn gru_scans_agree_forward_and_backward() {
    let steps = Steps::from_sorted_lengths(&[7, 5, 5, 2, 1]);
    let (sentences, hidden) = (5, 12);
    for reverse in [false, true] {
        let inputs = GruInputs::<Flex> {
            projected: numbers([steps.rows(), 3 * hidden], 1),
            recurrence: Recurrence {
                weight: numbers([3 * hidden, hidden], 2),
                initial: numbers([sentences, hidden], 3),
                reverse,
            },
            bias: numbers([3 * hidden], 4),
        };
        let recurrence = inputs.recurrence.clone();
        let composed = gru::generic::forward::<Flex>(inputs.clone(), &steps, true);
        let mut traces = Flex::gru_forward(vec![inputs], &steps, true);
        let trace = traces.remove(0);
        assert_near(
            "states",
            trace.states.clone(),
            composed.states.clone(),
            1e-6,
        );
        let gates = trace.gates.clone().zip(composed.gates.clone());
        let (found, expected) = gates.expect("gates were asked for");
        assert_near("gates", found, expected, 1e-6);

        let gradient = numbers([steps.rows(), hidden], 5);
        let expected =
            gru::generic::backward::<Flex>(gradient.clone(), composed, recurrence.clone(), &steps);
        let mut found = Flex::gru_backward(vec![(gradient, trace, recurrence)], &steps);
        let found = found.remove(0);
        assert_near("projected", found.projected, expected.projected, 1e-5);
        assert_near("weight", found.weight, expected.weight, 1e-5);
        assert_near("bias", found.bias, expected.bias, 1e-5);
        assert_near("initial", found.initial, expected.initial, 1e-5);
    }
}

#[test]
fn linear_maps_agree() {
    let (rows, inputs, outputs) = (7, 5, 11);
    let (x, weight) = (numbers([rows, inputs], 1), numbers([outputs, inputs], 2));
    let (bias, gradient) = (numbers([outputs], 3), numbers([rows, outputs], 4));
    let found = Flex::linear_forward(x.clone(), weight.clone(), bias.clone());
    let expected = linear::generic::forward::<Flex>(x.clone(), weight.clone(), bias);
    assert_near("y", found, expected, 1e-6);
    let found = Flex::linear_input_gradient(gradient.clone(), weight.clone());
    let expected = linear::generic::input_gradient::<Flex>(gradient.clone(), weight);
    assert_near("x", found, expected, 1e-6);
    let [weight, bias] = Flex::linear_weight_gradients(gradient.clone(), x.clone(), DType::F32);
    let expected = linear::generic::weight_gradients::<Flex>(gradient, x);
    assert_near("weight", weight, expected[0].clone(), 1e-6);
    assert_near("bias", bias, expected[1].clone(), 1e-6);
}

#[test]
fn cross_entropies_agree() {
    let (words, hidden) = (37, 8);
    let targets: Vec<u32> = (0..21).map(|k| k * 5 % words as u32).collect();
    let states = numbers([targets.len(), hidden], 1);
    let (weight, bias) = (numbers([words, hidden], 2), numbers([words], 3));
    let [s, w, b] = [&states, &weight, &bias].map(Clone::clone);
    let found = Flex::cross_entropy(s, w, b, &targets, Some(0.3));
    let expected = cross_entropy::generic::<Flex>(states, weight, bias, &targets, Some(0.3));
    assert_near("loss", found.loss, expected.loss, 1e-6);
    let gradients = found.gradients.zip(expected.gradients);
    let (found, expected) = gradients.expect("gradients were asked for");
    let [found, expected] =
        [found, expected].map(|gradients| gradients.computed(&Default::default()));
    for ((found, expected), what) in found
        .into_iter()
        .zip(expected)
        .zip(["states", "weight", "bias"])
    {
        assert_near(what, found, expected, 1e-6);
    }
}

/// Activations in bf16, and the same in f32.
fn both<const D: usize>(shape: [usize; D], seed: u32) -> [TestTensor; 2] {
    let halves = Flex::float_cast(numbers(shape, seed), FloatDType::BF16);
    [halves.clone(), Flex::float_cast(halves, FloatDType::F32)]
}

/// The Euclidean distance of numbers in f32 or bf16 from the expected ones, over the norm of these.
fn distance(found: TestTensor, expected: TestTensor) -> f32 {
    let (found, expected) = (flex::Numbers::new(found), slice(expected));
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
    let apart = norm(&mut found.iter().zip(&*expected).map(|(a, b)| a - b));
    apart / norm(&mut expected.iter().copied())
}

/// Compares results of bf16 activations and f32 weights: the tolerance is that of factors rounded
/// to 8 bits.
#[track_caller]
fn assert_rounded(what: &str, found: TestTensor, expected: TestTensor, dtype: DType) {
    assert_eq!(found.dtype(), dtype, "{what}");
    let off = distance(found, expected);
    assert!(off < 6e-3, "{what} is off by {off}");
    assert!(
        off > 1e-5,
        "{what} is off by only {off}: it was not rounded"
    );
}

/// The kernels that round weights, on processors that multiply bf16.
#[test]
fn kernels_of_bf16_agree_with_those_of_f32_but_for_rounding() {
    if Bf16Product::best().is_none() {
        eprintln!("NOT COMPARED: the processor does not multiply bf16");
        return;
    }
    let (half, single) = (DType::BF16, DType::F32);
    let (rows, inputs, outputs) = (70, 75, 131);
    let (x, gradient) = (both([rows, inputs], 1), both([rows, outputs], 2));
    let (weight, bias) = (numbers([outputs, inputs], 3), numbers([outputs], 4));
    let [y, expected] = x
        .clone()
        .map(|x| Flex::linear_forward(x, weight.clone(), bias.clone()));
    assert_rounded("y", y, expected, half);
    let [d_x, expected] = gradient
        .clone()
        .map(|gradient| Flex::linear_input_gradient(gradient, weight.clone()));
    assert_rounded("x", d_x, expected, half);
    let [x_half, x] = x;
    let [gradient_half, gradient] = gradient;
    let found = Flex::linear_weight_gradients(gradient_half, x_half, single);
    let expected = Flex::linear_weight_gradients(gradient, x, single);
    for ((found, expected), what) in found.into_iter().zip(expected).zip(["weight", "bias"]) {
        // Both factors are in bf16 already, so only f32 sums differ.
        assert_eq!(found.dtype(), single, "{what}");
        assert_near(what, found, expected, 1e-4);
    }

    let (words, hidden) = (131, 75);
    let targets: Vec<u32> = (0..rows).map(|k| (k * 5 % words) as u32).collect();
    let [found, expected] = both([rows, hidden], 5).map(|states| {
        let (weight, bias) = (numbers([words, hidden], 6), numbers([words], 7));
        Flex::cross_entropy(states, weight, bias, &targets, Some(0.3))
    });
    assert_near("loss", found.loss, expected.loss, 5e-3);
    let gradients = found.gradients.zip(expected.gradients);
    let (found, expected) = gradients.expect("gradients were asked for");
    let [found, expected] =
        [found, expected].map(|gradients| gradients.computed(&Default::default()));
    let names = [("states", half), ("words", single), ("bias", single)];
    for ((found, expected), (what, dtype)) in found.into_iter().zip(expected).zip(names) {
        assert_rounded(what, found, expected, dtype);
    }

    gru_of_bf16_is_as_near_as_its_composition();
}

/// A scan by kernels is at least as close to f32 as PyTorch's, which rounds weights and all
/// intermediate results to bf16.
fn gru_of_bf16_is_as_near_as_its_composition() {
    let steps = Steps::from_sorted_lengths(&[7, 5, 5, 2, 1]);
    let hidden = 40;
    for reverse in [false, true] {
        let scan = |half: bool, weight_type: FloatDType| {
            let of = |pair: [TestTensor; 2]| pair[usize::from(!half)].clone();
            let cast = |weight: TestTensor| Flex::float_cast(weight, weight_type);
            let inputs = GruInputs::<Flex> {
                projected: of(both([steps.rows(), 3 * hidden], 1)),
                recurrence: Recurrence {
                    weight: cast(numbers([3 * hidden, hidden], 2)),
                    initial: of(both([5, hidden], 3)),
                    reverse,
                },
                bias: cast(numbers([3 * hidden], 4)),
            };
            let recurrence = inputs.recurrence.clone();
            let trace = Flex::gru_forward(vec![inputs], &steps, true).remove(0);
            let states = trace.states.clone();
            let gradient = of(both([steps.rows(), hidden], 5));
            let backward = vec![(gradient, trace, recurrence)];
            let gradients = Flex::gru_backward(backward, &steps).remove(0);
            [
                states,
                gradients.projected,
                gradients.initial,
                gradients.weight,
                gradients.bias,
            ]
        };
        let exact = scan(false, FloatDType::F32);
        let kernels = scan(true, FloatDType::F32);
        let composed = scan(true, FloatDType::BF16);
        let (half, single) = (DType::BF16, DType::F32);
        let names = [
            ("states", half),
            ("projected", half),
            ("initial", half),
            ("recurrent", single),
            ("bias", single),
        ];
        let all = kernels.into_iter().zip(composed).zip(exact).zip(names);
        for (((found, composed), exact), (what, dtype)) in all {
            assert_eq!(found.dtype(), dtype, "{what}");
            let (off, bound) = (distance(found, exact.clone()), distance(composed, exact));
            eprintln!("{what}: {off}, composed {bound}");
            assert!(
                off > 1e-5 && off < bound,
                "{what} is off by {off}, composed by {bound}"
            );
        }
    }
}

/// The factor of gradients.
pub(super) fn scale() -> TestTensor {
    tensor(vec![0.7], [1])
}

#[test]
fn adam_steps_agree() {
    let step = AdamStep {
        step_size: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        variance_correction: 1.5,
        epsilon: 1e-8,
    };
    let variance = slice(numbers([50], 3)).iter().map(|x| x.abs()).collect();
    let state = || {
        let variance: Vec<f32> = Clone::clone(&variance);
        (
            numbers([50], 1),
            numbers([50], 2),
            tensor(variance, [50]),
            numbers([50], 4),
        )
    };
    let (p, m, v, g) = state();
    let found = Flex::adam(p, m, v, g, scale(), step);
    let (p, m, v, g) = state();
    let expected = adam::generic::<Flex>(p, m, v, g, scale(), step);
    assert_near("parameter", found.parameter, expected.parameter, 1e-6);
    assert_near("mean", found.mean, expected.mean, 1e-6);
    assert_near("variance", found.variance, expected.variance, 1e-6);
}

#[test]
fn adam_by_rows_has_the_bits_of_adam_on_the_dense_gradient() {
    let step = AdamStep {
        step_size: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        variance_correction: 1.5,
        epsilon: 1e-8,
    };
    // More rows than one task of the kernel handles.
    let (words, width, rows) = (5000, 16, [0_u32, 3, 4096, 4097, 4999]);
    let size = words * width;
    // Away from zero, so that an update is of the order of one.
    let squares = slice(numbers([size], 3))
        .iter()
        .map(|x| x * x + 1e-2)
        .collect::<Vec<_>>();
    let state = || {
        let variance = tensor(Clone::clone(&squares), [size]);
        [numbers([size], 1), numbers([size], 2), variance]
    };
    let values = numbers([rows.len(), width], 4);
    let mut dense = vec![0.0; size];
    for (row, values) in rows.iter().zip(slice(values.clone()).chunks(width)) {
        dense[*row as usize * width..][..width].copy_from_slice(values);
    }
    let [p, m, v] = state();
    let expected = Flex::adam(p, m, v, tensor(dense, [size]), scale(), step);
    let found = Flex::adam_rows(state(), values.clone(), &rows, scale(), step);
    assert_near(
        "parameter",
        found.parameter,
        expected.parameter.clone(),
        0.0,
    );
    assert_near("mean", found.mean, expected.mean.clone(), 0.0);
    assert_near("variance", found.variance, expected.variance.clone(), 0.0);
    // A part of a larger tensor is not updated in place, but composed.
    let part = |whole: TestTensor| {
        let longer = Flex::float_cat(vec![whole, numbers([3], 5)], 0);
        longer.narrow(0, 0, size)
    };
    let found = Flex::adam_rows(state().map(part), values, &rows, scale(), step);
    assert_near("parameter", found.parameter, expected.parameter, 1e-6);
    assert_near("mean", found.mean, expected.mean, 1e-6);
    assert_near("variance", found.variance, expected.variance, 1e-6);
}

#[test]
fn maxima_of_groups_agree_with_those_by_doubling() {
    // Groups of one row to seven, their rows here and there.
    let group_of = [2, 0, 2, 1, 2, 3, 1, 2, 2, 3, 2, 2];
    let values = numbers([group_of.len(), 5], 1);
    let found = Flex::max_rows(values.clone(), &group_of, 4);
    let expected = rows::generic_max::<Flex>(values.clone(), &group_of, 4);
    assert_near("maxima", found.clone(), expected, 0.0);
    let (values, found) = (slice(values), slice(found));
    for (place, max) in found.iter().enumerate() {
        let (group, column) = (place / 5, place % 5);
        let of_group = group_of
            .iter()
            .enumerate()
            .filter(|(_, g)| **g as usize == group);
        let largest = of_group.map(|(row, _)| values[row * 5 + column]);
        assert_eq!(*max, largest.fold(f32::NEG_INFINITY, f32::max));
    }
}
