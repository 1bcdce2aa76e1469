//! Data-parallel training: each device computes the gradients of its share of a step's batch.
//!
//! The first device is the main one: it adds the gradients up, clips and updates once, and sends
//! the weights that changed to the others.
//!
//! burn-train has workers for this (`MultiDevicesTrainStep`), which do not fit: their gradients are
//! dense tensors by parameter, ours of embeddings are rows; their answers come in the order in
//! which devices finish and do not say from which, so that sums of three have no fixed order; they
//! copy the whole model to every device in every step, and take their batches from loaders of
//! epochs, which cannot seek. They add gradients up, as done here, and leave it to the losses that
//! the sum is right. Its `ddp` reduces gradients by collectives, which Burn has on CUDA alone (NCCL) and
//! which want arrays of one shape on all devices: rows of embeddings are others on each of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gensen_data::batch::Batch;
use gensen_model::MultitaskModel;
use gensen_model::dropout::Dropout;
use gensen_model::parameters::{self, ParameterMapper, ParameterVisitor};

use crate::error::TrainError;
use crate::loss::{self, BatchLoss};
use crate::optimizer::StepGradients;
use crate::precision::Autocast;

/// A step's batch, and what its losses depend on beside the weights.
#[derive(Debug)]
pub struct StepBatch {
    /// The examples of all devices.
    pub batch: Batch,
    /// The decoder of the first target.
    pub first_decoder: usize,
    /// The run's seed.
    pub seed: u64,
    /// Steps done before this one.
    pub step: u64,
    /// In what they are computed.
    pub autocast: Autocast,
}

/// One device's part of a step's batch.
struct Share {
    batch: Batch,
    first_decoder: usize,
    seed: u64,
    step: u64,
    autocast: Autocast,
    /// Examples of the whole batch before this share's.
    first: usize,
    /// Examples of the whole batch.
    examples: usize,
    /// What the whole batch's losses are means over.
    counts: Arc<[usize]>,
}

impl StepBatch {
    /// At most `devices` shares, none empty: consecutive examples, as evenly as can be.
    fn shares(self, devices: usize) -> Vec<Share> {
        let examples = self.batch.len();
        let counts: Arc<[usize]> = loss::counts(&self.batch).into();
        let mut first = 0;
        let share = |batch: Batch| {
            let start = first;
            first += batch.len();
            Share {
                batch,
                first_decoder: self.first_decoder,
                seed: self.seed,
                step: self.step,
                autocast: self.autocast,
                first: start,
                examples,
                counts: Arc::clone(&counts),
            }
        };
        self.batch.split(devices).into_iter().map(share).collect()
    }
}

impl Share {
    /// The share's losses, and its part of the whole batch's gradients.
    fn gradients(&self, model: &MultitaskModel) -> (BatchLoss, StepGradients) {
        let dropout = Dropout::for_step(self.seed, self.step);
        let mut dropout = dropout.of_share(self.first, self.examples);
        let mut loss = BatchLoss::of_share(
            model,
            &self.batch,
            self.first_decoder,
            &mut dropout,
            &self.counts,
            self.autocast,
        );
        let gradients = loss.backward(model);
        (loss, gradients)
    }
}

/// The devices of a run.
#[derive(Debug)]
pub struct Devices {
    main: Device,
    replicas: Vec<Replica>,
}

/// A copy of the model on another device, in a thread of its own. The thread ends when this is
/// dropped.
///
/// Tensors go from thread to thread when their device is done with them: a device's queue keeps the
/// order of one thread's operations, not of several threads'.
#[derive(Debug)]
struct Replica {
    /// Its place among the devices, counted from 1.
    place: usize,
    /// The device, with automatic differentiation.
    on: Device,
    requests: Sender<Request>,
    answers: Receiver<Result<(BatchLoss, StepGradients), String>>,
}

enum Request {
    /// Answered with a share's losses and gradients.
    Share(Share),
    /// New values of some parameters, flattened, on the replica's device.
    Weights(BTreeMap<String, Tensor<1>>),
}

