//! Where states are computed: by kernels of our own on the CPU, by Burn on any other device.

use std::sync::Arc;

use burn::module::Param;
use burn::tensor::{Device, Tensor as BurnTensor, TensorData};

use super::cpu::{Gru, Packed as PackedGru, Projections};
use super::kernel::{Floats, Halves, Integers};
use super::options::EncoderPrecision;
use super::pool::{DirectionStates, States};
use crate::dropout::Dropout;
use crate::encoder::{Encoder, GruLayer, GruWeights};
use crate::packed::Packed;
use crate::weights::{EncoderState, Tensor, WeightsError, embedding_row, gru_tensor_name};

/// Words after which the memory that the system has filled with embeddings is given back: with a
/// word, it reads its surroundings.
const HELD_WORDS: usize = 256;

/// The means to compute hidden states.
#[derive(Clone)]
pub(super) enum Engine {
    /// Weights packed for the CPU's kernels; the embedding stays where it is.
    Cpu(Arc<dyn Gru>),
    /// All weights on a device of Burn's.
    Device(Box<Encoder>),
}

/// The words of a window of sentences, made ready.
pub(super) enum Words<'a> {
    Cpu(&'a dyn Gru, Projections),
    Device(&'a Encoder, &'a [u32]),
}

impl Engine {
    /// With weights of this precision; `None` if `device` does not compute with it.
    pub(super) fn new(
        weights: &EncoderState,
        device: &Device,
        precision: EncoderPrecision,
    ) -> Option<Self> {
        let cpu = *device == Device::flex();
        match precision {
            EncoderPrecision::F32 => Some(Self::floats(weights, device)),
            EncoderPrecision::F16 if cpu => {
                Some(Self::Cpu(Arc::new(PackedGru::<Halves>::new(weights))))
            }
            EncoderPrecision::I8 if cpu => {
                Some(Self::Cpu(Arc::new(PackedGru::<Integers>::new(weights))))
            }
            _ => None,
        }
    }

    /// With weights as 32-bit floats.
    pub(super) fn floats(weights: &EncoderState, device: &Device) -> Self {
        if *device == Device::flex() {
            Self::Cpu(Arc::new(PackedGru::<Floats>::new(weights)))
        } else {
            Self::Device(Box::new(on_device(weights, device)))
        }
    }

    /// The same with other word embeddings.
    pub(super) fn with_embedding(&self, embedding: &Tensor) -> Self {
        match self {
            Self::Cpu(gru) => Self::Cpu(Arc::clone(gru)),
            Self::Device(encoder) => {
                let device = encoder.embedding.val().device();
                let mut encoder = encoder.clone();
                encoder.embedding = matrix(embedding, &device);
                Self::Device(encoder)
            }
        }
    }

    /// Makes distinct words ready to be referred to by their place in `words`.
    pub(super) fn prepare<'a>(
        &'a self,
        embedding: &Tensor,
        words: &'a [u32],
    ) -> Result<Words<'a>, WeightsError> {
        Ok(match self {
            Self::Cpu(gru) => {
                let mut read = |k: usize, out: &mut [f32]| {
                    if k.is_multiple_of(HELD_WORDS) {
                        embedding.release();
                    }
                    let word = words.get(k).copied().unwrap_or(u32::MAX);
                    embedding_row(embedding, word as usize, out)
                };
                Words::Cpu(gru.as_ref(), gru.project(words.len(), &mut read)?)
            }
            Self::Device(encoder) => Words::Device(encoder, words),
        })
    }
}

impl Words<'_> {
    /// The top layer's states of a batch of sentences, whose words are places in the prepared ones.
    pub(super) fn states(&self, sentences: &[&[u32]]) -> States {
        match self {
            Self::Cpu(gru, projections) => gru.states(projections, sentences),
            Self::Device(encoder, words) => on_device_states(encoder, words, sentences),
        }
    }
}

