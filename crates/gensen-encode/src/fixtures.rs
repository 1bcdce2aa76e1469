//! Encoders' weights for tests.

use crate::model_folder::Architecture;
use crate::weights::{EMBEDDING, EncoderState, Tensor, TensorMap, gru_tensor_name};

/// Weights of these sizes; `next` returns one value after the other.
pub(crate) fn weights(sizes: &Architecture, next: impl FnMut() -> f32) -> EncoderState {
    let mut values = std::iter::repeat_with(next);
    let mut tensors = TensorMap::new();
    let mut insert = |name: String, shape: &[usize]| {
        let values = values.by_ref().take(shape.iter().product()).collect();
        tensors.insert(name, Tensor::new(shape.to_vec(), values).unwrap());
    };
    let hidden = sizes.direction_size();
    insert(
        EMBEDDING.to_owned(),
        &[sizes.vocabulary_size, sizes.embedding_size],
    );
    for layer in 0..sizes.layers {
        let inputs = match layer {
            0 => sizes.embedding_size,
            _ => sizes.hidden_size,
        };
        for reverse in [false, true]
            .into_iter()
            .take(1 + usize::from(sizes.bidirectional))
        {
            let name = |kind| gru_tensor_name(kind, layer, reverse);
            insert(name("weight_ih"), &[3 * hidden, inputs]);
            insert(name("weight_hh"), &[3 * hidden, hidden]);
            insert(name("bias_ih"), &[3 * hidden]);
            insert(name("bias_hh"), &[3 * hidden]);
        }
    }
    EncoderState::new(tensors).unwrap()
}
