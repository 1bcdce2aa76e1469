//! The multi-task model: one shared encoder, decoders, and heads for the other tasks.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gensen_data::batch::{
    ClassificationBatch, DistillationBatch, NliBatch, PairsBatch, Sentences, Seq2SeqBatch,
};

use crate::Pooling;
use crate::config::{ContrastConfig, MultitaskConfig};
use crate::contrast::{Distillation, all_sentences, not_counted};
use crate::decoder::Decoder;
use crate::dropout::Dropout;
use crate::encoder::Encoder;
use crate::error::ModelError;
use crate::inference::InferenceHead;
use crate::init::Initializer;
use crate::layers::Lookups;
use crate::packed::Packed;

/// The model: an encoder shared by all tasks, decoders and heads.
#[derive(Module, Debug)]
pub struct MultitaskModel {
    /// The shared encoder.
    pub encoder: Encoder,
    /// The decoders, in the order of the tasks. A skip-thought task has two: next, then previous sentence.
    pub decoders: Vec<Decoder>,
    /// The head for natural language inference.
    pub inference: Option<InferenceHead>,
    /// The heads of distillation tasks.
    pub distillations: Vec<Distillation>,
    /// The heads of classification tasks.
    pub classifiers: Vec<InferenceHead>,
    #[module(skip)]
    contrasts: Vec<ContrastConfig>,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    dropout: f64,
}

/// The part of a model that a task uses, beside the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// The indices of decoders.
    Decoders(Range<usize>),
    /// The inference head.
    Inference,
    /// A contrast, which has no weights.
    Contrast(usize),
    /// A distillation task's head.
    Distillation(usize),
    /// A classification task's head.
    Classifier(usize),
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
        let width = config.encoder.hidden_size;
        let distillations = config.distillations.iter().enumerate();
        let distillations = distillations.map(|(k, config)| {
            Distillation::new(config, width, &init, &format!("distillation.{k}"))
        });
        let classifiers = config.classifiers.iter().enumerate();
        let classifiers = classifiers
            .map(|(k, config)| InferenceHead::of(config, width, &init, &format!("classifier.{k}")));
        Ok(Self {
            encoder: Encoder::new(&config.encoder, &init),
            decoders: decoders.collect(),
            inference: config
                .inference_hidden
                .map(|hidden| InferenceHead::new(width, hidden, &init)),
            distillations: distillations.collect(),
            classifiers: classifiers.collect(),
            contrasts: config.contrasts.clone(),
            pooling: config.pooling,
            dropout: config.dropout,
        })
    }

    /// The encoder with one head. Weights are shared, not copied; heads are numbered, and named,
    /// from 0.
    #[must_use]
    pub fn part(&self, head: &Head) -> Self {
        fn chosen<T: Clone>(all: &[T], range: Range<usize>) -> Vec<T> {
            let some = all.iter().skip(range.start);
            some.take(range.len()).cloned().collect()
        }
        let (mut decoders, mut distillation, mut classifier) = (0..0, 0..0, 0..0);
        let (mut contrast, mut inference) = (0..0, false);
        match *head {
            Head::Decoders(ref range) => decoders = range.clone(),
            Head::Inference => inference = true,
            Head::Contrast(k) => contrast = k..k + 1,
            Head::Distillation(k) => distillation = k..k + 1,
            Head::Classifier(k) => classifier = k..k + 1,
        }
        Self {
            encoder: self.encoder.clone(),
            decoders: chosen(&self.decoders, decoders),
            inference: self.inference.clone().filter(|_| inference),
            distillations: chosen(&self.distillations, distillation),
            classifiers: chosen(&self.classifiers, classifier),
            contrasts: chosen(&self.contrasts, contrast),
            pooling: self.pooling,
            dropout: self.dropout,
        }
    }

    /// Sentence vectors by the model's own pooling, `[sentences, width]` in input order, with dropout.
    pub fn encode(&self, sentences: &Sentences, dropout: &mut Dropout) -> Tensor<2> {
        self.recorded_encode(sentences, self.pooling, dropout, &mut Lookups::off())
    }

    fn recorded_encode(
        &self,
        sentences: &Sentences,
        pooling: Pooling,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Tensor<2> {
        let packed = Packed::new(sentences);
        let encoder = &self.encoder;
        let states = encoder.recorded_states(&packed, dropout, self.dropout, lookups);
        let vectors = self.encoder.pool(&packed, states, pooling);
        dropout.apply(vectors, self.dropout)
    }

    /// The mean loss `[1]`, in nats per word, of each of the batch's targets. `first_decoder` is
    /// the index of the first target's decoder; the others follow it. The encoder runs once.
    /// `lookups` records embedding rows.
    pub fn seq2seq_losses(
        &self,
        batch: &Seq2SeqBatch,
        first_decoder: usize,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Vec<Tensor<1>> {
        let last = Pooling::Last;
        let context = self.recorded_encode(&batch.source, last, dropout, lookups);
        let decoders = self.decoders.iter().skip(first_decoder);
        decoders
            .zip(&batch.targets)
            .map(|(decoder, targets)| decoder.loss(context.clone(), targets, lookups))
            .collect()
    }

    /// The mean loss `[1]`, in nats per pair, and the logits `[pairs, 3]` for entailment, neutral,
    /// contradiction, not tracked; `None` without an inference head. `lookups` records embedding
    /// rows.
    pub fn inference_loss(
        &self,
        batch: &NliBatch,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Option<(Tensor<1>, Tensor<2>)> {
        let head = self.inference.as_ref()?;
        let mut encode =
            |sentences| self.recorded_encode(sentences, self.pooling, dropout, lookups);
        let (premises, hypotheses) = (encode(&batch.premises), encode(&batch.hypotheses));
        let labels = batch.labels.iter().map(|&label| label.into()).collect();
        Some(head.loss(premises, Some(hypotheses), labels, dropout))
    }

    /// The mean loss `[1]`, in nats per example, and the logits `[examples, labels]`, not tracked,
    /// of classifier `head`; `None` if there is no such head.
    pub fn classification_loss(
        &self,
        batch: &ClassificationBatch,
        head: usize,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Option<(Tensor<1>, Tensor<2>)> {
        let head = self.classifiers.get(head)?;
        let mut encode =
            |sentences| self.recorded_encode(sentences, self.pooling, dropout, lookups);
        let first = encode(&batch.first);
        let second = batch.second.as_ref().map(encode);
        Some(head.loss(first, second, batch.labels.as_slice().into(), dropout))
    }

    /// The mean loss `[1]`, in nats per pair, and the logits `[pairs, candidates]`, not tracked, of
    /// contrast `head`; see [`ContrastConfig::loss`]. `None` if there is no such head.
    pub fn contrast_loss(
        &self,
        batch: &PairsBatch,
        head: usize,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Option<(Tensor<1>, Tensor<2>)> {
        let head = self.contrasts.get(head)?;
        let sentences = all_sentences(batch);
        let vectors = self.recorded_encode(&sentences, self.pooling, dropout, lookups);
        Some(head.loss(vectors, batch.first.len(), not_counted(batch)))
    }

    /// The losses, `[1]` each, of distillation `head`; see [`Distillation::losses`]. `None` if
    /// there is no such head.
    pub fn distillation_losses(
        &self,
        batch: &DistillationBatch,
        head: usize,
        dropout: &mut Dropout,
        lookups: &mut Lookups,
    ) -> Option<Vec<Tensor<1>>> {
        let head = self.distillations.get(head)?;
        let vectors = self.recorded_encode(&batch.sentences, self.pooling, dropout, lookups);
        Some(head.losses(vectors, batch.vectors.clone()))
    }
}
