//! Adapters between burn-train's workers and our model, shares and gradients.

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::Module;
use burn::tensor::{Device, ExecutionError};
use burn_optim::GradientsParams;
use burn_train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use gensen_data::batch::Batch;
use gensen_model::{Head, MultitaskModel};

use super::{Share, StepBatch};
use crate::loss::BatchLoss;
use crate::optimizer::StepGradients;

/// The model in the form that burn-train's workers expect.
#[derive(Module, Debug)]
pub(super) struct Trainee {
    pub(super) model: MultitaskModel,
}

impl Trainee {
    /// The part of a model that a batch's task uses, with shared weights: the rest need not be
    /// copied to other devices.
    pub(super) fn new(model: &MultitaskModel, batch: &StepBatch) -> Self {
        let first = batch.head;
        let head = match &batch.batch {
            Batch::Seq2Seq(batch) => Head::Decoders(first..first + batch.targets.len()),
            Batch::Nli(_) => Head::Inference,
            Batch::Pairs(_) => Head::Contrast(first),
            Batch::Distillation(_) => Head::Distillation(first),
            Batch::Classification(_) => Head::Classifier(first),
        };
        Self {
            model: model.part(&head),
        }
    }
}

/// A burn-train data loader with one share for one step.
pub(super) struct OneShare(pub(super) Option<Share>);

impl Iterator for OneShare {
    type Item = Result<Share, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl DataLoaderIterator<Share> for OneShare {
    fn progress(&self) -> Progress {
        Progress::new(1, 1, None)
    }
}

/// A worker's result for its share.
pub(super) struct ShareResult {
    pub(super) place: usize,
    pub(super) loss: BatchLoss,
    pub(super) gradients: StepGradients,
    /// Whether the device has finished the worker's operations. A device keeps the order of
    /// operations of one thread only, so other threads must wait for that.
    pub(super) done: Result<(), ExecutionError>,
}

impl ItemLazy for ShareResult {
    fn sync(self) -> Result<Self, ExecutionError> {
        self.done.clone()?;
        Ok(self)
    }
}

impl TrainStep for Trainee {
    type Input = Share;
    type Output = ShareResult;

    fn step(&self, share: Share) -> TrainOutput<ShareResult> {
        let (loss, gradients) = share.gradients(&self.model);
        let item = ShareResult {
            place: share.place,
            loss,
            gradients,
            done: self.devices().iter().try_for_each(Device::sync),
        };
        // Burn's gradients do not support rows of embeddings.
        let grads = GradientsParams::new();
        TrainOutput { grads, item }
    }
}

/// Required by burn-train. The model is validated in [`crate::validation`].
impl InferenceStep for Trainee {
    type Input = ();
    type Output = ();

    fn step(&self, (): ()) {}
}
