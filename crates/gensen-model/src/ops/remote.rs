//! The operations on devices that another machine serves: one message each, computed there by the
//! kernels of the server's own back end.
//!
//! Client and server agree on an operation's name, the order of its tensors, and its other
//! arguments as a list of numbers.

use burn::backend::{Remote, TensorMetadata, tensor::FloatTensor};
use burn::remote::CustomOpClient;
use burn::server::{CustomOpIr, CustomOpRegistry, HandleContainer};
use burn::tensor::{DType, Shape};
use burn_ir::{BackendIr, ScalarIr, TensorIr};

use super::AdamState;
use super::adam::{AdamKernels, AdamStep};
use super::cross_entropy::{CrossEntropy, CrossEntropyKernels, LossGradients};
use super::gru::{GruGradients, GruInputs, GruKernels, GruTrace, Recurrence};
use super::gru_layer::GruLayerKernels;
use super::linear::LinearKernels;
use super::rows::RowKernels;
use crate::packed::Steps;

const GRU_FORWARD: &str = "gensen.gru_forward";
const GRU_BACKWARD: &str = "gensen.gru_backward";
const CROSS_ENTROPY: &str = "gensen.cross_entropy";
const ADAM: &str = "gensen.adam";
const ADAM_ROWS: &str = "gensen.adam_rows";

/// The operations on the server, with the kernels of its back end.
pub(crate) fn operations<B>() -> CustomOpRegistry<B>
where
    B: BackendIr + GruKernels + CrossEntropyKernels + AdamKernels,
{
    let mut operations = CustomOpRegistry::new();
    operations.register(GRU_FORWARD, |handles, ir, _| {
        let mut call = Call::<B>::new(handles, ir);
        let save = call.number() != 0;
        let steps = call.steps();
        let inputs = call.all(|call| {
            let [projected, weight, bias, initial] = call.tensors();
            let recurrence = Recurrence {
                weight,
                initial,
                reverse: call.number() != 0,
            };
            GruInputs {
                projected,
                recurrence,
                bias,
            }
        });
        let traces = B::gru_forward(inputs, &steps, save);
        let trace = |t: GruTrace<B>| [Some(t.states), t.gates].into_iter().flatten();
        call.give(traces.into_iter().flat_map(trace));
    });
    operations.register(GRU_BACKWARD, |handles, ir, _| {
        let mut call = Call::<B>::new(handles, ir);
        let steps = call.steps();
        let directions = call.all(|call| {
            let [gradient, states, gates, weight, initial] = call.tensors();
            let gates = Some(gates);
            let recurrence = Recurrence {
                weight,
                initial,
                reverse: call.number() != 0,
            };
            (gradient, GruTrace { states, gates }, recurrence)
        });
        let gradients = B::gru_backward(directions, &steps);
        let tensors = |g: GruGradients<B>| [g.projected, g.weight, g.bias, g.initial];
        call.give(gradients.into_iter().flat_map(tensors));
    });
    operations.register(CROSS_ENTROPY, |handles, ir, _| {
        let mut call = Call::<B>::new(handles, ir);
        let gradients = (call.number() != 0).then(|| call.scalar().elem());
        let targets = call.rest();
        let [states, weight, bias] = call.tensors();
        let device = states.device();
        let result = B::cross_entropy(states, weight, bias, &targets, gradients);
        let gradients = result
            .gradients
            .map(|gradients| gradients.computed(&device));
        let gradients = gradients.into_iter().flatten();
        call.give(std::iter::once(result.loss).chain(gradients));
    });
    operations.register(ADAM, |handles, ir, _| {
        let mut call = Call::<B>::new(handles, ir);
        let step = call.adam_step();
        let [parameter, mean, variance, gradient, scale] = call.tensors();
        let state = B::adam(parameter, mean, variance, gradient, scale, step);
        call.give([state.parameter, state.mean, state.variance]);
    });
    operations.register(ADAM_ROWS, |handles, ir, _| {
        let mut call = Call::<B>::new(handles, ir);
        let step = call.adam_step();
        let rows = call.rest();
        let [parameter, mean, variance, values, scale] = call.tensors();
        let state = B::adam_rows([parameter, mean, variance], values, &rows, scale, step);
        call.give([state.parameter, state.mean, state.variance]);
    });
    operations
}

