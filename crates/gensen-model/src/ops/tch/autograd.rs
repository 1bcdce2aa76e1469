//! A layer by libtorch's autograd, on any of its devices.

use burn::backend::libtorch::TchTensor;
use tch::Tensor;

use super::layer::{Computed, Gradients, Layer};

/// The states, and their derivative by all inputs of the layer.
pub(super) fn run(layer: Layer, differentiate: bool) -> Computed {
    let kind = layer.x.kind();
    let bidirectional = layer.bidirectional();
    let weights = layer.weights.iter().map(|blocks| match &blocks[..] {
        [whole] => whole.to_kind(kind),
        blocks => Tensor::cat(blocks, 1).to_kind(kind),
    });
    // Detached, so that they are leaves of libtorch's own graph, which Burn does not track.
    let leaves = [layer.x.detach(), layer.initial.detach()]
        .into_iter()
        .chain(weights.map(|weight| weight.detach()));
    let leaves: Vec<Tensor> = leaves
        .map(|leaf| leaf.set_requires_grad(differentiate))
        .collect();
    let (states, _) = Tensor::gru_data(
        &leaves[0],
        &Tensor::from_slice(&layer.widths),
        &leaves[1],
        &leaves[2..],
        true,
        1,
        0.0,
        differentiate,
        bidirectional,
    );
    let computed = states.detach();
    let graph = differentiate.then(|| {
        let leaves: Vec<TchTensor> = leaves.into_iter().map(TchTensor::new).collect();
        (leaves, TchTensor::new(states))
    });
    Computed {
        states: computed,
        gradients: graph.map(|(leaves, states)| -> Gradients {
            Box::new(move |gradient| {
                let states = &states;
                // The derivative of this sum with respect to the states is `gradient`.
                let sum = (&states.tensor * gradient).sum(None);
                let leaves: Vec<&Tensor> = leaves.iter().map(|leaf| &leaf.tensor).collect();
                Tensor::run_backward(&[sum], &leaves, false, false)
            })
        }),
    }
}
