//! The conditional GRU decoder of a sequence-to-sequence task.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use gensen_data::batch::Sentences;

use crate::config::{Architecture, DecoderConfig};
use crate::init::Initializer;
use crate::layers::{Dense, Lookups};
use crate::ops::{conditional_gru, gather_rows, projection_cross_entropy};
use crate::packed::Packed;

/// A GRU language model over target words, conditioned on a sentence vector, which is its initial
/// state and a term in each of its three gates.
#[derive(Module, Debug)]
pub struct Decoder {
    /// `[target words, target embedding size]`
    pub embedding: Param<Tensor<2>>,
    /// From target embeddings to the gates.
    pub input: Dense,
    /// From the previous state to the gates.
    pub hidden: Dense,
    /// From the sentence vector to the gates.
    pub context: Dense,
    /// From states to target words.
    pub output: Dense,
}

/// Teacher forcing: the decoder's inputs and expected outputs.
struct Forced {
    inputs: Packed,
    outputs: Vec<u32>,
}

impl Forced {
    /// Input `<s> w1 .. wn`, output `w1 .. wn </s>`.
    fn new(targets: &Sentences) -> Self {
        let pack = |part: fn(&[u32]) -> Option<&[u32]>| {
            let slices: Vec<&[u32]> = targets.iter().map(|s| part(s).unwrap_or(&[])).collect();
            Packed::from_slices(&slices)
        };
        Self {
            inputs: pack(|s| s.split_last().map(|(_, rest)| rest)),
            outputs: pack(|s| s.split_first().map(|(_, rest)| rest)).ids,
        }
    }
}

impl Decoder {
    /// Embedding uniform in ±0.1, recurrent part in ±1/sqrt(hidden), output bias zero.
    pub fn new(
        config: &DecoderConfig,
        encoder: &Architecture,
        init: &Initializer,
        name: &str,
    ) -> Self {
        let hidden = config.hidden_size;
        let bound = 1.0 / (hidden as f32).sqrt();
        let gates = |part: &str, inputs| {
            Dense::new(init, &format!("{name}.{part}"), [3 * hidden, inputs], bound)
        };
        let shape = [config.target_words, config.embedding_size];
        let mut output = Dense::new(
            init,
            &format!("{name}.output"),
            [config.target_words, hidden],
            bound,
        );
        output.bias = init.zeros([config.target_words]);
        Self {
            embedding: init.uniform(&format!("{name}.embedding"), shape, 0.1),
            input: gates("input", config.embedding_size),
            hidden: gates("hidden", hidden),
            context: gates("context", encoder.hidden_size),
            output,
        }
    }

    /// States `[rows, hidden]` after each input word.
    fn states(&self, context: Tensor<2>, inputs: &Packed, lookups: &mut Lookups) -> Tensor<2> {
        conditional_gru(
            lookups.lookup(&self.embedding, &inputs.ids),
            gather_rows(context, inputs.order.iter().copied()),
            [&self.input, &self.context, &self.hidden].map(Dense::values),
            &inputs.steps,
        )
    }

    /// Mean cross-entropy `[1]`, in nats a target word, of `targets` given sentence vectors
    /// `[sentences, hidden]`; both in the same order.
    pub fn loss(
        &self,
        context: Tensor<2>,
        targets: &Sentences,
        lookups: &mut Lookups,
    ) -> Tensor<1> {
        let forced = Forced::new(targets);
        let states = self.states(context, &forced.inputs, lookups);
        projection_cross_entropy(
            states,
            self.output.weight.val(),
            self.output.bias.val(),
            forced.outputs.into(),
        )
    }

    /// Logits `[rows, target words]` for each word of `targets` but the first, sentence after
    /// sentence in input order.
    pub fn logits(&self, context: Tensor<2>, targets: &Sentences) -> Tensor<2> {
        let inputs = Forced::new(targets).inputs;
        let states = self.states(context, &inputs, &mut Lookups::off());
        let mut rank = vec![0; inputs.order.len()];
        for (r, &sentence) in inputs.order.iter().enumerate() {
            rank[sentence] = r;
        }
        let rows = rank
            .iter()
            .zip(&inputs.lengths)
            .flat_map(|(&rank, &length)| {
                let steps = &inputs.steps;
                (0..length as usize).map(move |step| steps.start(step) + rank)
            });
        self.output.forward(gather_rows(states, rows))
    }
}