/// A received call; its arguments are taken in the order in which they were sent.
struct Call<'a, B: BackendIr> {
    handles: &'a mut HandleContainer<B::Handle>,
    inputs: &'a [TensorIr],
    outputs: &'a [TensorIr],
    numbers: &'a [ScalarIr],
}

impl<'a, B: BackendIr> Call<'a, B> {
    fn new(handles: &'a mut HandleContainer<B::Handle>, ir: &'a CustomOpIr) -> Self {
        Self {
            handles,
            inputs: &ir.inputs,
            outputs: &ir.outputs,
            numbers: &ir.scalars,
        }
    }

    /// The next tensors. A call with too few ends the caller's session, as does an unknown
    /// operation.
    fn tensors<const N: usize>(&mut self) -> [FloatTensor<B>; N] {
        let (tensors, rest) = self.inputs.split_at(N);
        self.inputs = rest;
        std::array::from_fn(|k| self.handles.get_float_tensor::<B>(&tensors[k]))
    }

    /// Takes all remaining tensors.
    fn all<T>(&mut self, mut next: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut all = Vec::new();
        while !self.inputs.is_empty() {
            all.push(next(self));
        }
        all
    }

    /// The next number. A call with too few ends the caller's session.
    fn scalar(&mut self) -> ScalarIr {
        #[allow(
            clippy::expect_used,
            reason = "burn-remote ends the session of a call that panics"
        )]
        let (&number, rest) = self
            .numbers
            .split_first()
            .expect("as many numbers as the operation takes");
        self.numbers = rest;
        number
    }

    fn number(&mut self) -> u32 {
        self.scalar().elem()
    }

    fn rest(&mut self) -> Vec<u32> {
        let rest = std::mem::take(&mut self.numbers);
        rest.iter().map(|number| number.elem()).collect()
    }

    fn steps(&mut self) -> Steps {
        let count = self.number();
        Steps::from_widths((0..count).map(|_| self.number() as usize))
    }

    fn adam_step(&mut self) -> AdamStep {
        let [step_size, beta1, beta2, variance_correction, epsilon] =
            std::array::from_fn(|_| self.scalar().elem());
        AdamStep {
            step_size,
            beta1,
            beta2,
            variance_correction,
            epsilon,
        }
    }

    fn give(self, tensors: impl IntoIterator<Item = FloatTensor<B>>) {
        for (output, tensor) in self.outputs.iter().zip(tensors) {
            self.handles.register_float_tensor::<B>(&output.id, tensor);
        }
    }
}

/// The results of a sent call.
struct Results(std::vec::IntoIter<FloatTensor<Remote>>);

impl Results {
    /// The next results.
    fn take<const N: usize>(&mut self) -> [FloatTensor<Remote>; N] {
        std::array::from_fn(|_| match self.0.next() {
            Some(tensor) => tensor,
            None => unreachable!("a call has one tensor for each announced shape"),
        })
    }
}

/// The announced shape and type of a result like `tensor`.
fn like(tensor: &FloatTensor<Remote>) -> (Shape, DType) {
    (tensor.shape(), tensor.dtype())
}

/// Sends a call. Its results have these shapes and types, and are computed later by the server.
fn call(
    name: &'static str,
    tensors: Vec<FloatTensor<Remote>>,
    numbers: Vec<ScalarIr>,
    results: Vec<(Shape, DType)>,
) -> Results {
    let client = CustomOpClient::new(&tensors[0].device());
    let result = |(shape, dtype)| TensorIr::uninit(client.create_empty_handle(), shape, dtype);
    let results: Vec<TensorIr> = results.into_iter().map(result).collect();
    let tensors: Vec<TensorIr> = tensors.into_iter().map(|tensor| tensor.into_ir()).collect();
    let call = CustomOpIr::with_scalars(name, &tensors, &results, numbers);
    Results(client.register(call).into_iter())
}

fn number(number: impl Into<u64>) -> ScalarIr {
    ScalarIr::UInt(number.into())
}

fn put_steps(numbers: &mut Vec<ScalarIr>, steps: &Steps) {
    numbers.push(number(steps.len() as u64));
    numbers.extend((0..steps.len()).map(|t| number(steps.width(t) as u64)));
}

fn put_adam_step(step: AdamStep) -> Vec<ScalarIr> {
    [
        step.step_size,
        step.beta1,
        step.beta2,
        step.variance_correction,
        step.epsilon,
    ]
    .map(|x| ScalarIr::Float(x.into()))
    .into()
}

