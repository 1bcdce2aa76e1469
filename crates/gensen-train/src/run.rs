//! A training run, from its first step or a checkpoint to its end.

mod events;
mod held_out;
mod open;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Tensor;
use burn_train::{ExecutionStrategy, Interrupter};
use gensen_data::batch::Batch;
use gensen_data::loader::{LoadedBatch, Loader};
use gensen_data::order::{BatchOrder, OrderOptions};
use gensen_data::prepare::{PreparedData, PreparedTask};
use gensen_data::spec::{TaskKind, TaskSpec};
use gensen_model::MultitaskModel;

use crate::average::Average;
use crate::best::BestBy;
use crate::checkpoint::{Checkpoints, RunState};
use crate::config::Config;
use crate::devices::{Devices, StepBatch};
use crate::error::TrainError;
use crate::events::EventLog;
use crate::metrics::MetricsLog;
use crate::optimizer::{Adam, StepGradients};
use crate::precision::{Autocast, LossScale};
use crate::readback::{QueuedStep, Readback};
use crate::sampler::TaskSampler;
use crate::schedule::Schedule;
use crate::similarity::SimilarityValidation;
use crate::tasks::{self, Outputs};
use crate::word_dropout;

pub use self::events::{Ending, Event, Outcome};
pub use self::open::initial_model;
pub use crate::resume::Resume;

/// Batches prepared ahead of the step that uses them.
const BATCHES_AHEAD: usize = 16;

/// The sampler of each step's task.
pub(crate) fn sampler(config: &Config) -> TaskSampler {
    let weights = config.tasks.iter().map(|task| task.weight.unwrap_or(1.0));
    let inference = config.tasks.iter().map(|task| task.kind == TaskKind::Nli);
    TaskSampler::new(
        config.run.seed,
        weights.collect(),
        inference.collect(),
        config.training.nli_every,
    )
    .within(config.tasks.iter().map(TaskSpec::steps).collect())
}

/// The order in which the examples of task `k` make batches.
pub(crate) fn order(config: &Config, data: &PreparedData, k: usize, devices: usize) -> BatchOrder {
    let options = OrderOptions {
        bucket_batches: config.training.bucket_batches,
    };
    let size = config.tasks[k].batch(config.training.batch());
    let task = &data.tasks[k];
    let seed = config.run.seed;
    BatchOrder::new(&task.train, size.times(devices), seed, &task.name, options)
}

/// The batch of a step of task `k` after `done` steps, with word dropout applied.
pub(crate) fn step_batch(
    config: &Config,
    k: usize,
    mut batch: Batch,
    done: u64,
    scale: Option<LossScale>,
) -> StepBatch {
    let seed = config.run.seed;
    word_dropout::apply(&mut batch, config.training.word_dropout, seed, done);
    StepBatch {
        batch,
        head: tasks::head(&config.tasks, k),
        seed,
        step: done,
        autocast: Autocast::new(config.training.precision, scale),
    }
}

/// A run in progress.
struct Run<'a> {
    config: &'a Config,
    data: &'a PreparedData,
    folder: PathBuf,
    /// Held until the run ends.
    _lock: File,
    outputs: Outputs,
    similarities: Vec<SimilarityValidation>,
    best_by: BestBy,
    schedule: Schedule,
    checkpoints: Checkpoints,
    log: MetricsLog,
    events: EventLog,
    devices: Devices,
    /// The model on the main device.
    model: MultitaskModel,
    average: Option<Average<MultitaskModel>>,
    adam: Adam,
    /// Its sums lack the steps still queued in `readback`.
    state: RunState,
    readback: Readback,
    sampler: Arc<TaskSampler>,
    watch: &'a mut dyn FnMut(Event<'_>),
}

