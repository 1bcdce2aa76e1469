//! The shared sentence encoder: word embedding and a (bidirectional) GRU of one or more layers.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::config::Architecture;
use crate::dropout::Dropout;
use crate::init::Initializer;
use crate::layers::Lookups;
use crate::ops::{GruDirection, GruLayerDirection, gather_rows, gru_layer, gru_scan, linear};
use crate::packed::{Packed, Steps};

/// One direction of one layer, in PyTorch's layout: gates r, z, n stacked on the rows.
#[derive(Module, Debug)]
pub struct GruWeights {
    /// `[3 * hidden, inputs]`
    pub weight_ih: Param<Tensor<2>>,
    /// `[3 * hidden, hidden]`
    pub weight_hh: Param<Tensor<2>>,
    /// `[3 * hidden]`
    pub bias_ih: Param<Tensor<1>>,
    /// `[3 * hidden]`
    pub bias_hh: Param<Tensor<1>>,
}

impl GruWeights {
    fn new(init: &Initializer, name: &str, inputs: usize, hidden: usize) -> Self {
        let bound = 1.0 / (hidden as f32).sqrt();
        Self {
            weight_ih: init.uniform(&format!("{name}.weight_ih"), [3 * hidden, inputs], bound),
            weight_hh: init.uniform(&format!("{name}.weight_hh"), [3 * hidden, hidden], bound),
            bias_ih: init.uniform(&format!("{name}.bias_ih"), [3 * hidden], bound),
            bias_hh: init.uniform(&format!("{name}.bias_hh"), [3 * hidden], bound),
        }
    }

    fn values(&self) -> GruLayerDirection {
        GruLayerDirection {
            weight_ih: self.weight_ih.val(),
            weight_hh: self.weight_hh.val(),
            bias_ih: self.bias_ih.val(),
            bias_hh: self.bias_hh.val(),
        }
    }
}

/// One layer of the encoder.
#[derive(Module, Debug)]
pub struct GruLayer {
    /// The direction from the first word to the last.
    pub forward: GruWeights,
    /// The direction from the last word to the first; absent in a unidirectional encoder.
    pub reverse: Option<GruWeights>,
}

impl GruLayer {
    /// Maps inputs `[rows, inputs]` to states `[rows, width]`: forward states, then reverse states.
    fn states(&self, x: Tensor<2>, steps: &Steps) -> Tensor<2> {
        let forward = self.forward.values();
        if let Some(reverse) = &self.reverse {
            return gru_layer(x, forward, reverse.values(), steps);
        }
        let hidden = forward.weight_hh.dims()[1];
        let initial = Tensor::zeros([steps.width(0), hidden], (&x.device(), x.dtype()));
        let direction = GruDirection {
            projected: linear(x, forward.weight_ih, forward.bias_ih),
            weight: forward.weight_hh,
            bias: forward.bias_hh,
        };
        gru_scan(direction, initial, steps)
    }
}

/// The sentence encoder.
#[derive(Module, Debug)]
pub struct Encoder {
    /// `[source words, embedding size]`
    pub embedding: Param<Tensor<2>>,
    /// The GRU layers, bottom to top.
    pub layers: Vec<GruLayer>,
}

impl Encoder {
    /// Embedding uniform in ±0.1, recurrent weights in ±1/sqrt(hidden of one direction).
    pub fn new(config: &Architecture, init: &Initializer) -> Self {
        let hidden = config.direction_size();
        let layers = (0..config.layers).map(|layer| {
            let inputs = if layer == 0 {
                config.embedding_size
            } else {
                config.hidden_size
            };
            let weights = |direction: &str| {
                GruWeights::new(
                    init,
                    &format!("encoder.{layer}.{direction}"),
                    inputs,
                    hidden,
                )
            };
            GruLayer {
                forward: weights("forward"),
                reverse: config.bidirectional.then(|| weights("reverse")),
            }
        });
        let shape = [config.vocabulary_size, config.embedding_size];
        Self {
            embedding: init.uniform("src_embedding", shape, 0.1),
            layers: layers.collect(),
        }
    }

    /// The top layer's states `[rows, width]` of a packed batch. `dropout` acts between layers.
    pub fn states(&self, packed: &Packed, dropout: &mut Dropout, rate: f64) -> Tensor<2> {
        self.recorded_states(packed, dropout, rate, &mut Lookups::off())
    }

    /// [`Self::states`], recording looked-up embedding rows in `lookups`.
    pub fn recorded_states(
        &self,
        packed: &Packed,
        dropout: &mut Dropout,
        rate: f64,
        lookups: &mut Lookups,
    ) -> Tensor<2> {
        let mut x = lookups.lookup(&self.embedding, &packed.ids);
        for (k, layer) in self.layers.iter().enumerate() {
            if k > 0 {
                x = dropout.apply_to_words(x, packed, rate);
            }
            x = layer.states(x, &packed.steps);
        }
        x
    }

    /// `last`, `[sentences, width]` in input order: the reverse direction's state at the first
    /// word, then the forward direction's at the last word.
    pub fn last(&self, packed: &Packed, states: Tensor<2>) -> Tensor<2> {
        let [rows, width] = states.dims();
        let last = packed.last_rows();
        if self
            .layers
            .last()
            .is_none_or(|layer| layer.reverse.is_none())
        {
            return gather_rows(states, last);
        }
        let forward = states.clone().slice([0..rows, 0..width / 2]);
        let reverse = states.slice([0..rows, width / 2..width]);
        let reverse = gather_rows(reverse, packed.first_rows());
        Tensor::cat(vec![reverse, gather_rows(forward, last)], 1)
    }
}
