//! The head for natural language inference.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::dropout::Dropout;
use crate::init::Initializer;
use crate::layers::Dense;
use crate::ops::{Affine, linear, projection_cross_entropy};

/// Dropout in front of the head.
pub const INFERENCE_DROPOUT: f64 = 0.3;

/// A classifier with one hidden layer over `[u, v, |u - v|, u * v]` of two sentence vectors.
#[derive(Module, Debug)]
pub struct InferenceHead {
    /// From the features to the hidden layer.
    pub hidden: Dense,
    /// From the hidden layer to the three labels.
    pub output: Dense,
}

impl InferenceHead {
    /// For sentence vectors of `width` numbers.
    pub fn new(width: usize, hidden: usize, init: &Initializer) -> Self {
        let bound = |inputs: usize| 1.0 / (inputs as f32).sqrt();
        let layer = |name: &str, outputs, inputs| {
            Dense::new(
                init,
                &format!("nli.{name}"),
                [outputs, inputs],
                bound(inputs),
            )
        };
        Self {
            hidden: layer("hidden", hidden, 4 * width),
            output: layer("output", 3, hidden),
        }
    }

    /// Mean cross-entropy `[1]`, in nats a pair, of labels (0 entailment, 1 neutral, 2 contradiction)
    /// given the sentences' vectors `[pairs, width]`, and the logits `[pairs, 3]`, which are not tracked.
    pub fn loss(
        &self,
        premises: Tensor<2>,
        hypotheses: Tensor<2>,
        labels: Arc<[u32]>,
        dropout: &mut Dropout,
    ) -> (Tensor<1>, Tensor<2>) {
        let states = self.states(premises, hypotheses, dropout);
        let Affine { weight, bias } = self.output.values();
        let logits = linear(
            states.clone().inner(),
            weight.clone().inner(),
            bias.clone().inner(),
        );
        (
            projection_cross_entropy(states, weight, bias, labels),
            logits,
        )
    }

    /// The hidden layer, `[pairs, hidden]`.
    fn states(
        &self,
        premises: Tensor<2>,
        hypotheses: Tensor<2>,
        dropout: &mut Dropout,
    ) -> Tensor<2> {
        let difference = (premises.clone() - hypotheses.clone()).abs();
        let product = premises.clone() * hypotheses.clone();
        let features = Tensor::cat(vec![premises, hypotheses, difference, product], 1);
        let features = dropout.apply(features, INFERENCE_DROPOUT);
        relu(self.hidden.forward(features))
    }
}
