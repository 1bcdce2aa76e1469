//! The GRU recurrence: per time step one matrix product and one launch for the gates.
//!
//! States live in one `[rows, hidden]` buffer from the first step to the last. A step's product
//! reads the previous step's rows in place, and its launch writes the step's rows after them, so
//! nothing is sliced or concatenated. The products of the initial states are one product for all
//! sentences; a sentence uses its row at its first step.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::math::{sigmoid, tanh};
use super::{addresses, element, empty, one_unit_each};
use crate::ops::gru::generic::{rows, visits};
use crate::ops::gru::{GruGradients, GruInputs, GruKernels, GruTrace, Recurrence};
use crate::packed::Steps;

/// A step of the recurrence: its rows, and the rows of the previous states.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
struct Visit {
    /// The step's first row.
    start: usize,
    /// The number of its rows, one per running sentence.
    width: usize,
    /// The first row of the step visited before.
    before: usize,
    /// The number of this step's sentences that were running in that step; the others start here.
    known: usize,
}

impl Visit {
    /// The `k`-th step in `order`.
    fn new(steps: &Steps, order: &[usize], k: usize) -> Self {
        let (start, width) = (steps.start(order[k]), steps.width(order[k]));
        let (before, known) = match k.checked_sub(1).map(|k| order[k]) {
            Some(t) => (steps.start(t), steps.width(t).min(width)),
            None => (0, 0),
        };
        Self {
            start,
            width,
            before,
            known,
        }
    }

    fn launch(self) -> VisitLaunch {
        VisitLaunch::new(self.start, self.width, self.before, self.known)
    }
}

impl GruKernels for Cube {
    fn gru_forward(
        directions: Vec<GruInputs<Self>>,
        steps: &Steps,
        save: bool,
    ) -> Vec<GruTrace<Self>> {
        let run = |inputs| forward(inputs, steps, save);
        directions.into_iter().map(run).collect()
    }

    fn gru_backward(
        directions: Vec<(CubeTensor, GruTrace<Self>, Recurrence<Self>)>,
        steps: &Steps,
    ) -> Vec<GruGradients<Self>> {
        let run = |(gradient, trace, recurrence)| backward(gradient, trace, recurrence, steps);
        directions.into_iter().map(run).collect()
    }
}

fn forward(inputs: GruInputs<Cube>, steps: &Steps, save: bool) -> GruTrace<Cube> {
    let hidden = inputs.recurrence.weight.shape()[1];
    let projected = into_contiguous(inputs.projected);
    let initial = into_contiguous(inputs.recurrence.initial);
    let bias = into_contiguous(inputs.bias);
    let weight = Cube::float_transpose(inputs.recurrence.weight);
    let (client, dtype) = (projected.client.clone(), projected.dtype);
    let states = empty(&projected, [steps.rows(), hidden], dtype);
    let saved_rows = if save { steps.rows() } else { 1 };
    let gates = empty(&projected, [saved_rows, 4 * hidden], dtype);

    // W_hh h of every sentence's initial state.
    let begun = Cube::float_matmul(initial.clone(), weight.clone());
    let order = visits(steps, inputs.recurrence.reverse);
    for k in 0..order.len() {
        let visit = Visit::new(steps, &order, k);
        // W_hh h of the previous states of sentences that have one.
        let recurrent = match visit.known {
            0 => begun.clone(),
            known => {
                let before = rows::<Cube>(&states, visit.before, known);
                Cube::float_matmul(before, weight.clone())
            }
        };
        let (count, dim) = one_unit_each(&client, visit.width * hidden);
        gates_forward::launch(
            &client,
            count,
            dim,
            addresses(&[&projected, &states, &gates]),
            projected.clone().into_buffer_arg(),
            recurrent.into_tensor_arg(),
            begun.clone().into_tensor_arg(),
            bias.clone().into_buffer_arg(),
            initial.clone().into_buffer_arg(),
            states.clone().into_buffer_arg(),
            gates.clone().into_buffer_arg(),
            visit.launch(),
            hidden,
            save,
            element(&projected),
        );
    }
    GruTrace {
        states,
        gates: save.then_some(gates),
    }
}

