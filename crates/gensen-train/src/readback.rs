//! Numbers on their way from a device to the host.
//!
//! Whoever reads a number waits until the device has computed it, and a device that is waited for
//! in every step stands idle until the host has queued the next one. So a thread of its own reads,
//! from the moment on when the numbers are queued, and a step's are taken when the next step is
//! queued. (Burn's own `into_data_async` would not do: on CubeCL's devices it begins to copy when the
//! numbers are first looked at, after all that has been queued since.)

use std::collections::VecDeque;
use std::panic;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use burn::tensor::{StreamId, Tensor};
use gensen_data::panics;

use crate::loss::{BatchLoss, Losses};
use crate::optimizer;

/// A thread that reads tensors back in the order in which it gets them. It ends when this is
/// dropped.
#[derive(Debug)]
struct Reader {
    requests: Sender<(StreamId, Option<Tensor<1>>)>,
    answers: Receiver<thread::Result<Vec<f64>>>,
}

impl Reader {
    fn new() -> Self {
        let (requests, receiver) = channel::<(StreamId, Option<Tensor<1>>)>();
        let (sender, answers) = channel();
        thread::spawn(move || {
            for (stream, tensor) in receiver {
                let read = || tensor.map_or_else(Vec::new, |x| x.into_data().iter().collect());
                // In the device's queue where the tensor's own work is, not in one of this thread's.
                let read = || stream.executes(read);
                if sender.send(panics::catch(read)).is_err() {
                    return;
                }
            }
        });
        Self { requests, answers }
    }

    fn start(&self, tensor: Option<Tensor<1>>) {
        // The thread lives as long as `requests`.
        let _ = self.requests.send((StreamId::current(), tensor));
    }

    /// The numbers of the oldest tensor that nobody has waited for. A device that fails panics
    /// here, as it does wherever it is waited for.
    fn wait(&self) -> Vec<f64> {
        match self.answers.recv() {
            Ok(Ok(numbers)) => numbers,
            Ok(Err(panic)) => panic::resume_unwind(panic),
            Err(_) => unreachable!("the thread lives as long as `requests`"),
        }
    }
}

/// The steps whose numbers are on their way.
#[derive(Debug)]
pub struct Readback {
    reader: Reader,
    queued: VecDeque<QueuedStep>,
}

/// A step that has been queued.
#[derive(Debug)]
pub struct QueuedStep {
    /// Steps queued with this one.
    pub step: u64,
    /// The number of its task.
    pub task: usize,
    /// The losses of the shares of its batch, all on one device.
    pub losses: Vec<BatchLoss>,
    /// The squared norms of its gradients, on that device; none if it updated nothing.
    pub squared_norms: Option<Tensor<1>>,
    /// The time it took to queue it.
    pub seconds: f64,
}

/// What a step tells of itself.
#[derive(Clone, Debug)]
pub struct StepNumbers {
    /// Steps done with this one.
    pub step: u64,
    /// The number of its task.
    pub task: usize,
    /// Its losses.
    pub losses: Losses,
    /// The norm of its gradients before clipping; none if it updated nothing.
    pub gradient_norm: Option<f64>,
    /// The time it took to queue it and then to wait for it.
    pub seconds: f64,
}

impl Default for Readback {
    fn default() -> Self {
        Self::new()
    }
}

impl Readback {
    /// No step yet.
    pub fn new() -> Self {
        Self {
            reader: Reader::new(),
            queued: VecDeque::new(),
        }
    }

    /// Steps that have been started and not waited for.
    pub fn len(&self) -> usize {
        self.queued.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Starts to read a step's losses and norms.
    pub fn start(&mut self, step: QueuedStep) {
        let losses = step.losses.iter().flat_map(BatchLoss::values);
        let numbers: Vec<Tensor<1>> = losses.chain(&step.squared_norms).cloned().collect();
        self.reader
            .start((!numbers.is_empty()).then(|| Tensor::cat(numbers, 0)));
        self.queued.push_back(step);
    }

    /// Waits for the numbers of the oldest step, if there is one.
    pub fn wait(&mut self) -> Option<StepNumbers> {
        let step = self.queued.pop_front()?;
        let started = Instant::now();
        let numbers = self.reader.wait();
        let seconds = step.seconds + started.elapsed().as_secs_f64();
        let mut rest = numbers.as_slice();
        let of_share = |share: &BatchLoss| {
            let (own, others) = rest.split_at(share.values().len());
            rest = others;
            share.losses(own)
        };
        let losses = Losses::join(step.losses.iter().map(of_share).collect());
        Some(StepNumbers {
            step: step.step,
            task: step.task,
            losses,
            gradient_norm: step.squared_norms.map(|_| optimizer::norm(rest)),
            seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn numbers_come_back_in_the_order_in_which_they_were_asked_for() {
        let reader = Reader::new();
        for k in 1..=3 {
            let numbers = Tensor::<1>::full([k], k as f32, &Device::flex());
            reader.start(Some(numbers));
        }
        reader.start(None);
        for k in 1..=3 {
            assert_eq!(reader.wait(), vec![k as f64; k]);
        }
        assert!(reader.wait().is_empty());
    }
}
