//! The engine on the CPU: the encoder's GRU without a tensor library between it and the weights.

use std::convert::Infallible;
use std::sync::Arc;

use half::{bf16, f16};
use rayon::prelude::*;

use crate::kernels::gate_products::{
    Bf16s, Bytes, Floats, GROUP, Gates, Halves, Integers, Lanes, NO_GATES, Rows, UNITS, Weights,
    fetch,
};
use crate::kernels::gates::{Sources, advance};
use crate::kernels::products::{Bf16Product, ByteProduct};
use crate::prefixes::Prefixes;
use crate::weights::{
    EncoderState, GruTensors, StoredPrecision, Tensor, WeightsError, embedding_row,
};
use crate::{
    DirectionStates, DistinctWords, EncodeError, EncoderPrecision, Engine, Limits, States,
};

/// The least multiplications of a step for which a second thread is worth waking.
const WORTH_THREADS: usize = 1 << 18;
/// Words after which the memory that the system has filled with embeddings is given back: with a
/// word, it reads its surroundings.
const HELD_WORDS: usize = 256;

/// The input's share of the gates of a window's distinct words, in bytes, about.
const PROJECTION_BYTES: usize = 96 << 20;
/// The most words of a batch of more than one sentence: its states stay in the caches.
const BATCH_WORDS: usize = 1 << 12;

/// The engine on the CPU, by kernels of our own.
///
/// Its weights are packed for them in the precision asked for; the word embeddings stay where they
/// are, mapped from the model's file. A sentence's states have the same bits in any batch and with any number of threads.
#[derive(Clone)]
pub struct CpuEngine {
    gru: Arc<dyn Gru>,
    precision: EncoderPrecision,
    /// The word embeddings, lying so in memory that a row can be read in place.
    embedding: Tensor,
    /// Numbers of a word's share of the gates of all directions.
    gates: usize,
}

impl CpuEngine {
    /// With these weights as 32-bit floats.
    pub fn new(weights: &EncoderState) -> Self {
        let gru = PackedGru::<Floats>::new(weights);
        Self::of(gru, weights, EncoderPrecision::F32)
    }

    /// With these weights in this precision.
    ///
    /// # Errors
    ///
    /// Weights beyond the range of f16, if that is asked for.
    pub fn with_precision(
        weights: &EncoderState,
        precision: EncoderPrecision,
    ) -> Result<Self, WeightsError> {
        let widest = weights.embedding_size().max(weights.hidden_size());
        Ok(match precision {
            EncoderPrecision::F32 => Self::new(weights),
            EncoderPrecision::F16 => {
                weights.check_gru_range(StoredPrecision::F16)?;
                Self::of(PackedGru::<Halves<f16>>::new(weights), weights, precision)
            }
            EncoderPrecision::Bf16 if Bf16s::has_kernels() => {
                Self::of(PackedGru::<Bf16s>::new(weights), weights, precision)
            }
            EncoderPrecision::Bf16 => {
                Self::of(PackedGru::<Halves<bf16>>::new(weights), weights, precision)
            }
            EncoderPrecision::I8 if Bytes::has_kernels(widest) => {
                Self::of(PackedGru::<Bytes>::new(weights), weights, precision)
            }
            EncoderPrecision::I8 => {
                Self::of(PackedGru::<Integers>::new(weights), weights, precision)
            }
        })
    }

    fn of(gru: impl Gru + 'static, weights: &EncoderState, precision: EncoderPrecision) -> Self {
        Self {
            gru: Arc::new(gru),
            precision,
            embedding: in_place(weights.embedding()),
            gates: 3 * weights.hidden_size(),
        }
    }
}

impl Engine for CpuEngine {
    fn states(
        &self,
        words: DistinctWords<'_>,
        batches: &[Vec<&[u32]>],
        each: &mut dyn FnMut(usize, &States),
    ) -> Result<(), EncodeError> {
        let mut read = |k: usize, out: &mut [f32]| {
            if k.is_multiple_of(HELD_WORDS) {
                self.embedding.release();
            }
            let (id, known) = (words.ids[k] as usize, self.embedding.shape()[0]);
            if id < known {
                return embedding_row(&self.embedding, id, out);
            }
            out.copy_from_slice(&words.spelled[(id - known) * out.len()..][..out.len()]);
            Ok(())
        };
        let projections = self.gru.project(words.ids.len(), &mut read)?;
        for (k, batch) in batches.iter().enumerate() {
            each(k, &self.gru.states(&projections, batch));
        }
        Ok(())
    }

    fn with_embedding(&self, embedding: &Tensor) -> Arc<dyn Engine> {
        Arc::new(Self {
            gru: Arc::clone(&self.gru),
            precision: self.precision,
            embedding: in_place(embedding),
            gates: self.gates,
        })
    }

