//! Estimates a run's parameters, memory and time from a few steps.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Tensor;
use burn_train::ExecutionStrategy;
use gensen_data::batch::BatchSize;
use gensen_data::prepare::{PreparedData, PreparedTask};
use gensen_model::MultitaskModel;
use gensen_model::parameters::{self, ParameterVisitor};

use crate::config::Config;
use crate::devices::{self, Devices};
use crate::error::TrainError;
use crate::metrics::Split;
use crate::optimizer::{Adam, AdamConfig};
use crate::precision::{self, LossScale};
use crate::resume::StepSizes;
use crate::run::{initial_model, order, sampler, step_batch};
use crate::similarity;
use crate::tasks::{self, Outputs};
use crate::validation;

/// Timed steps of each task, after one untimed step.
const STEPS: u64 = 3;

/// The estimate of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The number of parameters of each part of the model: `src_embedding`, `encoder`, `decoders`
    /// and so on.
    pub parameters: BTreeMap<String, u64>,
    /// Bytes of weights, gradients, optimiser state and, if used, the mean of the weights.
    pub state_bytes: u64,
    /// The tasks, in the order of the configuration.
    pub tasks: Vec<TaskEstimate>,
    /// The number of validations: before the first step, every `validate_every` steps and at the
    /// end.
    pub validations: u64,
    /// Seconds of one validation: held-out data of all tasks, `[[validation]]` entries and the
    /// effective rank.
    pub seconds_a_validation: f64,
    /// Seconds of the test at the end.
    pub test_seconds: f64,
}

/// The estimate of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEstimate {
    /// The task's name.
    pub name: String,
    /// Training examples.
    pub examples: u64,
    /// The batch size of all devices together.
    pub batch: BatchSize,
    /// The number of steps that train it.
    pub steps: u64,
    /// The number of passes over all examples.
    pub epochs: f64,
    /// Mean seconds of a step.
    pub seconds_a_step: f64,
}

/// Initialises a run's model, trains each task for a few steps and validates a few batches. Nothing
/// is written.
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
    for (k, task) in data.tasks.iter().enumerate() {
        let order = order(config, data, k, devices.count());
        let mut started = Instant::now();
        for step in 0..=STEPS {
            if step == 1 {
                started = Instant::now();
            }
            let batch = task.train.batch_of(&order.indices(step))?;
            let batch = step_batch(config, k, batch, step, scale);
            let (losses, gradients) = devices.gradients(&model, batch)?;
            let gradients = gradients.weighted(config.tasks[k].loss_weight());
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
    let held_out = HeldOutSeconds::measure(config, data, &model.valid())?;
    let positions = sampler(config).positions(training.steps);
    let batches = StepSizes::new(config, devices.count()).tasks;
    let of_task = |(k, task): (usize, &PreparedTask)| {
        let (seconds, batches_per_epoch) = timed[k];
        TaskEstimate {
            name: task.name.clone(),
            examples: task.train.len(),
            batch: batches[k],
            steps: positions[k],
            epochs: positions[k] as f64 / batches_per_epoch as f64,
            seconds_a_step: seconds,
        }
    };
    let mut sizes = PartSizes::default();
    parameters::visit(&model, &mut sizes);
    let copies = 4 + u64::from(training.average_from.is_some());
    Ok(Estimate {
        state_bytes: sizes.0.values().sum::<u64>() * 4 * copies,
        parameters: sizes.0,
        tasks: data.tasks.iter().enumerate().map(of_task).collect(),
        validations: validations(training.steps, config.management.validate_every),
        seconds_a_validation: held_out.validation,
        test_seconds: held_out.test,
    })
}

/// Validations of a run: before the first step, every `every` steps and after the last one.
fn validations(steps: u64, every: u64) -> u64 {
    1 + steps.div_ceil(every)
}

/// Seconds of a validation and of a test.
#[derive(Default)]
struct HeldOutSeconds {
    validation: f64,
    test: f64,
}

impl HeldOutSeconds {
    /// `model` must not be tracked by automatic differentiation.
    fn measure(
        config: &Config,
        data: &PreparedData,
        model: &MultitaskModel,
    ) -> Result<Self, TrainError> {
        let outputs = Outputs::of(&config.tasks);
        let held_out = |split| tasks::held_out(config, data, &outputs, split);
        let mut seconds = Self::default();
        for held_out in held_out(Split::Validation) {
            seconds.validation += held_out.seconds(model, STEPS as usize)?;
        }
        if let Some(first) = held_out(Split::Validation).next() {
            let started = Instant::now();
            validation::effective_rank(model, first.data, 0, first.batch)?;
            seconds.validation += started.elapsed().as_secs_f64();
        }
        for held_out in held_out(Split::Test) {
            seconds.test += held_out.seconds(model, STEPS as usize)?;
        }
        for similarity in similarity::load(config, &data.source_vocabulary)? {
            seconds.validation += similarity.seconds(model);
        }
        Ok(seconds)
    }
}

/// Numbers of parameters by the first part of their names.
#[derive(Default)]
struct PartSizes(BTreeMap<String, u64>);

impl ParameterVisitor for PartSizes {
    fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        let part = name.split('.').next().unwrap_or(name);
        *self.0.entry(part.into()).or_default() += tensor.shape().num_elements() as u64;
    }
}

impl Estimate {
    /// Seconds of all steps, validations and the test, without checkpoints and data preparation.
    pub fn seconds(&self) -> f64 {
        let of_task = |task: &TaskEstimate| task.steps as f64 * task.seconds_a_step;
        let steps: f64 = self.tasks.iter().map(of_task).sum();
        steps + self.validations as f64 * self.seconds_a_validation + self.test_seconds
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
            ")\nmemory: {megabytes:.0} MB for weights, gradients and optimiser, plus the states of \
             a step"
        )?;
        for task in &self.tasks {
            writeln!(
                f,
                "{}: {} steps of {}, {:.2} passes over {} examples, {:.3} s a step",
                task.name, task.steps, task.batch, task.epochs, task.examples, task.seconds_a_step
            )?;
        }
        writeln!(
            f,
            "validation: {} times, {:.3} s each; test: {:.3} s",
            self.validations, self.seconds_a_validation, self.test_seconds
        )?;
        let seconds = self.seconds();
        write!(
            f,
            "time: about {} for all steps and validations",
            match seconds {
                ..120.0 => format!("{seconds:.0} seconds"),
                120.0..7200.0 => format!("{:.0} minutes", seconds / 60.0),
                _ => format!("{:.1} hours", seconds / 3600.0),
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_steps_validations_and_test() {
        for (steps, every, expected) in [(40, 20, 3), (41, 20, 4), (5, 20, 2), (20, 1, 21)] {
            assert_eq!(validations(steps, every), expected, "{steps} by {every}");
        }
        let task = |steps, seconds_a_step| TaskEstimate {
            name: "nli".into(),
            examples: 100,
            batch: BatchSize::Sentences(10),
            steps,
            epochs: 1.0,
            seconds_a_step,
        };
        let estimate = Estimate {
            parameters: BTreeMap::new(),
            state_bytes: 0,
            tasks: vec![task(30, 0.5), task(10, 2.0)],
            validations: 3,
            seconds_a_validation: 20.0,
            test_seconds: 7.0,
        };
        assert_eq!(estimate.seconds(), 15.0 + 20.0 + 60.0 + 7.0);
        let text = estimate.to_string();
        for expected in [
            "validation: 3 times, 20.000 s each; test: 7.000 s\n",
            "time: about 102 seconds for all steps and validations",
        ] {
            assert!(text.contains(expected), "`{expected}` is not in: {text}");
        }
    }
}
