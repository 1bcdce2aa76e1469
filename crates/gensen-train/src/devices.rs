//! Data-parallel training: each device computes the gradients of its share of a step's batch.
//!
//! burn-train's workers run the shares: [`MultiDevicesTrainStep`], which its
//! [`ExecutionStrategy::multi`] trains by. Each is a thread that copies the weights to its device,
//! computes, and catches panics. The first device is the main one: it adds the gradients up, clips
//! them and updates once. burn-train sums gradients without weights, so each share's loss is scaled
//! by its part of the batch.
//!
//! burn-train's epochs are not used, because they cannot seek to a step; nor is its sum, which adds
//! gradients in the order in which devices finish and does not support gradients by rows. Instead,
//! workers get one step's batch at a time and only the weights that its task uses, return our
//! gradients beside burn-train's, and these are added in the order of the devices.

mod trainee;

use std::fmt;
use std::slice;
use std::sync::Arc;

use burn::data::dataloader::DataLoaderIterator;
use burn::tensor::{Device, ExecutionError};
use burn_train::train::{MultiDeviceStepError, MultiDevicesTrainStep};
use burn_train::{ExecutionStrategy, MultiDeviceOptim};
use gensen_data::batch::Batch;
use gensen_data::spec::TaskSpec;
use gensen_model::MultitaskModel;
use gensen_model::dropout::Dropout;

use self::trainee::{OneShare, ShareResult, Trainee};
use crate::error::{Cause, TrainError};
use crate::loss::{self, BatchLoss};
use crate::optimizer::StepGradients;
use crate::precision::Autocast;

/// A step's batch, and everything else but the weights that its losses depend on.
#[derive(Debug)]
pub struct StepBatch {
    /// The examples of all devices.
    pub batch: Batch,
    /// The index of the task's first head among heads of its kind.
    pub head: usize,
    /// The run's seed.
    pub seed: u64,
    /// The number of steps before this one.
    pub step: u64,
    /// The precision of the step.
    pub autocast: Autocast,
}

/// One device's part of a step's batch.
#[derive(Debug)]
struct Share {
    /// The device's index.
    place: usize,
    batch: Batch,
    head: usize,
    seed: u64,
    step: u64,
    autocast: Autocast,
    /// Examples of the whole batch before this share's.
    first: usize,
    /// Examples of the whole batch.
    examples: usize,
    /// The number of items that each loss of the whole batch averages over.
    counts: Arc<[usize]>,
}

impl StepBatch {
    /// At most `devices` shares, none empty: consecutive examples, cut as evenly as possible.
    fn shares(self, devices: usize) -> Vec<Share> {
        let examples = self.batch.len();
        let counts: Arc<[usize]> = loss::counts(&self.batch).into();
        let mut first = 0;
        let share = |(place, batch): (usize, Batch)| {
            let start = first;
            first += batch.len();
            Share {
                place,
                batch,
                head: self.head,
                seed: self.seed,
                step: self.step,
                autocast: self.autocast,
                first: start,
                examples,
                counts: Arc::clone(&counts),
            }
        };
        let shares = self.batch.split(devices).into_iter();
        shares.enumerate().map(share).collect()
    }
}

impl Share {
    /// The share's losses and its part of the batch's gradients.
    fn gradients(&self, model: &MultitaskModel) -> (BatchLoss, StepGradients) {
        let dropout = Dropout::for_step(self.seed, self.step);
        let mut dropout = dropout.of_share(self.first, self.examples);
        let mut loss = BatchLoss::of_share(
            model,
            &self.batch,
            self.head,
            &mut dropout,
            &self.counts,
            self.autocast,
        );
        let gradients = loss.backward(model);
        (loss, gradients)
    }
}

/// The devices of a strategy, the main one first; an error if the strategy is not supported.
fn devices_of(strategy: &ExecutionStrategy) -> Result<&[Device], TrainError> {
    let (strategy, problem) = match strategy {
        ExecutionStrategy::SingleDevice(device) => return Ok(slice::from_ref(device)),
        ExecutionStrategy::MultiDevice(devices, MultiDeviceOptim::OptimMainDevice) => {
            if !devices.is_empty() {
                return Ok(devices);
            }
            ("ExecutionStrategy::multi", "it has no devices")
        }
        ExecutionStrategy::MultiDevice(_, MultiDeviceOptim::OptimSharded) => (
            "MultiDeviceOptim::OptimSharded",
            "clipping needs the norm of all gradients on one device; use OptimMainDevice",
        ),
        ExecutionStrategy::DistributedDataParallel { .. } => (
            "ExecutionStrategy::ddp",
            "collectives reduce arrays of the same shape on all devices, and gradients of embedding \
             rows differ in shape; use ExecutionStrategy::multi",
        ),
    };
    Err(TrainError::Strategy { strategy, problem })
}

