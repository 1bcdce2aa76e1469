//! The encoder's GRU on the CPU, without a tensor library between it and the weights.

use multiversion::multiversion;
use rayon::prelude::*;

use super::kernel::{Gates, Lanes, NO_GATES, Panels, Rows, UNITS, pack_rows};
use crate::ops::math::{sigmoid, tanh};
use crate::packed::Steps;
use crate::weights::{EncoderState, Tensor, gru_tensor_name};

/// Below so many multiplications, a second thread costs more than it brings.
const WORTH_THREADS: usize = 1 << 18;

/// The states of a packed batch, `[rows, hidden size of a direction]`, for each direction.
pub(super) struct States {
    /// From the first word to the last.
    pub(super) forward: Vec<f32>,
    /// From the last word to the first.
    pub(super) reverse: Option<Vec<f32>>,
}

/// The input's share of the first layer's gates for some words, for each direction.
pub(super) struct Projections(Vec<Projection>);

/// `[panel][row]`: what the inputs and the biases contribute to the gates.
struct Projection {
    gates: Vec<Gates>,
    rows: usize,
}

/// The GRU of an encoder, its weights packed.
pub(super) struct Gru {
    layers: Vec<Vec<Direction>>,
    hidden: usize,
}

impl Gru {
    pub(super) fn new(weights: &EncoderState) -> Self {
        let hidden = weights.direction_size();
        let direction = |layer, reverse| {
            let tensor = |kind| {
                weights
                    .tensors()
                    .get(&gru_tensor_name(kind, layer, reverse))
            };
            let inputs = match layer {
                0 => weights.embedding_size(),
                _ => weights.hidden_size(),
            };
            Direction::new(tensor, reverse, hidden, inputs)
        };
        let layers = (0..weights.layers())
            .map(|layer| {
                (0..weights.directions())
                    .map(|k| direction(layer, k == 1))
                    .collect()
            })
            .collect();
        Self { layers, hidden }
    }

    /// Projects the embeddings of these words, each once.
    pub(super) fn project(&self, embedding: &Tensor, words: &[u32]) -> Projections {
        let size = embedding.shape().last().copied().unwrap_or(0);
        let values = embedding.f16_values().is_none().then(|| embedding.values());
        let lanes = pack_rows(words.len(), size, |r, out| {
            let word = words[r] as usize;
            match &values {
                Some(values) => out.copy_from_slice(&values[word * size..(word + 1) * size]),
                None => {
                    embedding.copy_row(word, out);
                }
            }
        });
        let first = self.layers.first().map(Vec::as_slice).unwrap_or_default();
        let project = |direction: &Direction| direction.project(&lanes, words.len());
        Projections(first.iter().map(project).collect())
    }

    /// The top layer's states. `words` names, for each row of the batch, a row of `projections`.
    pub(super) fn states(&self, projections: &Projections, words: &[u32], steps: &Steps) -> States {
        let Some((first, others)) = self.layers.split_first() else {
            return States {
                forward: Vec::new(),
                reverse: None,
            };
        };
        let mut states = scan(first, &projections.0, words, steps);
        let every: Vec<u32> = match others {
            [] => Vec::new(),
            _ => (0..steps.rows() as u32).collect(),
        };
        for layer in others {
            let h = self.hidden;
            let lanes = pack_rows(steps.rows(), h * layer.len(), |r, out| {
                let (forward, reverse) = out.split_at_mut(h);
                forward.copy_from_slice(&states.forward[r * h..(r + 1) * h]);
                if let Some(states) = &states.reverse {
                    reverse.copy_from_slice(&states[r * h..(r + 1) * h]);
                }
            });
            let project = |direction: &Direction| direction.project(&lanes, steps.rows());
            let projections: Vec<_> = layer.iter().map(project).collect();
            states = scan(layer, &projections, &every, steps);
        }
        states
    }
}

/// Both directions of a layer, at the same time.
fn scan(layer: &[Direction], projections: &[Projection], words: &[u32], steps: &Steps) -> States {
    match (layer, projections) {
        ([forward, reverse], [x, y]) => {
            let (forward, reverse) = rayon::join(
                || forward.scan(x, words, steps),
                || reverse.scan(y, words, steps),
            );
            States {
                forward,
                reverse: Some(reverse),
            }
        }
        ([forward, ..], [x, ..]) => States {
            forward: forward.scan(x, words, steps),
            reverse: None,
        },
        _ => States {
            forward: Vec::new(),
            reverse: None,
        },
    }
}

/// One direction of one layer.
struct Direction {
    reverse: bool,
    hidden: usize,
    input: Panels,
    recurrent: Panels,
    /// For each panel, `b_ir + b_hr`, `b_iz + b_hz` and `b_in`.
    bias: Vec<Gates>,
    /// For each panel, `b_hn`, which is under the reset gate.
    candidate_bias: Vec<Lanes>,
}

impl Direction {
    fn new<'a>(
        tensor: impl Fn(&'static str) -> Option<&'a Tensor>,
        reverse: bool,
        hidden: usize,
        inputs: usize,
    ) -> Self {
        // `EncoderState` has checked that every tensor is there and has its shape.
        let values = |kind| tensor(kind).map(Tensor::values).unwrap_or_default();
        let (bias_ih, bias_hh) = (values("bias_ih"), values("bias_hh"));
        let panels = hidden.div_ceil(UNITS);
        let mut bias = vec![NO_GATES; panels];
        let mut candidate_bias = vec![Lanes::ZERO; panels];
        for unit in 0..hidden {
            let (panel, lane) = (unit / UNITS, unit % UNITS);
            let [r, z, n] = [unit, hidden + unit, 2 * hidden + unit];
            bias[panel][0].0[lane] = bias_ih[r] + bias_hh[r];
            bias[panel][1].0[lane] = bias_ih[z] + bias_hh[z];
            bias[panel][2].0[lane] = bias_ih[n];
            candidate_bias[panel].0[lane] = bias_hh[n];
        }
        Self {
            reverse,
            hidden,
            input: Panels::new(&values("weight_ih"), hidden, inputs),
            recurrent: Panels::new(&values("weight_hh"), hidden, hidden),
            bias,
            candidate_bias,
        }
    }