impl GruKernels for Remote {
    fn gru_forward(
        directions: Vec<GruInputs<Self>>,
        steps: &Steps,
        save: bool,
    ) -> Vec<GruTrace<Self>> {
        let count = directions.len();
        let mut numbers = vec![number(save)];
        put_steps(&mut numbers, steps);
        let (mut tensors, mut results) = (Vec::new(), Vec::new());
        for inputs in directions {
            let Recurrence {
                weight,
                initial,
                reverse,
            } = inputs.recurrence;
            let (hidden, dtype) = (weight.shape()[1], weight.dtype());
            results.push((Shape::new([steps.rows(), hidden]), dtype));
            if save {
                results.push((Shape::new([steps.rows(), 4 * hidden]), dtype));
            }
            numbers.push(number(reverse));
            tensors.extend([inputs.projected, weight, inputs.bias, initial]);
        }
        let mut results = call(GRU_FORWARD, tensors, numbers, results);
        let trace = |_| {
            let [states] = results.take();
            let gates = save.then(|| {
                let [gates] = results.take();
                gates
            });
            GruTrace { states, gates }
        };
        (0..count).map(trace).collect()
    }

    fn gru_backward(
        directions: Vec<(FloatTensor<Self>, GruTrace<Self>, Recurrence<Self>)>,
        steps: &Steps,
    ) -> Vec<GruGradients<Self>> {
        let count = directions.len();
        let mut numbers = Vec::new();
        put_steps(&mut numbers, steps);
        let (mut tensors, mut results) = (Vec::new(), Vec::new());
        for (gradient, trace, recurrence) in directions {
            let Recurrence {
                weight,
                initial,
                reverse,
            } = recurrence;
            let (hidden, dtype) = (weight.shape()[1], weight.dtype());
            results.extend([
                (Shape::new([steps.rows(), 3 * hidden]), dtype),
                like(&weight),
                (Shape::new([3 * hidden]), dtype),
                like(&initial),
            ]);
            numbers.push(number(reverse));
            // A scan that is differentiated has kept its gates.
            let gates = trace.gates.unwrap_or_else(|| trace.states.clone());
            tensors.extend([gradient, trace.states, gates, weight, initial]);
        }
        let mut results = call(GRU_BACKWARD, tensors, numbers, results);
        let gradients = |_| {
            let [projected, weight, bias, initial] = results.take();
            GruGradients {
                projected,
                weight,
                bias,
                initial,
            }
        };
        (0..count).map(gradients).collect()
    }
}

impl GruLayerKernels for Remote {}

impl LinearKernels for Remote {}

impl RowKernels for Remote {}

impl CrossEntropyKernels for Remote {
    fn cross_entropy(
        states: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: &[u32],
        gradients: Option<f32>,
    ) -> CrossEntropy<Self> {
        let mut numbers = vec![number(gradients.is_some())];
        numbers.extend(gradients.map(|scale| ScalarIr::Float(scale.into())));
        numbers.extend(targets.iter().map(|&target| number(target)));
        let mut results = vec![(Shape::new([1]), DType::F32)];
        if gradients.is_some() {
            results.extend([like(&states), like(&weight), like(&bias)]);
        }
        let mut results = call(CROSS_ENTROPY, vec![states, weight, bias], numbers, results);
        let [loss] = results.take();
        CrossEntropy {
            loss,
            gradients: gradients.map(|_| LossGradients::Ready(results.take())),
        }
    }
}

impl AdamKernels for Remote {
    fn adam(
        parameter: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self> {
        let results = vec![like(&parameter); 3];
        let tensors = vec![parameter, mean, variance, gradient, scale];
        let mut results = call(ADAM, tensors, put_adam_step(step), results);
        let [parameter, mean, variance] = results.take();
        AdamState {
            parameter,
            mean,
            variance,
        }
    }

    fn adam_rows(
        [parameter, mean, variance]: [FloatTensor<Self>; 3],
        values: FloatTensor<Self>,
        rows: &[u32],
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self> {
        let results = vec![like(&parameter); 3];
        let tensors = vec![parameter, mean, variance, values, scale];
        let mut numbers = put_adam_step(step);
        numbers.extend(rows.iter().map(|&row| number(row)));
        let mut results = call(ADAM_ROWS, tensors, numbers, results);
        let [parameter, mean, variance] = results.take();
        AdamState {
            parameter,
            mean,
            variance,
        }
    }
}