/// Refuses tasks that compare each example with its whole batch on several devices, each of which
/// has only a share of it.
///
/// # Errors
///
/// [`TrainError::WholeBatch`] names the task.
pub fn check_tasks(tasks: &[TaskSpec], devices: usize) -> Result<(), TrainError> {
    let whole = tasks.iter().find(|task| task.form().needs_whole_batch());
    match whole {
        Some(task) if devices > 1 => Err(TrainError::WholeBatch {
            task: task.name.clone(),
            devices,
        }),
        _ => Ok(()),
    }
}

/// The devices of a run.
pub struct Devices {
    /// The main one first.
    all: Vec<Device>,
    /// `None` for a single device.
    workers: Option<MultiDevicesTrainStep<Trainee>>,
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Devices").field(&self.all).finish()
    }
}

impl Devices {
    /// Starts the workers of a strategy; they end when this is dropped.
    ///
    /// # Errors
    ///
    /// [`TrainError::Strategy`] for a strategy that this model does not support.
    pub fn new(strategy: &ExecutionStrategy) -> Result<Self, TrainError> {
        let all = devices_of(strategy)?.to_vec();
        let workers = || {
            let on = all.iter().map(|device| device.clone().autodiff());
            MultiDevicesTrainStep::new(&on.collect::<Vec<_>>())
        };
        Ok(Self {
            workers: (all.len() > 1).then(workers),
            all,
        })
    }

    /// The main one first.
    pub fn all(&self) -> &[Device] {
        &self.all
    }

    /// The number of devices.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The losses of the shares of a step's batch and the gradients of the whole batch, on the main
    /// device, where `model` is. Up to the rounding of sums, they equal those of one device that
    /// computes the whole batch.
    ///
    /// # Errors
    ///
    /// [`TrainError::Device`] for a device that failed.
    pub fn gradients(
        &self,
        model: &MultitaskModel,
        mut batch: StepBatch,
    ) -> Result<(Vec<BatchLoss>, StepGradients), TrainError> {
        let Some(workers) = &self.workers else {
            let shares = batch.shares(1);
            let answers = shares.iter().map(|share| share.gradients(model));
            return Ok(self.sum(answers.collect()));
        };
        let of_main = |error: ExecutionError| self.failed(0, error);
        self.all[0].sync().map_err(of_main)?;
        let trainee = Trainee::new(model, &batch);
        // Heads of a part are counted from 0.
        batch.head = 0;
        let mut shares = batch.shares(self.count()).into_iter();
        let mut loaders: Vec<Box<dyn DataLoaderIterator<Share>>> = Vec::new();
        loaders.resize_with(self.count(), || Box::new(OneShare(shares.next())));
        let answers = workers.step(&mut loaders, &trainee);
        let (answers, _) = answers.map_err(|error| self.step_failed(error))?;
        let mut answers: Vec<ShareResult> = answers.into_iter().map(|a| a.output.item).collect();
        answers.sort_by_key(|answer| answer.place);
        let done = |answer: ShareResult| match answer.done {
            Ok(()) => Ok((answer.loss, answer.gradients)),
            Err(error) => Err(self.failed(answer.place, error)),
        };
        let answers = answers.into_iter().map(done).collect::<Result<_, _>>()?;
        let (losses, gradients) = self.sum(answers);
        Ok((losses, gradients.renamed(&trainee.model, model)))
    }

    /// Moves the losses to the main device and adds up the gradients there, in the order of the
    /// devices.
    fn sum(&self, answers: Vec<(BatchLoss, StepGradients)>) -> (Vec<BatchLoss>, StepGradients) {
        let main = &self.all[0];
        let (losses, gradients): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        let losses = losses.into_iter().map(|loss| loss.to_device(main));
        let sum = gradients
            .into_iter()
            .reduce(|sum, more| sum.add(more, main));
        (losses.collect(), sum.unwrap_or_default())
    }

    fn step_failed(&self, error: MultiDeviceStepError) -> TrainError {
        let failures = match &error {
            MultiDeviceStepError::Workers(failures) => failures.as_slice(),
            MultiDeviceStepError::Dataset(_) => &[],
        };
        match failures.iter().min_by_key(|failure| failure.device_id) {
            Some(first) => self.failed(first.device_id, first.message.clone()),
            None => self.failed(0, error),
        }
    }

    fn failed(&self, place: usize, error: impl Into<Cause>) -> TrainError {
        TrainError::Device {
            device: format!("{} ({:?})", place + 1, self.all[place]),
            source: error.into(),
        }
    }
}
