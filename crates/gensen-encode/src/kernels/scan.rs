//! The GRU scan of training and its gradients. The recurrent matrix product dominates; everything
//! else is one pass over the gates.

use multiversion::multiversion;
use rayon::prelude::*;

use super::gemm::{MatrixView, Threads, add_column_sums, matmul};
use super::math::{sigmoid, tanh};
use super::panels::{PanelBuffers, Panels};
use super::products::{self, FloatProduct, Left, Right};
use super::steps::Steps;

/// Rows of gates per task of a parallel loop.
const ROWS_PER_TASK: usize = 8;
/// A time step with fewer gates runs on one thread.
const GATES_PER_TASK: usize = 1 << 16;

/// The scan of one direction.
pub struct Scan<'a> {
    /// The layout of the batch.
    pub steps: &'a Steps,
    /// Whether to go from the last word to the first.
    pub reverse: bool,
    /// The threads to use.
    pub threads: Threads,
    /// The instructions of matrix products; `None` for [`Panels`] in f32. All else is in f32.
    pub product: Option<FloatProduct>,
    /// `[3 * hidden, hidden]`, gates r, z, n.
    pub weight: &'a [f32],
    /// States before the first step, `[sentences, hidden]`.
    pub initial: &'a [f32],
    /// The length of a state.
    pub hidden: usize,
}

/// The gradients with respect to a scan's inputs.
pub struct ScanGradients {
    /// The gradients of the projected inputs, `[rows, 3 * hidden]`.
    pub projected: Vec<f32>,
    /// The gradients of the recurrent weights, `[3 * hidden, hidden]`.
    pub weight: Vec<f32>,
    /// The gradients of the recurrent biases, `[3 * hidden]`.
    pub bias: Vec<f32>,
    /// The gradients of the states before the first step, `[sentences, hidden]`.
    pub initial: Vec<f32>,
}

/// The recurrent weights, laid out once for all time steps.
enum RecurrentWeights {
    Panels(Panels),
    LaidOut(FloatProduct, Right),
}

impl RecurrentWeights {
    /// `output = rows * matrix`, or `+=` when `accumulate`.
    fn multiply(
        &self,
        output: &mut [f32],
        rows: MatrixView<'_>,
        accumulate: bool,
        threads: Threads,
        buffers: &mut PanelBuffers,
    ) {
        match self {
            Self::Panels(panels) => panels.multiply(output, rows, accumulate, threads, buffers),
            Self::LaidOut(way, right) => {
                let rows = Left::new(*way, rows, threads);
                products::multiply(output, &rows, right, accumulate, threads);
            }
        }
    }
}

