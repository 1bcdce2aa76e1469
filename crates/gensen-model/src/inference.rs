//! The head for natural language inference, and for any other labels.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::config::ClassifierConfig;
use crate::dropout::Dropout;
use crate::init::Initializer;
use crate::layers::Dense;
use crate::ops::{Affine, linear, projection_cross_entropy};

/// Dropout before the head.
pub const INFERENCE_DROPOUT: f64 = 0.3;

/// A classifier with one hidden layer over a sentence vector, or `[u, v, |u - v|, u * v]` of two.
#[derive(Module, Debug)]
pub struct InferenceHead {
    /// From the features to the hidden layer.
    pub hidden: Dense,
    /// From the hidden layer to the labels.
    pub output: Dense,
}

impl InferenceHead {
    /// A head for three labels of pairs of sentence vectors of `width` numbers.
    pub fn new(width: usize, hidden: usize, init: &Initializer) -> Self {
        let labels = 3;
        let config = ClassifierConfig {
            pairs: true,
            labels,
            hidden,
        };
        Self::of(&config, width, init, "nli")
    }

    /// A head for sentence vectors of `width` numbers; `name` is its name among the model's
    /// parameters.
    pub fn of(config: &ClassifierConfig, width: usize, init: &Initializer, name: &str) -> Self {
        let features = if config.pairs { 4 * width } else { width };
        let bound = |inputs: usize| 1.0 / (inputs as f32).sqrt();
        let layer = |layer: &str, outputs, inputs| {
            Dense::new(
                init,
                &format!("{name}.{layer}"),
                [outputs, inputs],
                bound(inputs),
            )
        };
        Self {
            hidden: layer("hidden", config.hidden, features),
            output: layer("output", config.labels, config.hidden),
        }
    }

    /// Mean cross-entropy `[1]` in nats per example, and the logits `[examples, labels]`, not
    /// tracked. Takes vectors `[examples, width]` of sentences, or of the first and second
    /// sentences of pairs, and labels (for inference 0 entailment, 1 neutral, 2 contradiction).
    pub fn loss(
        &self,
        first: Tensor<2>,
        second: Option<Tensor<2>>,
        labels: Arc<[u32]>,
        dropout: &mut Dropout,
    ) -> (Tensor<1>, Tensor<2>) {
        let states = self.states(first, second, dropout);
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

    /// The hidden layer, `[examples, hidden]`.
    fn states(
        &self,
        first: Tensor<2>,
        second: Option<Tensor<2>>,
        dropout: &mut Dropout,
    ) -> Tensor<2> {
        let features = match second {
            None => first,
            Some(second) => {
                let difference = (first.clone() - second.clone()).abs();
                let product = first.clone() * second.clone();
                Tensor::cat(vec![first, second, difference, product], 1)
            }
        };
        let features = dropout.apply(features, INFERENCE_DROPOUT);
        relu(self.hidden.forward(features))
    }
}