fn on_device_states(encoder: &Encoder, words: &[u32], sentences: &[&[u32]]) -> States {
    let mut packed = Packed::from_slices(sentences);
    for id in &mut packed.ids {
        *id = words[*id as usize];
    }
    let mut ranks = vec![0; sentences.len()];
    for (rank, &sentence) in packed.order.iter().enumerate() {
        ranks[sentence] = rank;
    }
    let row = |(sentence, step)| packed.steps.start(step) + ranks[sentence];
    let places = (0..sentences.len()).flat_map(|i| (0..sentences[i].len()).map(move |t| (i, t)));
    let rows: Vec<u32> = places.map(|place| row(place) as u32).collect();
    let states = encoder.states(&packed, &mut Dropout::off(), 0.0);
    let width = states.dims()[1];
    let values: Vec<f32> = states.into_data().iter::<f32>().collect();
    let bidirectional = encoder.layers.iter().all(|layer| layer.reverse.is_some());
    let hidden = if bidirectional { width / 2 } else { width };
    let half = |k: usize| DirectionStates {
        values: values
            .chunks_exact(width)
            .flat_map(|row| &row[k * hidden..(k + 1) * hidden])
            .copied()
            .collect(),
        stride: hidden,
        rows: rows.clone(),
    };
    States {
        forward: half(0),
        reverse: bidirectional.then(|| half(1)),
        hidden,
    }
}

fn on_device(weights: &EncoderState, device: &Device) -> Encoder {
    let direction = |layer, reverse| {
        // `EncoderState` has checked that every tensor is there and has its shape.
        let tensor = |kind| {
            weights
                .tensors()
                .get(&gru_tensor_name(kind, layer, reverse))
        };
        let weight =
            |kind| tensor(kind).map_or_else(|| matrix_of(0, 0, &[], device), |t| matrix(t, device));
        let bias = |kind| {
            let values = tensor(kind)
                .map(Tensor::values)
                .unwrap_or_default()
                .into_owned();
            let count = values.len();
            let data = TensorData::new(values, [count]);
            Param::from_tensor(BurnTensor::from_data(data, device))
        };
        GruWeights {
            weight_ih: weight("weight_ih"),
            weight_hh: weight("weight_hh"),
            bias_ih: bias("bias_ih"),
            bias_hh: bias("bias_hh"),
        }
    };
    let layers = (0..weights.layers()).map(|layer| GruLayer {
        forward: direction(layer, false),
        reverse: weights.bidirectional().then(|| direction(layer, true)),
    });
    Encoder {
        embedding: matrix(weights.embedding(), device),
        layers: layers.collect(),
    }
}

fn matrix(tensor: &Tensor, device: &Device) -> Param<BurnTensor<2>> {
    let columns = tensor.shape().last().copied().unwrap_or(0);
    let rows = tensor.shape().first().copied().unwrap_or(0);
    matrix_of(rows, columns, &tensor.values(), device)
}

fn matrix_of(rows: usize, columns: usize, values: &[f32], device: &Device) -> Param<BurnTensor<2>> {
    let data = TensorData::new(values.to_vec(), [rows, columns]);
    Param::from_tensor(BurnTensor::from_data(data, device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence_encoder::tests::random_state;

    #[test]
    fn our_kernels_equal_burns() {
        for (layers, bidirectional) in [(1, true), (2, true), (1, false), (3, false)] {
            let state = random_state(30, 9, 13, layers, bidirectional);
            let device = Device::flex();
            let cpu = Engine::floats(&state, &device);
            let burn = Engine::Device(Box::new(on_device(&state, &device)));
            let words: Vec<u32> = (0..30).rev().collect();
            let sentences: [&[u32]; 6] = [
                &[3, 4, 5, 6],
                &[7],
                &[8, 9, 3, 3, 11, 29],
                &[0; 6],
                &[3, 4],
                &[7],
            ];
            let states = |engine: &Engine| {
                let words = engine.prepare(state.embedding(), &words).unwrap();
                words.states(&sentences)
            };
            let (found, expected) = (states(&cpu), states(&burn));
            let width = state.hidden_size();
            let [mut a, mut b] = [vec![0.0; width], vec![0.0; width]];
            for word in 0..sentences.iter().map(|s| s.len()).sum() {
                found.copy_word(word, &mut a);
                expected.copy_word(word, &mut b);
                for (a, b) in a.iter().zip(&b) {
                    assert!((a - b).abs() < 2e-6, "{a} and {b}, {layers} layers");
                }
            }
        }
    }
}
