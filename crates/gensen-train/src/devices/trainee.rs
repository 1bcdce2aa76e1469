//! The model, a share and its gradients as burn-train's workers take and give them.

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

/// The model as burn-train's workers take it.
#[derive(Module, Debug)]
pub(super) struct Trainee {
    pub(super) model: MultitaskModel,
}

impl Trainee {
    /// What a batch's task uses of a model, whose weights it shares: the rest need not go to other
    /// devices.
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

/// A batch for one device and one step, as a loader of burn-train's.
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

/// What a worker makes of its share.
pub(super) struct Answer {
    pub(super) place: usize,
    pub(super) loss: BatchLoss,
    pub(super) gradients: StepGradients,
    /// Whether the device has done all that the worker queued. A device keeps the order of one
    /// thread's operations, not of several threads': others may only use what is done.
    pub(super) done: Result<(), ExecutionError>,
}

impl ItemLazy for Answer {
    fn sync(self) -> Result<Self, ExecutionError> {
        self.done.clone()?;
        Ok(self)
    }
}

impl TrainStep for Trainee {
    type Input = Share;
    type Output = Answer;

    fn step(&self, share: Share) -> TrainOutput<Answer> {
        let (loss, gradients) = share.gradients(&self.model);
        let item = Answer {
            place: share.place,
            loss,
            gradients,
            done: self.devices().iter().try_for_each(Device::sync),
        };
        // Burn's own gradients know no rows of embeddings.
        let grads = GradientsParams::new();
        TrainOutput { grads, item }
    }
}

/// burn-train wants it of every model. Ours is validated by [`crate::validation`].
impl InferenceStep for Trainee {
    type Input = ();
    type Output = ();

    fn step(&self, (): ()) {}
}
