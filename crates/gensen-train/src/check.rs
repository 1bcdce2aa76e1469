//! What a run would take: its model's size, its memory and its time, from a few steps.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Tensor;
use burn_train::ExecutionStrategy;
use gensen_data::batch::BatchSize;
use gensen_data::prepare::PreparedData;
use gensen_model::parameters::{self, ParameterVisitor};

use crate::config::Config;
use crate::devices::{self, Devices};
use crate::error::TrainError;
use crate::optimizer::{Adam, AdamConfig};
use crate::precision::{self, LossScale};
use crate::run::{initial_model, order, sampler, step_batch};
use crate::tasks::{TrainingTask, tasks};

/// Steps of each task that are timed, after one that is not.
const STEPS: u64 = 3;

/// What a run would take.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Numbers in each part of the model: `src_embedding`, `encoder`, `decoders` and so on.
    pub parameters: BTreeMap<String, u64>,
    /// Bytes of weights, gradients, the optimiser's state and, if there is one, the mean of weights.
    pub state_bytes: u64,
    /// In the order of the configuration.
    pub tasks: Vec<TaskEstimate>,
}

/// What one task would take.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEstimate {
    /// The task's name.
    pub name: String,
    /// Training examples.
    pub examples: u64,
    /// Examples or words that all devices take in a step.
    pub batch: BatchSize,
    /// Steps of the run that train it.
    pub steps: u64,
    /// How often these go over all examples.
    pub epochs: f64,
    /// Mean time of a step.
    pub seconds_a_step: f64,
}

/// Makes a run's first model, trains each task a few steps and forgets it. Nothing is written.
///
/// # Errors
///
/// As [`train`](crate::run::train).
pub fn estimate(
    config: &Config,
    data: &PreparedData,
    strategy: &ExecutionStrategy,
) -> Result<Estimate, TrainError> {
    let devices = Devices::new(strategy)?;
    devices::check_tasks(&config.tasks, devices.count())?;
    let precision = config.training.precision;
    precision::check(devices.all(), precision)?;
    let device = strategy.main_device().clone().autodiff();
    let mut model = initial_model(config, data, &device)?.train();
    let training = &config.training;
    let mut adam = Adam::new(AdamConfig {
        embedding_factor: training.embedding_factor(),
        ..AdamConfig::new(training.learning_rate, training.clip_norm)
    });
    let mut scale = LossScale::first(precision);
    let mut timed = Vec::new();
    let tasks = tasks(&config.tasks, &data.tasks, training.batch());
    for task in &tasks {
        let order = order(config, task, devices.count());
        let mut started = Instant::now();
        for step in 0..=STEPS {
            if step == 1 {
                started = Instant::now();
            }
            let batch = task.data.train.batch_of(&order.indices(step))?;
            let batch = step_batch(config, task, batch, step, scale);
            let (losses, gradients) = devices.gradients(&model, batch)?;
            let gradients = gradients.weighted(task.loss_weight);
            let squares = gradients.squared_norms();
            let accepted = match (&mut scale, &squares) {
                (Some(scale), Some(squares)) => scale.accepts(squares),
                _ => true,
            };
            if accepted {
                model = adam.step(model, gradients, squares);
            }
            // Waits for the device.
            losses.iter().for_each(|loss| drop(loss.read()));
        }
        let seconds = started.elapsed().as_secs_f64() / STEPS as f64;
        timed.push((seconds, order.batches_per_epoch()));
    }
    let positions = sampler(config, &tasks).positions(training.steps);
    let of_task =
        |(task, (steps, (seconds, batches))): (&TrainingTask, (u64, (f64, u64)))| TaskEstimate {
            name: task.data.name.clone(),
            examples: task.data.train.len(),
            batch: task.batch.times(devices.count()),
            steps,
            epochs: steps as f64 / batches as f64,
            seconds_a_step: seconds,
        };
    let timed = tasks.iter().zip(positions.into_iter().zip(timed));
    let mut sizes = Sizes::default();
    parameters::visit(&model, &mut sizes);
    let copies = 4 + u64::from(training.average_from.is_some());
    Ok(Estimate {
        state_bytes: sizes.0.values().sum::<u64>() * 4 * copies,
        parameters: sizes.0,
        tasks: timed.map(of_task).collect(),
    })
}

/// Numbers by the first part of their parameter's name.
#[derive(Default)]
struct Sizes(BTreeMap<String, u64>);

impl ParameterVisitor for Sizes {
    fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        let part = name.split('.').next().unwrap_or(name);
        *self.0.entry(part.into()).or_default() += tensor.shape().num_elements() as u64;
    }
}

impl Estimate {
    /// Time of all steps, without validation, checkpoints and preparation.
    pub fn seconds(&self) -> f64 {
        let of_task = |task: &TaskEstimate| task.steps as f64 * task.seconds_a_step;
        self.tasks.iter().map(of_task).sum()
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.parameters.values().sum();
        write!(f, "parameters: {all}")?;
        for (place, (name, size)) in self.parameters.iter().enumerate() {
            let before = if place == 0 { " (" } else { ", " };
            write!(f, "{before}{name} {size}")?;
        }
        let megabytes = self.state_bytes as f64 / 1e6;
        writeln!(
            f,
            ")\nmemory: {megabytes:.0} MB for weights, gradients and optimiser, and what a step's \
             states take"
        )?;
        for task in &self.tasks {
            writeln!(
                f,
                "{}: {} steps of {}, {:.2} passes over {} examples, {:.3} s a step",
                task.name, task.steps, task.batch, task.epochs, task.examples, task.seconds_a_step
            )?;
        }
        let seconds = self.seconds();
        write!(
            f,
            "time: about {} for all steps, without validation",
            match seconds {
                ..120.0 => format!("{seconds:.0} seconds"),
                120.0..7200.0 => format!("{:.0} minutes", seconds / 60.0),
                _ => format!("{:.1} hours", seconds / 3600.0),
            }
        )
    }
}