impl Scan<'_> {
    fn weights(&self, matrix: MatrixView<'_>) -> RecurrentWeights {
        match self.product {
            None => RecurrentWeights::Panels(Panels::new(matrix, self.threads)),
            Some(way) => RecurrentWeights::LaidOut(way, Right::new(way, matrix, self.threads)),
        }
    }

    fn time(&self, k: usize) -> usize {
        if self.reverse {
            self.steps.len() - 1 - k
        } else {
            k
        }
    }

    fn on_one_thread(&self, width: usize) -> bool {
        self.threads == Threads::One || width * 3 * self.hidden <= GATES_PER_TASK
    }

    /// Copies the states before step `t` into `previous`.
    fn gather_previous(&self, states: &[f32], t: usize, previous: &mut [f32]) {
        let h = self.hidden;
        let (known_start, known) = if self.reverse {
            (
                self.steps.start((t + 1).min(self.steps.len())),
                self.steps.width(t + 1),
            )
        } else if t > 0 {
            (self.steps.start(t - 1), self.steps.width(t))
        } else {
            (0, 0)
        };
        let width = self.steps.width(t);
        previous[..known * h].copy_from_slice(&states[known_start * h..(known_start + known) * h]);
        previous[known * h..width * h].copy_from_slice(&self.initial[known * h..width * h]);
    }

    /// Runs the recurrence. `projected` is `[rows, 3 * hidden]` (input biases included); returns
    /// the states `[rows, hidden]` and, when `save`, the gates `[rows, 4 * hidden]`: r, z, n and
    /// the candidate's recurrent term.
    pub fn forward(&self, projected: &[f32], bias: &[f32], save: bool) -> (Vec<f32>, Vec<f32>) {
        let h = self.hidden;
        let rows = self.steps.rows();
        let widest = self.steps.width(0);
        let mut states = vec![0.0; rows * h];
        let mut gates = vec![0.0; if save { rows * 4 * h } else { 0 }];
        let mut previous = vec![0.0; widest * h];
        let mut recurrent = vec![0.0; widest * 3 * h];
        let weight = MatrixView::new(self.weight, 3 * h, h).transposed();
        let weight = self.weights(weight);
        let mut buffers = PanelBuffers::default();
        for k in 0..self.steps.len() {
            let t = self.time(k);
            let (start, width) = (self.steps.start(t), self.steps.width(t));
            self.gather_previous(&states, t, &mut previous);
            let rows = MatrixView::new(&previous, width, h);
            weight.multiply(&mut recurrent, rows, false, self.threads, &mut buffers);
            let inputs = &projected[start * 3 * h..(start + width) * 3 * h];
            let outputs = &mut states[start * h..(start + width) * h];
            let mut no_gates = [];
            let saved = if save {
                &mut gates[start * 4 * h..(start + width) * 4 * h]
            } else {
                &mut no_gates[..]
            };
            let row_block = ROWS_PER_TASK;
            let saved_block = if save { row_block * 4 * h } else { 1 };
            if self.on_one_thread(width) {
                gates_forward(h, inputs, &recurrent, bias, &previous, outputs, saved);
                continue;
            }
            let blocks = outputs
                .par_chunks_mut(row_block * h)
                .zip(inputs.par_chunks(row_block * 3 * h))
                .zip(recurrent.par_chunks(row_block * 3 * h))
                .zip(previous.par_chunks(row_block * h));
            if save {
                blocks.zip(saved.par_chunks_mut(saved_block)).for_each(
                    |((((output, input), recurrent), previous), saved)| {
                        gates_forward(h, input, recurrent, bias, previous, output, saved);
                    },
                );
            } else {
                blocks.for_each(|(((output, input), recurrent), previous)| {
                    gates_forward(h, input, recurrent, bias, previous, output, &mut []);
                });
            }
        }
        (states, gates)
    }

    /// Back-propagation through time. `gradient` is d loss / d states, `[rows, hidden]`; `states`
    /// and `gates` are those of [`Scan::forward`].
    pub fn backward(&self, gradient: &[f32], states: &[f32], gates: &[f32]) -> ScanGradients {
        let h = self.hidden;
        let rows = self.steps.rows();
        let widest = self.steps.width(0);
        let mut projected = vec![0.0; rows * 3 * h];
        let mut recurrent = vec![0.0; rows * 3 * h];
        let mut previous = vec![0.0; rows * h];
        let mut carried = vec![0.0; widest * h];
        let weight = self.weights(MatrixView::new(self.weight, 3 * h, h));
        let mut buffers = PanelBuffers::default();
        for k in (0..self.steps.len()).rev() {
            let t = self.time(k);
            let (start, width) = (self.steps.start(t), self.steps.width(t));
            let of = |n: usize| start * n * h..(start + width) * n * h;
            let previous = &mut previous[of(1)];
            self.gather_previous(states, t, previous);
            let (projected, recurrent) = (&mut projected[of(3)], &mut recurrent[of(3)]);
            let (gradient, gates) = (&gradient[of(1)], &gates[of(4)]);
            let carried = &mut carried[..width * h];
            if self.on_one_thread(width) {
                gates_backward(h, gradient, gates, previous, carried, projected, recurrent);
            } else {
                let block = ROWS_PER_TASK * h;
                carried
                    .par_chunks_mut(block)
                    .zip(projected.par_chunks_mut(3 * block))
                    .zip(recurrent.par_chunks_mut(3 * block))
                    .zip(gradient.par_chunks(block))
                    .zip(gates.par_chunks(4 * block))
                    .zip(previous.par_chunks(block))
                    .for_each(|(((((c, p), r), g), s), v)| gates_backward(h, g, s, v, c, p, r));
            }
            let recurrent = MatrixView::new(recurrent, width, 3 * h);
            weight.multiply(carried, recurrent, true, self.threads, &mut buffers);
        }
        drop(weight);
        // All steps' contributions to the recurrent weights are one product.
        let mut weight = vec![0.0; 3 * h * h];
        let left = MatrixView::new(&recurrent, rows, 3 * h).transposed();
        let right = MatrixView::new(&previous, rows, h);
        match self.product {
            None => matmul(&mut weight, left, right, false, self.threads),
            Some(way) => {
                let left = Left::new(way, left, self.threads);
                products::multiply_matrix(&mut weight, &left, right, false, self.threads);
            }
        }
        let mut bias = vec![0.0; 3 * h];
        add_column_sums(&mut bias, &recurrent);
        ScanGradients {
            projected,
            weight,
            bias,
            initial: carried,
        }
    }
}