/// Trains until the configured number of steps, an early stop or an interruption.
///
/// The run's folder holds what `docs/training.md` describes. Everything random is a function of
/// the seed and the step: a run that was stopped at any moment and resumed ends, on the CPU, in the
/// same bytes as one that never stopped.
///
/// `strategy` names the devices: [`ExecutionStrategy::single`], or [`ExecutionStrategy::multi`]
/// with [`MultiDeviceOptim::OptimMainDevice`](burn_train::MultiDeviceOptim). Each device processes
/// a batch of the configured size in every step: up to the rounding of sums, N devices train like
/// one with batches N times as large. The first device updates, validates and saves.
///
/// # Errors
///
/// Unsupported devices, strategies or precisions; a run that cannot be resumed with this
/// configuration; data that was prepared for other tasks or cannot be read; losses or gradients that
/// are not finite; files that cannot be written. The last checkpoint is kept.
pub fn train(
    config: &Config,
    data: &PreparedData,
    strategy: &ExecutionStrategy,
    resume: &Resume,
    interrupter: &Interrupter,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, TrainError> {
    let run = Run::open(config, data, strategy, resume, watch)?;
    let (mut run, ending) = run.steps(interrupter)?;
    let (model_step, model) = if ending == Ending::Interrupted {
        (run.state.step, run.judged())
    } else {
        let (step, model) = run.best_model()?;
        run.test(&model, step)?;
        (step, model)
    };
    Ok(Outcome {
        ending,
        step: run.state.step,
        best: run.state.best.clone(),
        metrics: run.log.metrics().to_vec(),
        model_step,
        model,
    })
}

impl Run<'_> {
    fn loader(&self) -> Loader {
        let of_task = |(k, task): (usize, &PreparedTask)| {
            let order = order(self.config, self.data, k, self.devices.count());
            (task.train.clone(), order)
        };
        let sampler = Arc::clone(&self.sampler);
        let tasks = self.data.tasks.iter().enumerate().map(of_task).collect();
        Loader::new(
            tasks,
            move |step| sampler.at(step),
            self.state.step,
            1,
            BATCHES_AHEAD,
        )
    }

    fn steps(mut self, interrupter: &Interrupter) -> Result<(Self, Ending), TrainError> {
        let steps = self.config.training.steps;
        let management = &self.config.management;
        // The initial model is validated and saved too: training may make it worse.
        if self.checkpoints.steps()?.is_empty() && self.state.step == 0 {
            self.validate()?;
            self.save()?;
        }
        if self.patience_is_over() {
            return Ok((self, Ending::StoppedEarly));
        }
        let loader = self.loader();
        for loaded in loader {
            if self.state.step >= steps {
                break;
            }
            self = self.step(loaded)?;
            let step = self.state.step;
            if step.is_multiple_of(management.monitor_every) {
                self.take_in_steps()?;
                let rate = self.config.training.learning_rate * self.schedule.factor(step - 1);
                let metrics = self.state.window.report(step, &self.outputs.all, rate);
                self.report(metrics)?;
            }
            let validate = step.is_multiple_of(management.validate_every) || step == steps;
            let improved = validate && self.validate()?;
            let stop = interrupter.should_stop();
            let early = self.patience_is_over();
            let due = step.is_multiple_of(management.checkpoint_every);
            if due || improved || stop || early || step == steps {
                self.save()?;
            }
            if early {
                return Ok((self, Ending::StoppedEarly));
            }
            if stop && step < steps {
                return Ok((self, Ending::Interrupted));
            }
        }
        if self.state.step < steps {
            let step = self.state.step + 1;
            return Err(TrainError::NoBatch { step });
        }
        Ok((self, Ending::Finished))
    }

    /// Queues one optimiser step, then records the losses of the step before, while the device
    /// computes.
    fn step(mut self, loaded: LoadedBatch) -> Result<Self, TrainError> {
        let started = Instant::now();
        let (task, done) = (loaded.task, self.state.step);
        let scale = self.state.loss_scale;
        let batch = step_batch(self.config, task, loaded.batch?, done, scale);
        let (losses, gradients) = self.devices.gradients(&self.model, batch)?;
        let gradients = gradients.weighted(self.config.tasks[task].loss_weight());
        self.adam.set_factor(self.schedule.factor(done));
        self.state.step += 1;
        let squared_norms = self.acceptable(&gradients, task)?;
        if squared_norms.is_some() {
            self.model = self.adam.step(self.model, gradients, squared_norms.clone());
        }
        if let Some(average) = &mut self.average {
            average.add(&self.model, self.state.step);
        }
        self.readback.start(QueuedStep {
            step: self.state.step,
            task,
            losses,
            squared_norms,
            seconds: started.elapsed().as_secs_f64(),
        });
        while self.readback.len() > 1 {
            self.take_in_step()?;
        }
        Ok(self)
    }

    /// The squared norms of gradients to update by. None if there are none, or if they overflowed
    /// because of the loss scale, which then is smaller in the next step.
    fn acceptable(
        &mut self,
        gradients: &StepGradients,
        task: usize,
    ) -> Result<Option<Tensor<1>>, TrainError> {
        let squared_norms = gradients.squared_norms();
        let (Some(squares), Some(scale)) = (&squared_norms, &mut self.state.loss_scale) else {
            return Ok(squared_norms);
        };
        let before = *scale;
        if scale.accepts(squares) {
            return Ok(squared_norms);
        }
        let step = self.state.step;
        if before.is_least() {
            let task = self.config.tasks[task].name.clone();
            return Err(TrainError::Overflow { task, step });
        }
        let (old, new) = (before.scale, scale.scale);
        tracing::info!(
            step,
            "gradients overflowed f16: no update; loss scale {old} -> {new}"
        );
        Ok(None)
    }

    /// Records the losses of all queued steps. A loss or norm that is not finite is an error
    /// here, before the weights are validated or saved.
    fn take_in_steps(&mut self) -> Result<(), TrainError> {
        while !self.readback.is_empty() {
            self.take_in_step()?;
        }
        Ok(())
    }

    fn take_in_step(&mut self) -> Result<(), TrainError> {
        let Some(numbers) = self.readback.wait() else {
            return Ok(());
        };
        let task = &self.config.tasks[numbers.task].name;
        let loss: f64 = numbers.losses.losses.iter().sum();
        let norm = numbers.gradient_norm;
        let norm_of_step = norm.map(|norm| ("gradient norm", norm));
        for (what, value) in [("loss", loss)].into_iter().chain(norm_of_step) {
            if !value.is_finite() {
                return Err(TrainError::NotFinite {
                    what,
                    task: task.clone(),
                    step: numbers.step,
                    value,
                });
            }
        }
        if let Some(norm) = norm {
            let window = &mut self.state.window;
            let first = self.outputs.of_task[numbers.task].start;
            window.add(first, &numbers.losses, norm, numbers.seconds);
        }
        (self.watch)(Event::Step {
            step: numbers.step,
            steps: self.config.training.steps,
            task,
            loss,
        });
        Ok(())
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.take_in_steps()?;
        let moments = self.adam.moments().iter();
        self.state.updates = moments.map(|(name, m)| (name.clone(), m.updates)).collect();
        self.state.sampler_positions = self.sampler.positions(self.state.step);
        let keep = self.config.management.keep_checkpoints;
        let average = self.average.as_ref().and_then(Average::mean);
        self.checkpoints
            .save(&self.model, average, &self.adam, &self.state, keep)?;
        let path = self.checkpoints.path(self.state.step);
        (self.watch)(Event::Checkpoint { path: &path });
        Ok(())
    }
}
