//! Where states are computed: by kernels of our own on the CPU, by Burn on any other device.

use std::sync::Arc;

use burn::module::Param;
use burn::tensor::{Device, Tensor as BurnTensor, TensorData};

use super::cpu::{Gru, Projections, States};
use crate::dropout::Dropout;
use crate::encoder::{Encoder, GruLayer, GruWeights};
use crate::packed::Packed;
use crate::weights::{EncoderState, Tensor, gru_tensor_name};

/// The means to compute hidden states.
#[derive(Clone)]
pub(super) enum Engine {
    /// Weights packed for the CPU's kernels; the embedding stays where it is.
    Cpu(Arc<Gru>),
    /// All weights on a device of Burn's.
    Device(Box<Encoder>),
}

/// The words of a window of sentences, made ready.
pub(super) enum Words<'a> {
    Cpu(&'a Gru, Projections),
    Device(&'a Encoder, &'a [u32]),
}

impl Engine {
    pub(super) fn new(weights: &EncoderState, device: &Device) -> Self {
        if *device == Device::flex() {
            Self::Cpu(Arc::new(Gru::new(weights)))
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
    pub(super) fn prepare<'a>(&'a self, embedding: &Tensor, words: &'a [u32]) -> Words<'a> {
        match self {
            Self::Cpu(gru) => Words::Cpu(gru, gru.project(embedding, words)),
            Self::Device(encoder) => Words::Device(encoder, words),
        }
    }
}

impl Words<'_> {
    /// The top layer's states of a batch whose ids are places in the prepared words.
    pub(super) fn states(&self, mut packed: Packed) -> States {
        match self {
            Self::Cpu(gru, projections) => gru.states(projections, &packed.ids, &packed.steps),
            Self::Device(encoder, words) => {
                for id in &mut packed.ids {
                    *id = words[*id as usize];
                }
                let states = encoder.states(&packed, &mut Dropout::off(), 0.0);
                let width = states.dims()[1];
                let bidirectional = encoder.layers.iter().all(|layer| layer.reverse.is_some());
                let states: Vec<f32> = states.into_data().iter::<f32>().collect();
                if !bidirectional {
                    return States {
                        forward: states,
                        reverse: None,
                    };
                }
                let half = |second: bool| {
                    let range = if second {
                        width / 2..width
                    } else {
                        0..width / 2
                    };
                    let rows = states.chunks_exact(width);
                    rows.flat_map(|row| &row[range.clone()]).copied().collect()
                };
                States {
                    forward: half(false),
                    reverse: Some(half(true)),
                }
            }
        }
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
    use crate::packed::Packed;
    use crate::sentence_encoder::tests::random_state;

    #[test]
    fn our_kernels_equal_burns() {
        for (layers, bidirectional) in [(1, true), (2, true), (1, false), (3, false)] {
            let state = random_state(30, 9, 13, layers, bidirectional);
            let device = Device::flex();
            let cpu = Engine::Cpu(Arc::new(Gru::new(&state)));
            let burn = Engine::Device(Box::new(on_device(&state, &device)));
            let words: Vec<u32> = (0..30).rev().collect();
            let sentences: [&[u32]; 5] =
                [&[3, 4, 5, 6], &[7], &[8, 9, 3, 3, 11, 29], &[0; 6], &[1, 2]];
            let packed = Packed::from_slices(&sentences);
            let found = cpu
                .prepare(state.embedding(), &words)
                .states(packed.clone());
            let expected = burn.prepare(state.embedding(), &words).states(packed);
            let pairs = [
                (Some(found.forward), Some(expected.forward)),
                (found.reverse, expected.reverse),
            ];
            for (found, expected) in pairs {
                assert_eq!(found.is_some(), expected.is_some());
                for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
                    assert!((a - b).abs() < 2e-6, "{a} and {b}, {layers} layers");
                }
            }
        }
    }
}
