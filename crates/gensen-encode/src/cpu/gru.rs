//! The GRU of an encoder on the CPU, in any precision.

use std::convert::Infallible;

use rayon::prelude::*;

use crate::kernels::gate_products::{
    GROUP, Gates, InputRows, Lanes, NO_GATES, PackedWeights, UNITS, prefetch,
};
use crate::kernels::gates::{StateSources, advance};
use crate::prefixes::Prefixes;
use crate::weights::{EncoderState, GruTensors, WeightsError};
use crate::{DirectionStates, States};

/// A step with fewer multiplications runs on one thread.
const WORTH_THREADS: usize = 1 << 18;

/// The GRU of an encoder with packed weights, in any precision.
pub(super) trait Gru: Send + Sync {
    /// Projects the embeddings of `count` words; `read` copies the embedding of each.
    fn project(
        &self,
        count: usize,
        read: &mut ReadRow<'_>,
    ) -> Result<InputProjections, WeightsError>;

    /// The top layer's states of a batch; the words of `sentences` are rows of `projections`.
    fn states(&self, projections: &InputProjections, sentences: &[&[u32]]) -> States;
}

/// Copies row `usize` into the slice.
pub(super) type ReadRow<'a, E = WeightsError> = dyn FnMut(usize, &mut [f32]) -> Result<(), E> + 'a;

/// Each direction's projection of a layer's inputs.
pub(super) struct InputProjections(Vec<InputProjection>);

/// The inputs' and biases' part of the gates: `W_i x + b`.
struct InputProjection {
    /// `[panel][row]`.
    gates: Vec<Gates>,
    rows: usize,
}

/// A GRU whose weights are packed as `W`.
pub(super) struct PackedGru<W> {
    layers: Vec<Vec<Direction<W>>>,
    inputs: usize,
    hidden: usize,
}

impl<W: PackedWeights> PackedGru<W> {
    /// Packs the weights of the GRU.
    pub(super) fn new(weights: &EncoderState) -> Self {
        let hidden = weights.direction_size();
        let direction = |layer, reverse| {
            let inputs = match layer {
                0 => weights.embedding_size(),
                _ => weights.hidden_size(),
            };
            Direction::new(weights.gru(layer, reverse), hidden, inputs)
        };
        let layers = (0..weights.layers())
            .map(|layer| {
                (0..weights.directions())
                    .map(|k| direction(layer, k == 1))
                    .collect()
            })
            .collect();
        Self {
            layers,
            inputs: weights.embedding_size(),
            hidden,
        }
    }

    /// Runs a layer, both directions in parallel.
    fn scan(&self, layer: usize, projections: &InputProjections, sentences: &[&[u32]]) -> States {
        let one = |direction: &Direction<W>, projection, backwards| {
            let prefixes = Prefixes::new(sentences, backwards);
            DirectionStates {
                values: direction.scan(projection, &prefixes),
                stride: self.hidden.next_multiple_of(UNITS),
                rows: prefixes.into_nodes(),
            }
        };
        let (forward, reverse) = match (&self.layers[layer][..], &projections.0[..]) {
            ([forward, reverse], [x, y]) => {
                let (forward, reverse) =
                    rayon::join(|| one(forward, x, false), || one(reverse, y, true));
                (forward, Some(reverse))
            }
            (layer, projections) => (one(&layer[0], &projections[0], false), None),
        };
        States {
            forward,
            reverse,
            hidden: self.hidden,
        }
    }
}

impl<W: PackedWeights> Gru for PackedGru<W> {
    fn project(
        &self,
        count: usize,
        read: &mut ReadRow<'_>,
    ) -> Result<InputProjections, WeightsError> {
        project(&self.layers[0], count, self.inputs, read)
    }

    fn states(&self, projections: &InputProjections, sentences: &[&[u32]]) -> States {
        let mut states = self.scan(0, projections, sentences);
        let total = sentences.iter().map(|sentence| sentence.len()).sum();
        // Above the first layer, each word of the batch has an input of its own.
        let every: Vec<u32> = (0..total as u32).collect();
        let mut left = &every[..];
        let own = sentences.iter().map(|sentence| {
            let (own, others) = left.split_at(sentence.len());
            left = others;
            own
        });
        let sentences: Vec<&[u32]> = own.collect();
        for (k, layer) in self.layers.iter().enumerate().skip(1) {
            let mut read = |word, out: &mut [f32]| {
                states.copy_word(word, out);
                Ok::<_, Infallible>(())
            };
            let Ok(projections) = project(layer, total, self.hidden * layer.len(), &mut read);
            states = self.scan(k, &projections, &sentences);
        }
        states
    }
}