fn backward(
    gradient: CubeTensor,
    trace: GruTrace<Cube>,
    recurrence: Recurrence<Cube>,
    steps: &Steps,
) -> GruGradients<Cube> {
    let hidden = recurrence.weight.shape()[1];
    let gradient = into_contiguous(gradient);
    let initial = into_contiguous(recurrence.initial);
    let states = into_contiguous(trace.states);
    let gates = into_contiguous(trace.gates.unwrap_or_else(|| states.clone()));
    let (client, dtype) = (gradient.client.clone(), gradient.dtype);
    let projected = empty(&gradient, [steps.rows(), 3 * hidden], dtype);
    let recurrent = empty(&gradient, [steps.rows(), 3 * hidden], dtype);
    let previous = empty(&gradient, [steps.rows(), hidden], dtype);
    let carried = Cube::float_zeros(initial.shape(), &initial.device(), dtype.into());
    let carried = into_contiguous(carried);

    // The gradient that the last visited step passes back through its product, and its number of
    // rows.
    let mut through = initial.clone();
    let mut later = 0;
    let order = visits(steps, recurrence.reverse);
    // After the first step, one more launch without rows adds the gradient that it passed back to
    // the initial states.
    for k in (0..order.len()).rev().map(Some).chain([None]) {
        let visit = k.map_or(Visit::END, |k| Visit::new(steps, &order, k));
        let (count, dim) = one_unit_each(&client, visit.width.max(later) * hidden);
        gates_backward::launch(
            &client,
            count,
            dim,
            addresses(&[&projected, &gates]),
            gradient.clone().into_buffer_arg(),
            gates.clone().into_buffer_arg(),
            states.clone().into_buffer_arg(),
            initial.clone().into_buffer_arg(),
            through.clone().into_tensor_arg(),
            carried.clone().into_buffer_arg(),
            projected.clone().into_buffer_arg(),
            recurrent.clone().into_buffer_arg(),
            previous.clone().into_buffer_arg(),
            visit.launch(),
            later,
            hidden,
            element(&gradient),
        );
        if k.is_some() {
            let step = rows::<Cube>(&recurrent, visit.start, visit.width);
            through = Cube::float_matmul(step, recurrence.weight.clone());
            later = visit.width;
        }
    }
    let transposed = Cube::float_transpose(recurrent.clone());
    let bias = Cube::float_sum_dim(recurrent, 0);
    GruGradients {
        projected,
        weight: Cube::float_matmul(transposed, previous),
        bias: Cube::float_reshape(bias, Shape::new([3 * hidden])),
        initial: carried,
    }
}

impl Visit {
    /// No step at all.
    const END: Self = Self {
        start: 0,
        width: 0,
        before: 0,
        known: 0,
    };
}

/// One step's gates and states; one unit per number of a sentence's state.
#[cube(launch, address_type = "dynamic")]
fn gates_forward<F: Float>(
    projected: &[F],       // [rows, 3 * hidden]: W_ih x + b_ih
    recurrent: &Tensor<F>, // [known, 3 * hidden]: W_hh h of the step before
    begun: &Tensor<F>,     // [sentences, 3 * hidden]: W_hh h of the initial states
    bias: &[F],            // [3 * hidden]: b_hh
    initial: &[F],         // [sentences, hidden]
    states: &mut [F],      // [rows, hidden]
    gates: &mut [F],       // [rows, 4 * hidden]: r, z, n, h_n; unused unless `save`
    visit: Visit,
    #[comptime] hidden: usize,
    #[comptime] save: bool,
    #[define(F)] _dtype: ElemType,
) {
    let sentence = ABSOLUTE_POS / hidden;
    let j = ABSOLUTE_POS % hidden;
    if sentence >= visit.width {
        terminate!();
    }
    let row = visit.start + sentence;

    // y = W_hh h + b_hh, and h itself
    let mut y_r = f32::cast_from(bias[j]);
    let mut y_z = f32::cast_from(bias[hidden + j]);
    let mut y_n = f32::cast_from(bias[2 * hidden + j]);
    if sentence < visit.known {
        let y = sentence * recurrent.stride(0) + j;
        y_r += f32::cast_from(recurrent[y]);
        y_z += f32::cast_from(recurrent[y + hidden]);
        y_n += f32::cast_from(recurrent[y + 2 * hidden]);
    } else {
        let y = sentence * begun.stride(0) + j;
        y_r += f32::cast_from(begun[y]);
        y_z += f32::cast_from(begun[y + hidden]);
        y_n += f32::cast_from(begun[y + 2 * hidden]);
    }
    let previous = if sentence < visit.known {
        f32::cast_from(states[(visit.before + sentence) * hidden + j])
    } else {
        f32::cast_from(initial[sentence * hidden + j])
    };

    let x = row * 3 * hidden + j;
    // r = s(x_r + y_r), z = s(x_z + y_z)
    let r = sigmoid(f32::cast_from(projected[x]) + y_r);
    let z = sigmoid(f32::cast_from(projected[x + hidden]) + y_z);
    // n = tanh(x_n + r y_n)
    let n = tanh(f32::cast_from(projected[x + 2 * hidden]) + r * y_n);
    // h' = (1 - z) n + z h
    states[row * hidden + j] = F::cast_from(n + z * (previous - n));
    if save {
        let saved = row * 4 * hidden + j;
        gates[saved] = F::cast_from(r);
        gates[saved + hidden] = F::cast_from(z);
        gates[saved + 2 * hidden] = F::cast_from(n);
        gates[saved + 3 * hidden] = F::cast_from(y_n);
    }
}

