//! libtorch's own GRU (cuDNN's on CUDA), which accepts our packed sentences directly.
//!
//! cuDNN's supports bf16 from torch 2.10 on; before, libtorch computes it step by step.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::Tensor;

use crate::ops::gru_layer::{GruLayerKernels, LayerBackward, LayerStates};
use crate::packed::Steps;

/// cuDNN's number for a GRU, `CUDNN_GRU`.
const CUDNN_GRU: i64 = 3;

impl GruLayerKernels for LibTorch {
    fn bidirectional_layer(
        inputs: &[TchTensor; 9],
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self, 9>> {
        let [x, weights @ ..] = inputs.each_ref().map(|input| input.tensor.detach());
        if steps.is_empty() {
            return None;
        }
        let initial = [2, steps.width(0) as i64, weights[1].size()[1]];
        let initial = Tensor::zeros(initial, (x.kind(), x.device()));
        let layer = TorchLayer::new(x, initial, weights.into(), steps, differentiate);
        Some(layer.finish(inputs, |[x, _, weights @ ..]: [Tensor; 10]| {
            let [a, b, c, d, e, f, g, h] = weights;
            [x, a, b, c, d, e, f, g, h]
        }))
    }

    /// The context is concatenated to every word's input, with concatenated weights: the gates are
    /// the same.
    fn conditional_layer(
        inputs: &[TchTensor; 8],
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self, 8>> {
        let [
            x,
            context,
            x_weight,
            x_bias,
            c_weight,
            c_bias,
            h_weight,
            h_bias,
        ] = inputs.each_ref().map(|input| input.tensor.detach());
        if steps.is_empty() || context.size()[0] != steps.width(0) as i64 {
            return None;
        }
        let ranks: Vec<u32> = steps.ranks().collect();
        let ranks = super::upload_indices(&ranks, x.device());
        let width = x.size()[1];
        let words = Tensor::cat(&[x, context.index_select(0, &ranks)], 1);
        let weights = vec![
            Tensor::cat(&[x_weight, c_weight], 1),
            h_weight,
            x_bias + c_bias,
            h_bias,
        ];
        let layer = TorchLayer::new(words, context.unsqueeze(0), weights, steps, differentiate);
        let ranks = TchTensor::new(ranks);
        let share = move |[words, initial, ih, hh, bias, h_bias]: [Tensor; 6]| {
            let ranks = &ranks;
            let joined = words.size()[1];
            let of_words = |joint: &Tensor| joint.narrow(1, 0, width).contiguous();
            let of_contexts = |joint: &Tensor| joint.narrow(1, width, joined - width).contiguous();
            let mut context = initial.squeeze_dim(0);
            let _ = context.index_add_(0, &ranks.tensor, &of_contexts(&words));
            [
                of_words(&words),
                context,
                of_words(&ih),
                bias.copy(),
                of_contexts(&ih),
                bias,
                hh,
                h_bias,
            ]
        };
        Some(layer.finish(inputs, share))
    }
}

/// A layer that libtorch has computed.
struct TorchLayer {
    /// Words, initial states and weights: the leaves of libtorch's own graph, which Burn does not
    /// track.
    leaves: Vec<TchTensor>,
    /// `[rows, directions * hidden]`
    states: TchTensor,
    differentiable: bool,
}

impl TorchLayer {
    /// `initial` is `[directions, sentences, hidden]`; `weights` are `weight_ih`, `weight_hh`, `bias_ih`,
    /// `bias_hh` of each direction.
    fn new(
        x: Tensor,
        initial: Tensor,
        mut weights: Vec<Tensor>,
        steps: &Steps,
        differentiable: bool,
    ) -> Self {
        let (inputs, hidden) = (x.size()[1], weights[1].size()[1]);
        let bidirectional = weights.len() > 4;
        if x.device().is_cuda() {
            // cuDNN needs weights in one piece of memory; otherwise libtorch copies them, with a
            // warning each time.
            weights = weights.iter().map(Tensor::copy).collect();
            let _ = Tensor::internal_cudnn_rnn_flatten_weight(
                &weights,
                4,
                inputs,
                CUDNN_GRU,
                hidden,
                0,
                1,
                true,
                bidirectional,
            );
        }
        let widths: Vec<i64> = (0..steps.len()).map(|t| steps.width(t) as i64).collect();
        let leaves = [x, initial].into_iter().chain(weights);
        let leaves: Vec<Tensor> = leaves
            .map(|leaf| leaf.set_requires_grad(differentiable))
            .collect();
        let (states, _) = Tensor::gru_data(
            &leaves[0],
            &Tensor::from_slice(&widths),
            &leaves[1],
            &leaves[2..],
            true,
            1,
            0.0,
            differentiable,
            bidirectional,
        );
        Self {
            leaves: leaves.into_iter().map(TchTensor::new).collect(),
            states: TchTensor::new(states),
            differentiable,
        }
    }

    /// The states, and their derivative with respect to `inputs`, which `share` derives from that
    /// of the leaves.
    fn finish<const LEAVES: usize, const N: usize>(
        self,
        inputs: &[TchTensor; N],
        share: impl Fn([Tensor; LEAVES]) -> [Tensor; N] + Send + Sync + 'static,
    ) -> LayerStates<LibTorch, N> {
        let states = TchTensor::new(self.states.tensor.detach());
        let backward = self.differentiable.then(|| {
            // Held so that Burn does not overwrite what the derivative still reads.
            let held = (inputs.clone(), states.clone());
            LayerBackward::new(move |gradient: TchTensor| {
                let _ = &held;
                share(self.gradients(&gradient.tensor)).map(TchTensor::new)
            })
        });
        LayerStates { states, backward }
    }

    fn gradients<const LEAVES: usize>(&self, states: &Tensor) -> [Tensor; LEAVES] {
        // The derivative of this sum with respect to the states is `states`.
        let sum = (&self.states.tensor * states).sum(None);
        let leaves: Vec<&Tensor> = self.leaves.iter().map(|leaf| &leaf.tensor).collect();
        let gradients = Tensor::run_backward(&[sum], &leaves, false, false);
        match <[Tensor; LEAVES]>::try_from(gradients) {
            Ok(gradients) => gradients,
            Err(gradients) => unreachable!("{} gradients of {LEAVES}", gradients.len()),
        }
    }
}
