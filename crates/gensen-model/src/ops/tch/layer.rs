//! libtorch's own GRU (cuDNN's on CUDA), which accepts our packed sentences directly.
//!
//! cuDNN's supports bf16 from torch 2.10 on; before, libtorch computes it step by step.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::Tensor;

use super::{autograd, cudnn};
use crate::ops::gru_layer::{GruLayerKernels, LayerStates, OperationBackward};
use crate::packed::Steps;

impl GruLayerKernels for LibTorch {
    fn bidirectional_layer(
        inputs: &[TchTensor; 9],
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self, 9>> {
        let [x, weights @ ..] = tensors(inputs);
        if steps.is_empty() {
            return None;
        }
        let initial = [2, steps.width(0) as i64, weights[1].size()[1]];
        let initial = Tensor::zeros(initial, (x.kind(), x.device()));
        let weights = weights.into_iter().map(|weight| vec![weight]).collect();
        let computed = Layer::new(x, initial, weights, steps).run(differentiate);
        Some(
            computed.finish(inputs, |[x, _, weights @ ..]: [Tensor; 10]| {
                let [a, b, c, d, e, f, g, h] = weights;
                [x, a, b, c, d, e, f, g, h]
            }),
        )
    }

    /// The context is concatenated to every word's input, with concatenated weights: the gates are
    /// the same.
    fn conditional_layer(
        inputs: &[TchTensor; 8],
        steps: &Steps,
        differentiate: bool,
    ) -> Option<LayerStates<Self, 8>> {
        let [x, context, weights @ ..] = tensors(inputs);
        if steps.is_empty() || context.size()[0] != steps.width(0) as i64 {
            return None;
        }
        let [x_weight, x_bias, c_weight, c_bias, h_weight, h_bias] = weights;
        let ranks: Vec<u32> = steps.ranks().collect();
        let ranks = super::upload_indices(&ranks, x.device());
        let width = x.size()[1];
        let words = Tensor::cat(&[x, context.index_select(0, &ranks)], 1);
        let weights = vec![
            vec![x_weight, c_weight],
            vec![h_weight],
            vec![x_bias + c_bias],
            vec![h_bias],
        ];
        let layer = Layer::new(words, context.unsqueeze(0), weights, steps);
        let ranks = TchTensor::new(ranks);
        let share = move |[words, initial, ih, hh, bias, h_bias]: [Tensor; 6]| {
            let ranks = &ranks;
            let joined = words.size()[1];
            let of_words = |joint: &Tensor| joint.narrow(1, 0, width);
            let of_contexts = |joint: &Tensor| joint.narrow(1, width, joined - width);
            let mut context = initial.squeeze_dim(0);
            let _ = context.index_add_(0, &ranks.tensor, &of_contexts(&words));
            [
                of_words(&words),
                context,
                of_words(&ih),
                // Two parameters' gradients, which are scaled in place.
                bias.copy(),
                of_contexts(&ih),
                bias,
                hh,
                h_bias,
            ]
        };
        Some(layer.run(differentiate).finish(inputs, share))
    }
}

fn tensors<const N: usize>(inputs: &[TchTensor; N]) -> [Tensor; N] {
    inputs.each_ref().map(|input| input.tensor.shallow_clone())
}

/// A layer's inputs.
pub(super) struct Layer {
    /// Words `[rows, inputs]`.
    pub(super) x: Tensor,
    /// `[directions, sentences, hidden]`
    pub(super) initial: Tensor,
    /// `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` of each direction, each as the blocks of its
    /// columns, in any float type.
    pub(super) weights: Vec<Vec<Tensor>>,
    /// The number of sentences in each time step.
    pub(super) widths: Vec<i64>,
}

impl Layer {
    fn new(x: Tensor, initial: Tensor, weights: Vec<Vec<Tensor>>, steps: &Steps) -> Self {
        Self {
            x,
            initial,
            weights,
            widths: (0..steps.len()).map(|t| steps.width(t) as i64).collect(),
        }
    }

    pub(super) fn hidden(&self) -> i64 {
        self.initial.size()[2]
    }

    pub(super) fn bidirectional(&self) -> bool {
        self.initial.size()[0] == 2
    }

    fn run(self, differentiate: bool) -> Computed {
        match cudnn::run(&self, differentiate) {
            Some(computed) => computed,
            None => autograd::run(self, differentiate),
        }
    }
}

/// Turns d loss / d states into the gradients of [`Layer::x`], of [`Layer::initial`] and of the weights,
/// once; all in the float type of the states.
pub(super) type Gradients = Box<dyn Fn(&Tensor) -> Vec<Tensor> + Send + Sync>;

/// What a layer computes.
pub(super) struct Computed {
    /// `[rows, directions * hidden]`
    pub(super) states: Tensor,
    /// The derivative, if requested.
    pub(super) gradients: Option<Gradients>,
}

impl Computed {
    /// The states, and their derivative with respect to `inputs`, which `share` derives from that of
    /// the layer's inputs and of which each gets the float type of the input.
    fn finish<const PARTS: usize, const N: usize>(
        self,
        inputs: &[TchTensor; N],
        share: impl Fn([Tensor; PARTS]) -> [Tensor; N] + Send + Sync + 'static,
    ) -> LayerStates<LibTorch, N> {
        let states = TchTensor::new(self.states);
        let backward = self.gradients.map(|gradients| {
            // Held so that Burn does not overwrite what the derivative still reads.
            let held = (inputs.clone(), states.clone());
            OperationBackward::new(move |gradient: TchTensor| {
                let parts = match <[Tensor; PARTS]>::try_from(gradients(&gradient.tensor)) {
                    Ok(parts) => parts,
                    Err(parts) => unreachable!("{} gradients of {PARTS}", parts.len()),
                };
                let (gradients, inputs) = (share(parts), &held.0);
                std::array::from_fn(|k| {
                    let gradient = gradients[k].to_kind(inputs[k].tensor.kind());
                    TchTensor::new(gradient.contiguous())
                })
            })
        });
        LayerStates { states, backward }
    }
}