    fn arithmetic(&self) -> String {
        let (bf16, bytes) = (Bf16Product::best(), ByteProduct::best());
        format!(
            "cpu {}, {}, {bf16:?}, {bytes:?}",
            self.precision,
            std::env::consts::ARCH
        )
    }

    fn limits(&self) -> Limits {
        Limits {
            batch_words: BATCH_WORDS,
            distinct_words: PROJECTION_BYTES / (self.gates * size_of::<f32>()),
        }
    }
}

/// The tensor itself, or a copy in memory if its place in a file is not aligned for this machine.
fn in_place(tensor: &Tensor) -> Tensor {
    if tensor.is_in_place() {
        return tensor.clone();
    }
    let values = tensor.values().into_owned();
    #[allow(
        clippy::expect_used,
        reason = "a tensor has as many values as its shape says"
    )]
    Tensor::new(tensor.shape().to_vec(), values).expect("as many values as the tensor has")
}

/// The GRU of an encoder, its weights packed.
trait Gru: Send + Sync {
    /// Projects the embeddings of `count` words, which `read` copies one after the other.
    fn project(&self, count: usize, read: &mut ReadRow<'_>) -> Result<Projections, WeightsError>;

    /// The top layer's states of a batch of sentences, whose words are rows of `projections`.
    fn states(&self, projections: &Projections, sentences: &[&[u32]]) -> States;
}

/// Copies the row with this number.
type ReadRow<'a, E = WeightsError> = dyn FnMut(usize, &mut [f32]) -> Result<(), E> + 'a;

/// The input's share of a layer's gates for some words, for each direction.
struct Projections(Vec<Projection>);

/// `[panel][row]`: what the inputs and the biases contribute to the gates.
struct Projection {
    gates: Vec<Gates>,
    rows: usize,
}

/// A GRU whose weights are packed as `W`.
struct PackedGru<W> {
    layers: Vec<Vec<Direction<W>>>,
    inputs: usize,
    hidden: usize,
}

impl<W: Weights> PackedGru<W> {
    fn new(weights: &EncoderState) -> Self {
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

    /// Both directions of a layer, at the same time.
    fn scan(&self, layer: usize, projections: &Projections, sentences: &[&[u32]]) -> States {
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

impl<W: Weights> Gru for PackedGru<W> {
    fn project(&self, count: usize, read: &mut ReadRow<'_>) -> Result<Projections, WeightsError> {
        project(&self.layers[0], count, self.inputs, read)
    }

    fn states(&self, projections: &Projections, sentences: &[&[u32]]) -> States {
        let mut states = self.scan(0, projections, sentences);
        let total = sentences.iter().map(|sentence| sentence.len()).sum();
        // Above the first layer, no two words of the batch have the same input.
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

fn project<W: Weights, E>(
    layer: &[Direction<W>],
    count: usize,
    columns: usize,
    read: &mut ReadRow<'_, E>,
) -> Result<Projections, E> {
    let weights = &layer[0].input;
    let mut rows = Rows::new(count, columns);
    rows.set_count(count);
    let mut row = vec![0.0; columns];
    for r in 0..count {
        read(r, &mut row)?;
        rows.set(weights, r, &row, false);
    }
    let project = |direction: &Direction<W>| direction.project(&rows);
    Ok(Projections(layer.iter().map(project).collect()))
}

/// One direction of one layer.
struct Direction<W> {
    hidden: usize,
    input: W,
    recurrent: W,
    /// For each panel, `b_ir + b_hr`, `b_iz + b_hz` and `b_in`.
    bias: Vec<Gates>,
    /// For each panel, `b_hn`, which is under the reset gate.
    candidate_bias: Vec<Lanes>,
}

impl<W: Weights> Direction<W> {
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

    /// What these rows of inputs and the biases contribute to the gates.
    fn project(&self, rows: &Rows<W>) -> Projection {
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
        Projection { gates, rows: count }
    }

    /// The states of the nodes, `[nodes, hidden]` with `hidden` filled up to whole panels.
    fn scan(&self, projection: &Projection, prefixes: &Prefixes) -> Vec<f32> {
        let (h, panels) = (self.hidden, self.recurrent.panels());
        // An odd stride spreads a row's numbers over the sets of the cache.
        let stride = prefixes.widest() | 1;
        let mut states = vec![0.0; prefixes.words().len() * panels * UNITS];
        let mut previous = vec![Lanes::ZERO; panels * stride];
        let mut current = previous.clone();
        let mut inputs = Rows::<W>::new(stride, h);
        for level in prefixes.levels() {
            let sources = Sources {
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
                            .for_each(|&word| fetch(&projected[word as usize]));
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