    /// What these rows of inputs, and the biases, contribute to the gates.
    fn project(&self, lanes: &[Lanes], rows: usize) -> Projection {
        let mut gates = vec![NO_GATES; self.input.len() * rows];
        let inputs = Rows {
            lanes,
            stride: rows,
            count: rows,
        };
        if rows > 0 {
            let panels = gates.par_chunks_mut(rows).zip(&self.bias).enumerate();
            panels.for_each(|(panel, (gates, bias))| {
                gates.fill(*bias);
                self.input.add_product(panel, inputs, gates);
            });
        }
        Projection { gates, rows }
    }

    /// The states `[rows, hidden]` of a packed batch, from zeros.
    fn scan(&self, projection: &Projection, words: &[u32], steps: &Steps) -> Vec<f32> {
        let (h, panels) = (self.hidden, self.recurrent.len());
        let widest = steps.width(0);
        // An odd stride spreads a row's numbers over the sets of the cache.
        let stride = widest | 1;
        let mut states = vec![0.0; steps.rows() * h];
        let mut previous = vec![Lanes::ZERO; panels * stride];
        let mut current = previous.clone();
        for k in 0..steps.len() {
            let t = if self.reverse { steps.len() - 1 - k } else { k };
            let (start, width) = (steps.start(t), steps.width(t));
            let words = &words[start..start + width];
            // Rows that have a state already; the others' rows of `previous` are zeros.
            let known = Rows {
                lanes: &previous,
                stride,
                count: match (self.reverse, k) {
                    (_, 0) => 0,
                    (true, _) => steps.width(t + 1),
                    (false, _) => width,
                },
            };
            let multiplications = known.count * 3 * h * h;
            let least = if multiplications < WORTH_THREADS {
                panels
            } else {
                1
            };
            current
                .par_chunks_mut(stride)
                .enumerate()
                .with_min_len(least)
                .for_each_init(
                    || vec![NO_GATES; width],
                    |gates, (panel, current)| {
                        gates.fill(NO_GATES);
                        self.recurrent.add_product(panel, known, gates);
                        let projected = &projection.gates[panel * projection.rows..];
                        let previous = &known.lanes[panel * stride..];
                        let bias = &self.candidate_bias[panel];
                        advance(gates, projected, words, bias, previous, current);
                    },
                );
            let states = &mut states[start * h..(start + width) * h];
            for (row, states) in states.chunks_exact_mut(h).enumerate() {
                for (panel, states) in states.chunks_mut(UNITS).enumerate() {
                    states.copy_from_slice(&current[panel * stride + row].0[..states.len()]);
                }
            }
            std::mem::swap(&mut previous, &mut current);
        }
        states
    }
}

/// Rows whose gates are computed at once.
const GATE_ROWS: usize = 8;

/// `r = s(x_r + h_r)`, `z = s(x_z + h_z)`, `n = tanh(x_n + r h_n)`, `h' = n + z (h - n)` for eight
/// units of each row.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn advance(
    recurrent: &[Gates],
    projected: &[Gates],
    words: &[u32],
    bias: &Lanes,
    previous: &[Lanes],
    current: &mut [Lanes],
) {
    // The sums of some rows go one after the other, into one long loop that is vectorised.
    let [mut r, mut z, mut x_n, mut h_n] = [[0.0; GATE_ROWS * UNITS]; 4];
    for (start, recurrent) in (0..).step_by(GATE_ROWS).zip(recurrent.chunks(GATE_ROWS)) {
        let rows = start..start + recurrent.len();
        let count = recurrent.len() * UNITS;
        for (k, (y, &word)) in recurrent.iter().zip(&words[rows.clone()]).enumerate() {
            let x = &projected[word as usize];
            let place = k * UNITS..(k + 1) * UNITS;
            add(&mut r[place.clone()], &x[0], &y[0]);
            add(&mut z[place.clone()], &x[1], &y[1]);
            add(&mut h_n[place.clone()], &y[2], bias);
            x_n[place].copy_from_slice(&x[2].0);
        }
        let sums = z[..count].iter_mut().zip(&mut x_n[..count]);
        for ((z, n), (&r, &h_n)) in sums.zip(r[..count].iter().zip(&h_n[..count])) {
            *z = sigmoid(*z);
            *n = tanh(*n + sigmoid(r) * h_n);
        }
        let gates = z.chunks_exact(UNITS).zip(x_n.chunks_exact(UNITS));
        let states = previous[rows.clone()].iter().zip(&mut current[rows]);
        for ((previous, current), (z, n)) in states.zip(gates) {
            for j in 0..UNITS {
                current.0[j] = n[j] + z[j] * (previous.0[j] - n[j]);
            }
        }
    }
}

#[inline(always)]
fn add(sum: &mut [f32], a: &Lanes, b: &Lanes) {
    for (sum, (a, b)) in sum.iter_mut().zip(a.0.iter().zip(&b.0)) {
        *sum = a + b;
    }
}