impl Devices {
    /// Copies `model`, which is on `main`, to the others.
    pub fn new(
        main: &Device,
        others: &[Device],
        model: &MultitaskModel,
    ) -> Result<Self, TrainError> {
        let replica = |(k, device): (usize, &Device)| Replica::start(k + 2, device, model);
        Ok(Self {
            main: main.clone(),
            replicas: others
                .iter()
                .enumerate()
                .map(replica)
                .collect::<Result<_, _>>()?,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        1 + self.replicas.len()
    }

    /// The losses of the shares of a step's batch and the gradients of the whole, on the main
    /// device; `model` is the main device's. Up to the rounding of sums they are those of one device
    /// that computes the whole batch.
    pub fn gradients(
        &self,
        model: &MultitaskModel,
        batch: StepBatch,
    ) -> Result<(Vec<BatchLoss>, StepGradients), TrainError> {
        let mut shares = batch.shares(self.count());
        let others = shares.split_off(1);
        let busy: Vec<&Replica> = self.replicas.iter().take(others.len()).collect();
        for (replica, share) in busy.iter().zip(others) {
            replica.ask(Request::Share(share));
        }
        let mut losses = Vec::new();
        let mut sum = StepGradients::default();
        for share in shares {
            let (loss, gradients) = share.gradients(model);
            losses.push(loss);
            sum = gradients;
        }
        for replica in busy {
            let (loss, gradients) = replica.answer()?;
            losses.push(loss.to_device(&self.main));
            sum = sum.add(gradients, &self.main);
        }
        Ok((losses, sum))
    }

    /// Sends the parameters of `names` to the other devices.
    pub fn update(&self, model: &MultitaskModel, names: &[String]) -> Result<(), TrainError> {
        struct Collect<'a> {
            names: &'a [String],
            weights: BTreeMap<String, Tensor<1>>,
        }
        impl ParameterVisitor for Collect<'_> {
            fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
                if self.names.iter().any(|wanted| wanted == name) {
                    let size = tensor.shape().num_elements();
                    let values = tensor.inner().reshape([size]);
                    self.weights.insert(name.into(), values);
                }
            }
        }
        if self.replicas.is_empty() {
            return Ok(());
        }
        let mut collect = Collect {
            names,
            weights: BTreeMap::new(),
        };
        parameters::visit(model, &mut collect);
        // All are sent before the first is waited for.
        let sent = self.replicas.iter().map(|replica| {
            let moved = |(name, values): (&String, &Tensor<1>)| {
                (name.clone(), values.clone().to_device(&replica.on))
            };
            collect.weights.iter().map(moved).collect()
        });
        let sent: Vec<BTreeMap<String, Tensor<1>>> = sent.collect();
        for (replica, weights) in self.replicas.iter().zip(sent) {
            replica.settle()?;
            replica.ask(Request::Weights(weights));
        }
        Ok(())
    }
}

impl Replica {
    fn start(place: usize, device: &Device, model: &MultitaskModel) -> Result<Self, TrainError> {
        let (requests, receiver) = channel();
        let (sender, answers) = channel();
        let on = device.clone().autodiff();
        let replica = Self {
            place,
            on: on.clone(),
            requests,
            answers,
        };
        let model = model.clone().fork(&on);
        replica.settle()?;
        thread::spawn(move || {
            let work = AssertUnwindSafe(|| work(model, &on, &receiver, &sender));
            if let Err(panic) = panic::catch_unwind(work) {
                // Nobody listens when the run has ended.
                let _ = sender.send(Err(message(&*panic)));
            }
        });
        Ok(replica)
    }

    /// Waits until the device has what this thread has sent it.
    fn settle(&self) -> Result<(), TrainError> {
        self.on
            .sync()
            .map_err(|error| self.failed(error.to_string()))
    }

    fn failed(&self, problem: String) -> TrainError {
        TrainError::Device {
            device: format!("{} ({:?})", self.place, self.on.clone().inner()),
            problem,
        }
    }

    /// A thread that has ended says why when it is asked for an answer.
    fn ask(&self, request: Request) {
        let _ = self.requests.send(request);
    }

    fn answer(&self) -> Result<(BatchLoss, StepGradients), TrainError> {
        let ended = |_| Err("its thread has ended".into());
        let answer = self.answers.recv().unwrap_or_else(ended);
        answer.map_err(|problem| self.failed(problem))
    }
}

fn work(
    mut model: MultitaskModel,
    device: &Device,
    requests: &Receiver<Request>,
    answers: &Sender<Result<(BatchLoss, StepGradients), String>>,
) {
    struct Load(BTreeMap<String, Tensor<1>>);
    impl ParameterMapper for Load {
        fn map<const D: usize>(&mut self, name: &str, old: Tensor<D>) -> Tensor<D> {
            match self.0.remove(name) {
                Some(new) => new.reshape(old.dims()),
                None => old,
            }
        }
    }
    for request in requests {
        match request {
            Request::Weights(weights) => model = parameters::map(model, &mut Load(weights)),
            Request::Share(share) => {
                let gradients = share.gradients(&model);
                let settled = device.sync().map_err(|error| error.to_string());
                if answers.send(settled.map(|()| gradients)).is_err() {
                    return;
                }
            }
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it failed without a reason").into()
}
