//! The multi-task model: one encoder, a decoder for each thing to say, an inference head.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gensen_data::batch::{NliBatch, Sentences, Seq2SeqBatch};

use crate::config::MultitaskConfig;
use crate::decoder::Decoder;
use crate::dropout::Dropout;
use crate::encoder::Encoder;
use crate::error::ModelError;
use crate::inference::InferenceHead;
use crate::init::Initializer;
use crate::layers::Lookups;
use crate::packed::Packed;

/// One encoder shared by all tasks.
#[derive(Module, Debug)]
pub struct MultitaskModel {
    /// Shared by all tasks.
    pub encoder: Encoder,
    /// In the order of the tasks; a skip-thought task has two: next, then previous sentence.
    pub decoders: Vec<Decoder>,
    /// For natural language inference.
    pub inference: Option<InferenceHead>,
    #[module(skip)]
    dropout: f64,
}

impl MultitaskModel {
    /// A model with initial weights drawn from `seed`.
    ///
    /// # Errors
    ///
    /// As [`MultitaskConfig::check`].
    pub fn new(config: &MultitaskConfig, seed: u64, device: &Device) -> Result<Self, ModelError> {
        config.check()?;
        let init = Initializer::new(seed, device);
        let decoders = config.decoders.iter().enumerate().map(|(k, decoder)| {
            Decoder::new(decoder, &config.encoder, &init, &format!("decoder.{k}"))
        });
        Ok(Self {
            encoder: Encoder::new(&config.encoder, &init),
            decoders: decoders.collect(),
            inference: config
                .inference_hidden
                .map(|hidden| InferenceHead::new(config.encoder.hidden_size, hidden, &init)),
            dropout: config.dropout,
        })
    }

    /// The encoder with these of its decoders, and the inference head if asked for and there. The
    /// weights are shared, not copied; decoders are counted anew, and named so.
    #[must_use]
    pub fn part(&self, decoders: Range<usize>, inference: bool) -> Self {
        let chosen = self.decoders.iter().skip(decoders.start);
        Self {
            encoder: self.encoder.clone(),
            decoders: chosen.take(decoders.len()).cloned().collect(),
            inference: self.inference.clone().filter(|_| inference),
            dropout: self.dropout,
        }
    }

    /// Sentence vectors `last`, `[sentences, width]` in input order, with dropout.
    pub fn encode(&self, sentences: &Sentences, dropout: &mut Dropout) -> Tensor<2> {
        self.recorded_encode(sentences, dropout, &mut Lookups::off())
    }

    fn recorded_encode(
        &self,
        sentences: &Sentences,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Tensor<2> {
        let packed = Packed::new(sentences);
        let encoder = &self.encoder;
        let states = encoder.recorded_states(&packed, dropout, self.dropout, lookups);
        let last = self.encoder.last(&packed, states);
        dropout.apply(last, self.dropout)
    }

    /// The mean loss `[1]`, in nats a word, of each of the batch's targets. `first_decoder` is the
    /// decoder of the first target, the others follow it. The encoder runs once. `lookups` says how
    /// gradients of embeddings are kept.
    pub fn seq2seq_losses(
        &self,
        batch: &Seq2SeqBatch,
        first_decoder: usize,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Vec<Tensor<1>> {
        let context = self.recorded_encode(&batch.source, dropout, lookups);
        let decoders = self.decoders.iter().skip(first_decoder);
        decoders
            .zip(&batch.targets)
            .map(|(decoder, targets)| decoder.loss(context.clone(), targets, lookups))
            .collect()
    }

    /// The mean loss `[1]`, in nats a pair, and the logits `[pairs, 3]` for entailment, neutral,
    /// contradiction, which are not tracked; none without an inference head. `lookups` says how the
    /// embedding's gradient is kept.
    pub fn inference_loss(
        &self,
        batch: &NliBatch,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Option<(Tensor<1>, Tensor<2>)> {
        let head = self.inference.as_ref()?;
        let premises = self.recorded_encode(&batch.premises, dropout, lookups);
        let hypotheses = self.recorded_encode(&batch.hypotheses, dropout, lookups);
        let labels = batch.labels.iter().map(|&label| label.into()).collect();
        Some(head.loss(premises, hypotheses, labels, dropout))
    }
}