/// `r = s(x_r + h_r)`, `z = s(x_z + h_z)`, `n = tanh(x_n + r h_n)`, `h' = n + z (h - n)` for a
/// block of rows. r, z, n and h_n are written to `saved` unless it is empty.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn gates_forward(
    h: usize,
    projected: &[f32],
    recurrent: &[f32],
    bias: &[f32],
    previous: &[f32],
    states: &mut [f32],
    saved: &mut [f32],
) {
    let (bias_r, rest) = bias.split_at(h);
    let (bias_z, bias_n) = rest.split_at(h);
    let mut saved = saved.chunks_exact_mut(4 * h);
    let rows = states
        .chunks_exact_mut(h)
        .zip(previous.chunks_exact(h))
        .zip(
            projected
                .chunks_exact(3 * h)
                .zip(recurrent.chunks_exact(3 * h)),
        );
    for ((state, previous), (x, y)) in rows {
        let (x_r, rest) = x.split_at(h);
        let (x_z, x_n) = rest.split_at(h);
        let (y_r, rest) = y.split_at(h);
        let (y_z, y_n) = rest.split_at(h);
        let (x_n, y_n, bias_n) = (&x_n[..h], &y_n[..h], &bias_n[..h]);
        if let Some(saved) = saved.next() {
            let (save_r, rest) = saved.split_at_mut(h);
            let (save_z, rest) = rest.split_at_mut(h);
            let (save_n, save_hn) = rest.split_at_mut(h);
            let save_hn = &mut save_hn[..h];
            for j in 0..h {
                let r = sigmoid(x_r[j] + (y_r[j] + bias_r[j]));
                let z = sigmoid(x_z[j] + (y_z[j] + bias_z[j]));
                let hn = y_n[j] + bias_n[j];
                let n = tanh(x_n[j] + r * hn);
                (save_r[j], save_z[j], save_n[j], save_hn[j]) = (r, z, n, hn);
                state[j] = n + z * (previous[j] - n);
            }
        } else {
            for j in 0..h {
                let r = sigmoid(x_r[j] + (y_r[j] + bias_r[j]));
                let z = sigmoid(x_z[j] + (y_z[j] + bias_z[j]));
                let n = tanh(x_n[j] + r * (y_n[j] + bias_n[j]));
                state[j] = n + z * (previous[j] - n);
            }
        }
    }
}

/// The gradients of [`gates_forward`] for a block of rows. On entry, `carried` is the gradient from
/// later steps with respect to these states; on exit, the part that passes through z to the
/// previous states.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn gates_backward(
    h: usize,
    gradient: &[f32],
    saved: &[f32],
    previous: &[f32],
    carried: &mut [f32],
    projected: &mut [f32],
    recurrent: &mut [f32],
) {
    let rows = carried
        .chunks_exact_mut(h)
        .zip(gradient.chunks_exact(h).zip(previous.chunks_exact(h)))
        .zip(saved.chunks_exact(4 * h))
        .zip(
            projected
                .chunks_exact_mut(3 * h)
                .zip(recurrent.chunks_exact_mut(3 * h)),
        );
    for (((carried, (gradient, previous)), saved), (x, y)) in rows {
        let (r, rest) = saved.split_at(h);
        let (z, rest) = rest.split_at(h);
        let (n, hn) = rest.split_at(h);
        let hn = &hn[..h];
        let (x_r, rest) = x.split_at_mut(h);
        let (x_z, x_n) = rest.split_at_mut(h);
        let (y_r, rest) = y.split_at_mut(h);
        let (y_z, y_n) = rest.split_at_mut(h);
        let (x_n, y_n) = (&mut x_n[..h], &mut y_n[..h]);
        for j in 0..h {
            let d = gradient[j] + carried[j];
            let d_n = d * (1.0 - z[j]) * (1.0 - n[j] * n[j]);
            let d_z = d * (previous[j] - n[j]) * z[j] * (1.0 - z[j]);
            let d_r = d_n * hn[j] * r[j] * (1.0 - r[j]);
            (x_r[j], x_z[j], x_n[j]) = (d_r, d_z, d_n);
            (y_r[j], y_z[j], y_n[j]) = (d_r, d_z, d_n * r[j]);
            carried[j] = d * z[j];
        }
    }
}