/// The derivatives of [`gates_forward`]; one unit per number of a sentence's state.
///
/// `carried` holds the gradient that later steps pass back to a sentence's state directly (through
/// z), `through` the one that the last visited step passes back through its product. Their sum at a
/// sentence's first step is the gradient of its initial state.
#[cube(launch, address_type = "dynamic")]
fn gates_backward<F: Float>(
    gradient: &[F],      // [rows, hidden]: d loss / d states
    gates: &[F],         // [rows, 4 * hidden]: r, z, n, h_n
    states: &[F],        // [rows, hidden]
    initial: &[F],       // [sentences, hidden]
    through: &Tensor<F>, // [later, hidden]
    carried: &mut [F],   // [sentences, hidden]
    projected: &mut [F], // [rows, 3 * hidden]: d loss / d (W_ih x + b_ih)
    recurrent: &mut [F], // [rows, 3 * hidden]: d loss / d (W_hh h + b_hh)
    previous: &mut [F],  // [rows, hidden]: h, for the weights' gradient
    visit: Visit,
    later: usize,
    #[comptime] hidden: usize,
    #[define(F)] _dtype: ElemType,
) {
    let sentence = ABSOLUTE_POS / hidden;
    let j = ABSOLUTE_POS % hidden;
    let state = sentence * hidden + j;

    let mut back = 0.0f32;
    if sentence < later {
        let product = f32::cast_from(through[sentence * through.stride(0) + j]);
        back = f32::cast_from(carried[state]) + product;
        if sentence >= visit.width {
            carried[state] = F::cast_from(back);
        }
    }
    if sentence >= visit.width {
        terminate!();
    }

    let row = visit.start + sentence;
    let h = if sentence < visit.known {
        f32::cast_from(states[(visit.before + sentence) * hidden + j])
    } else {
        f32::cast_from(initial[state])
    };
    let saved = row * 4 * hidden + j;
    let r = f32::cast_from(gates[saved]);
    let z = f32::cast_from(gates[saved + hidden]);
    let n = f32::cast_from(gates[saved + 2 * hidden]);
    let y_n = f32::cast_from(gates[saved + 3 * hidden]);

    // d h' = d loss / d states + gradient from later steps
    let d = f32::cast_from(gradient[row * hidden + j]) + back;
    // d n = d h' (1 - z), through tanh (1 - n^2)
    let d_n = d * (1.0 - z) * (1.0 - n * n);
    // d z = d h' (h - n), through s: z (1 - z)
    let d_z = d * (h - n) * z * (1.0 - z);
    // d r = d n y_n, through s: r (1 - r)
    let d_r = d_n * y_n * r * (1.0 - r);
    let x = row * 3 * hidden + j;
    projected[x] = F::cast_from(d_r);
    projected[x + hidden] = F::cast_from(d_z);
    projected[x + 2 * hidden] = F::cast_from(d_n);
    recurrent[x] = F::cast_from(d_r);
    recurrent[x + hidden] = F::cast_from(d_z);
    recurrent[x + 2 * hidden] = F::cast_from(d_n * r);
    previous[row * hidden + j] = F::cast_from(h);
    // d h = d h' z + W_hh^T d y, the latter in the next launch
    carried[state] = F::cast_from(d * z);
}
