//! libtorch's own bidirectional GRU (cuDNN's on CUDA), which takes packed sentences as we have them.

use burn::backend::libtorch::TchTensor;
use burn::backend::{LibTorch, TensorMetadata};
use tch::{Kind, Tensor};

use crate::ops::gru_layer::{GruLayerKernels, LayerBackward, LayerStates, LayerWeights};
use crate::packed::Steps;

impl GruLayerKernels for LibTorch {
    fn gru_layer(
        x: &TchTensor,
        weights: &LayerWeights<Self>,
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self>> {
        // cuDNN's GRU takes bf16 from torch 2.10 on; before, libtorch composes it step by step, which
        // our scan does in fewer calls.
        let composed = x.tensor.device().is_cuda() && x.tensor.kind() == Kind::BFloat16;
        if steps.is_empty() || composed {
            return None;
        }
        // libtorch differentiates from here to the states, which Burn knows nothing of.
        let leaf = |of: &TchTensor| of.tensor.detach().set_requires_grad(differentiate);
        let x_leaf = leaf(x);
        let weight_leaves = weights.each_ref().map(leaf);
        let widths: Vec<i64> = (0..steps.len()).map(|t| steps.width(t) as i64).collect();
        let hidden = weights[1].shape()[1] as i64;
        let kind = (x.tensor.kind(), x.tensor.device());
        let (states, _) = Tensor::gru_data(
            &x_leaf,
            &Tensor::from_slice(&widths),
            &Tensor::zeros([2, widths[0], hidden], kind),
            &weight_leaves,
            true,
            1,
            0.0,
            differentiate,
            true,
        );
        let result = TchTensor::new(states.detach());
        let backward = differentiate.then(|| {
            let states = TchTensor::new(states);
            let [a, b, c, d, e, f, g, h] = weight_leaves;
            let leaves = [x_leaf, a, b, c, d, e, f, g, h].map(TchTensor::new);
            // As long as these are held, Burn does not write where the derivative still reads.
            let held = (x.clone(), weights.clone(), result.clone());
            LayerBackward::new(move |gradient: TchTensor| {
                let (states, _) = (&states, &held);
                // The derivative of this sum by the states is `gradient`.
                let sum = (&states.tensor * &gradient.tensor).sum(None);
                let leaves = leaves.each_ref().map(|leaf| &leaf.tensor);
                let gradients = Tensor::run_backward(&[sum], &leaves, false, false);
                let mut gradients = gradients.into_iter().map(TchTensor::new);
                std::array::from_fn(|k| match gradients.next() {
                    Some(gradient) => gradient,
                    None => unreachable!("gradient {k} of nine"),
                })
            })
        });
        Some(LayerStates {
            states: result,
            backward,
        })
    }
}