fn project<W: PackedWeights, E>(
    layer: &[Direction<W>],
    count: usize,
    columns: usize,
    read: &mut ReadRow<'_, E>,
) -> Result<InputProjections, E> {
    let weights = &layer[0].input;
    let mut rows = InputRows::new(count, columns);
    rows.set_count(count);
    let mut row = vec![0.0; columns];
    for r in 0..count {
        read(r, &mut row)?;
        rows.set(weights, r, &row, false);
    }
    let project = |direction: &Direction<W>| direction.project(&rows);
    Ok(InputProjections(layer.iter().map(project).collect()))
}

/// One direction of one layer.
struct Direction<W> {
    hidden: usize,
    input: W,
    recurrent: W,
    /// `b_ir + b_hr`, `b_iz + b_hz` and `b_in` of each panel.
    bias: Vec<Gates>,
    /// `b_hn` of each panel; the reset gate multiplies it, so it cannot be added to `b_in`.
    candidate_bias: Vec<Lanes>,
}

impl<W: PackedWeights> Direction<W> {
    fn new(tensors: GruTensors<'_>, hidden: usize, inputs: usize) -> Self {
        let (bias_ih, bias_hh) = (tensors.bias_ih.values(), tensors.bias_hh.values());
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
            hidden,
            input: W::new(&tensors.weight_ih.values(), hidden, inputs),
            recurrent: W::new(&tensors.weight_hh.values(), hidden, hidden),
            bias,
            candidate_bias,
        }
    }

    /// Multiplies rows of inputs by the input weights and adds the biases.
    fn project(&self, rows: &InputRows<W>) -> InputProjection {
        let count = rows.count();
        let mut gates = vec![NO_GATES; self.input.panels() * count];
        if count > 0 {
            let groups = gates.par_chunks_mut(GROUP * count);
            let groups = groups.zip(self.bias.par_chunks(GROUP)).enumerate();
            groups.for_each(|(group, (gates, bias))| {
                self.input.product(group, rows, gates);
                for (gates, bias) in gates.chunks_exact_mut(count).zip(bias) {
                    for gates in gates {
                        for (gate, bias) in gates.iter_mut().zip(bias) {
                            for (gate, bias) in gate.0.iter_mut().zip(bias.0) {
                                *gate += bias;
                            }
                        }
                    }
                }
            });
        }
        InputProjection { gates, rows: count }
    }

    /// The states of the nodes, `[nodes, hidden]` with `hidden` padded to whole panels.
    fn scan(&self, projection: &InputProjection, prefixes: &Prefixes) -> Vec<f32> {
        let (h, panels) = (self.hidden, self.recurrent.panels());
        // An odd stride spreads a row's values over the sets of the cache.
        let stride = prefixes.widest() | 1;
        let mut states = vec![0.0; prefixes.words().len() * panels * UNITS];
        let mut previous = vec![Lanes::ZERO; panels * stride];
        let mut current = previous.clone();
        let mut inputs = InputRows::<W>::new(stride, h);
        for level in prefixes.levels() {
            let sources = StateSources {
                words: &prefixes.words()[level.nodes.clone()],
                parents: &prefixes.parents()[level.nodes.clone()],
            };
            let known = inputs.count();
            let least = if known * 3 * h * h < WORTH_THREADS {
                panels
            } else {
                1
            };
            let groups = current.par_chunks_mut(GROUP * stride).enumerate();
            groups.with_min_len(least).for_each_init(
                || vec![NO_GATES; GROUP * known.max(1)],
                |gates, (group, current)| {
                    let gates = &mut gates[..current.len() / stride * known.max(1)];
                    let group_panels = group * GROUP..group * GROUP + current.len() / stride;
                    for panel in group_panels {
                        let projected = &projection.gates[panel * projection.rows..];
                        sources
                            .words
                            .iter()
                            .for_each(|&word| prefetch(&projected[word as usize]));
                    }
                    if known > 0 {
                        self.recurrent.product(group, &inputs, gates);
                    }
                    let panels = current.chunks_exact_mut(stride);
                    for (k, (current, recurrent)) in
                        panels.zip(gates.chunks_exact(known.max(1))).enumerate()
                    {
                        let panel = group * GROUP + k;
                        let projected = &projection.gates[panel * projection.rows..];
                        let previous = &previous[panel * stride..];
                        let bias = &self.candidate_bias[panel];
                        advance(&sources, projected, recurrent, bias, previous, current);
                    }
                },
            );
            let width = panels * UNITS;
            let rows = states[level.nodes.start * width..level.nodes.end * width]
                .chunks_exact_mut(width)
                .enumerate();
            inputs.set_count(level.continued);
            for (row, states) in rows {
                for (panel, states) in states.chunks_exact_mut(UNITS).enumerate() {
                    states.copy_from_slice(&current[panel * stride + row].0);
                }
                if row < level.continued {
                    inputs.set(&self.recurrent, row, states, true);
                }
            }
            std::mem::swap(&mut previous, &mut current);
        }
        states
    }
}
