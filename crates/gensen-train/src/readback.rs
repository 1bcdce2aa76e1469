//! Reads a step's numbers from a device while the next step is queued.
//!
//! Reading blocks until the device has computed the value, and a device would stand idle meanwhile.
//! So a separate thread reads, starting as soon as the numbers are queued, and the host takes a
//! step's numbers after it has queued the next step. (Burn's `into_data_async` does not help: on
//! CubeCL's devices the copy starts when the future is first polled, behind everything queued
//! since.)

use std::collections::VecDeque;
use std::panic;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use burn::tensor::{StreamId, Tensor};
use gensen_data::panics;

use crate::loss::{BatchLoss, Losses};
use crate::optimizer;

/// A thread that reads tensors in the order of requests. It ends when this is dropped.
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
                // On the stream of the tensor's own operations, not on this thread's.
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

    /// Waits for the oldest pending tensor. Panics if the device fails, like any read.
    fn wait(&self) -> Vec<f64> {
        match self.answers.recv() {
            Ok(Ok(numbers)) => numbers,
            Ok(Err(panic)) => panic::resume_unwind(panic),
            Err(_) => unreachable!("the thread lives as long as `requests`"),
        }
    }
}

/// Queued steps whose numbers have not been read.
#[derive(Debug)]
pub struct Readback {
    reader: Reader,
    queued: VecDeque<QueuedStep>,
}

/// A queued step.
#[derive(Debug)]
pub struct QueuedStep {
    /// The step's number, counted from 1.
    pub step: u64,
    /// The index of its task.
    pub task: usize,
    /// The losses of the shares of its batch, all on one device.
    pub losses: Vec<BatchLoss>,
    /// The squared norms of its gradients, on that device; `None` if it updated nothing.
    pub squared_norms: Option<Tensor<1>>,
    /// Seconds it took to queue it.
    pub seconds: f64,
}

/// The numbers of a finished step.
#[derive(Clone, Debug)]
pub struct StepNumbers {
    /// The step's number, counted from 1.
    pub step: u64,
    /// The index of its task.
    pub task: usize,
    /// Its losses.
    pub losses: Losses,
    /// The norm of its gradients before clipping; `None` if it updated nothing.
    pub gradient_norm: Option<f64>,
    /// Seconds it took to queue it and to wait for it.
    pub seconds: f64,
}

impl Default for Readback {
    fn default() -> Self {
        Self::new()
    }
}

impl Readback {
    /// Without queued steps.
    pub fn new() -> Self {
        Self {
            reader: Reader::new(),
            queued: VecDeque::new(),
        }
    }

    /// The number of queued steps.
    pub fn len(&self) -> usize {
        self.queued.len()
    }

    /// Whether no step is queued.
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Queues the reading of a step's losses and norms.
    pub fn start(&mut self, step: QueuedStep) {
        let losses = step.losses.iter().flat_map(BatchLoss::values);
        let numbers: Vec<Tensor<1>> = losses.chain(&step.squared_norms).cloned().collect();
        self.reader
            .start((!numbers.is_empty()).then(|| Tensor::cat(numbers, 0)));
        self.queued.push_back(step);
    }

    /// Waits for the numbers of the oldest queued step; `None` without one.
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
