//! A training run from its first step, or its last checkpoint, to its end.

mod events;
mod held_out;

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_train::{ExecutionStrategy, Interrupter};
use gensen_data::batch::Batch;
use gensen_data::loader::{LoadedBatch, Loader};
use gensen_data::order::{BatchOrder, OrderOptions};
use gensen_data::prepare::PreparedData;
use gensen_data::spec::{TaskKind, TaskSpec};
use gensen_model::MultitaskModel;

use crate::average::Average;
use crate::best::BestBy;
use crate::checkpoint::{self, Checkpoints, RunState};
use crate::config::{Config, DataSizes};
use crate::devices::{self, Devices, StepBatch};
use crate::error::TrainError;
use crate::events::EventLog;
use crate::metrics::{MetricsLog, Output, Window};
use crate::optimizer::{Adam, AdamConfig, StepGradients};
use crate::precision::{self, Autocast, LossScale};
use crate::readback::{QueuedStep, Readback};
use crate::resume::{self, Start, StepSizes};
use crate::sampler::TaskSampler;
use crate::schedule::Schedule;
use crate::similarity::{self, Similarity};
use crate::start_from::StartModel;
use crate::tasks::{TrainingTask, tasks};
use crate::{memory, vocabularies, word_dropout, word_vectors};

pub use self::events::{Ending, Event, Outcome};
pub use crate::resume::Resume;

/// Batches prepared ahead of the step that uses them.
const BATCHES_AHEAD: usize = 16;

/// The model that a run begins with: `run.start_from`'s encoder, or initial weights and word vectors.
///
/// # Errors
///
/// Sizes that no model can have; a model to start from, or word vectors, that cannot be read or do not
/// fit.
pub fn initial_model(
    config: &Config,
    data: &PreparedData,
    device: &Device,
) -> Result<MultitaskModel, TrainError> {
    let model = drawn_model(config, data, device)?;
    match StartModel::open(config)? {
        Some(start) => start.give(model, config, data),
        None => word_vectors::put(config, &data.source_vocabulary, model),
    }
}

/// A model of the configuration's sizes whose weights are drawn from its seed.
fn drawn_model(
    config: &Config,
    data: &PreparedData,
    device: &Device,
) -> Result<MultitaskModel, TrainError> {
    memory::check(config, data.source_vocabulary.len(), 1)?;
    let sizes = DataSizes::of(&config.tasks, data);
    let sizes = config.model_config(&sizes);
    Ok(MultitaskModel::new(&sizes, config.run.seed, device)?)
}

/// Which task each step trains.
pub(crate) fn sampler(config: &Config, tasks: &[TrainingTask]) -> TaskSampler {
    let weights = config.tasks.iter().map(|task| task.weight.unwrap_or(1.0));
    let inference = tasks.iter().map(|task| task.data.kind == TaskKind::Nli);
    TaskSampler::new(
        config.run.seed,
        weights.collect(),
        inference.collect(),
        config.training.nli_every,
    )
    .within(config.tasks.iter().map(TaskSpec::steps).collect())
}

/// Which examples of a task make its batches.
pub(crate) fn order(config: &Config, task: &TrainingTask, devices: usize) -> BatchOrder {
    let options = OrderOptions {
        bucket_batches: config.training.bucket_batches,
    };
    let size = task.batch.times(devices);
    let data = &task.data;
    BatchOrder::new(&data.train, size, config.run.seed, &data.name, options)
}

/// What the step of a task gets, before which `done` were done.
pub(crate) fn step_batch(
    config: &Config,
    task: &TrainingTask,
    mut batch: Batch,
    done: u64,
    scale: Option<LossScale>,
) -> StepBatch {
    let seed = config.run.seed;
    word_dropout::apply(&mut batch, config.training.word_dropout, seed, done);
    StepBatch {
        batch,
        head: task.head,
        seed,
        step: done,
        autocast: Autocast::new(config.training.precision, scale),
    }
}

/// A run in progress.
struct Run<'a> {
    config: &'a Config,
    folder: PathBuf,
    /// Held until the run ends.
    _lock: File,
    tasks: Vec<TrainingTask>,
    outputs: Vec<Output>,
    similarities: Vec<Similarity>,
    best_by: BestBy,
    schedule: Schedule,
    checkpoints: Checkpoints,
    log: MetricsLog,
    events: EventLog,
    devices: Devices,
    /// On the main device.
    model: MultitaskModel,
    average: Option<Average<MultitaskModel>>,
    adam: Adam,
    /// Its sums are without the steps that `readback` still has.
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
/// `strategy` says on what: [`ExecutionStrategy::single`], or [`ExecutionStrategy::multi`] with
/// [`MultiDeviceOptim::OptimMainDevice`](burn_train::MultiDeviceOptim). Of several devices each takes
/// a batch of the configured size in every step: up to the rounding of sums, N of them train as one
/// with batches N times as large. The first one updates, validates and saves.
///
/// # Errors
///
/// Devices, strategies and precisions that do not fit the configuration; a run that cannot be resumed
/// under it; losses or gradients that are not finite; data that cannot be read; files that cannot be
/// written. The last checkpoint is kept.
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

impl<'a> Run<'a> {
    fn open(
        config: &'a Config,
        data: &PreparedData,
        strategy: &ExecutionStrategy,
        resume: &Resume,
        watch: &'a mut dyn FnMut(Event<'_>),
    ) -> Result<Self, TrainError> {
        let devices = Devices::new(strategy)?;
        let device = strategy.main_device();
        devices::check_tasks(&config.tasks, devices.count())?;
        let precision = config.training.precision;
        precision::check(devices.all(), precision)?;
        let folder = config.folder();
        fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        let lock = resume::lock(&folder)?;
        let batch = config.training.batch();
        let tasks = tasks(&config.tasks, &data.tasks, batch);
        let similarities = similarity::load(config, &data.source_vocabulary)?;
        let takes = StepSizes::new(config, devices.count());
        let start = resume.start(&folder, config, &takes)?;
        let resumed = start.is_some();
        let best_by = BestBy::new(config);
        let outputs: Vec<Output> = tasks.iter().flat_map(|t| t.outputs.clone()).collect();
        let sampler = sampler(config, &tasks);
        let autodiff = device.clone().autodiff();
        let adam = AdamConfig {
            embedding_factor: config.training.embedding_factor(),
            ..AdamConfig::new(config.training.learning_rate, config.training.clip_norm)
        };
        let mut mean = None;
        let average_from = config.training.average_from;
        let (model, state, adam) = match start {
            None => {
                let state = RunState {
                    step: 0,
                    seed: config.run.seed,
                    batch: Some(takes.all),
                    task_batches: takes.tasks,
                    sampler_positions: sampler.positions(0),
                    updates: Default::default(),
                    window: Window::new(outputs.len()),
                    best: None,
                    loss_scale: LossScale::first(precision),
                };
                let model = initial_model(config, data, &autodiff)?;
                (model, state, Adam::new(adam))
            }
            Some(Start {
                checkpoint,
                mut state,
            }) => {
                // A checkpoint is in RUN/checkpoints/STEP.
                if let Some(run) = checkpoint.ancestors().nth(2) {
                    vocabularies::check(data, run)?;
                }
                if state.sampler_positions != sampler.positions(state.step)
                    || state.window.tasks.len() != outputs.len()
                {
                    let path = checkpoint.display();
                    return Err(TrainError::Resume {
                        folder,
                        problem: format!("{path} was written by other tasks or weights"),
                    });
                }
                (state.batch, state.task_batches) = (Some(takes.all), takes.tasks);
                state.best = state.best.filter(|best| {
                    let chosen = best_by.chose(best);
                    if !chosen {
                        tracing::info!("management.best_by has changed: the best is chosen anew");
                    }
                    chosen
                });
                // The precision may have changed.
                state.loss_scale = LossScale::first(precision).map(|first| {
                    let before = state.loss_scale;
                    before.unwrap_or(first)
                });
                let model = drawn_model(config, data, &autodiff)?;
                let model = checkpoint::load_model(&checkpoint, model)?;
                if average_from.is_some_and(|from| state.step > from) {
                    mean = Some(checkpoint::load_average(&checkpoint, model.valid())?);
                }
                let adam = checkpoint::load_optimizer(&checkpoint, &state, adam, device)?;
                watch(Event::Resumed {
                    from: &checkpoint,
                    step: state.step,
                });
                (model, state, adam)
            }
        };
        resume::write_config(&folder, config)?;
        vocabularies::write(data, &folder)?;
        let from = resumed.then_some(state.step);
        let (log, events) = (
            MetricsLog::open(&folder, from)?,
            EventLog::open(&folder, from)?,
        );
        let mut model = model.train();
        if config.training.embedding_factor() == 0.0 {
            let embedding = model.encoder.embedding;
            model.encoder.embedding = embedding.set_require_grad(false);
        }
        Ok(Self {
            config,
            checkpoints: Checkpoints::of(&folder),
            folder,
            _lock: lock,
            tasks,
            outputs,
            similarities,
            best_by,
            schedule: Schedule::new(&config.training),
            log,
            events,
            devices,
            model,
            average: average_from.map(|from| Average::new(from, mean)),
            adam,
            state,
            readback: Readback::new(),
            sampler: Arc::new(sampler),
            watch,
        })
    }

    fn loader(&self) -> Loader {
        let of_task = |task: &TrainingTask| {
            let order = order(self.config, task, self.devices.count());
            (task.data.train.clone(), order)
        };
        let sampler = Arc::clone(&self.sampler);
        let tasks = self.tasks.iter().map(of_task).collect();
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
        // Kept like any other: nothing that comes after may be better.
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
                let metrics = self.state.window.report(step, &self.outputs, rate);
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

    /// Queues one optimiser step, and takes in the step before it: the device has this one to
    /// compute meanwhile.
    fn step(mut self, loaded: LoadedBatch) -> Result<Self, TrainError> {
        let started = Instant::now();
        let (task, done) = (&self.tasks[loaded.task], self.state.step);
        let scale = self.state.loss_scale;
        let batch = step_batch(self.config, task, loaded.batch?, done, scale);
        let (losses, gradients) = self.devices.gradients(&self.model, batch)?;
        let gradients = gradients.weighted(task.loss_weight);
        self.adam.set_factor(self.schedule.factor(done));
        self.state.step += 1;
        let squared_norms = self.acceptable(&gradients, loaded.task)?;
        if squared_norms.is_some() {
            self.model = self.adam.step(self.model, gradients, squared_norms.clone());
        }
        if let Some(average) = &mut self.average {
            average.add(&self.model, self.state.step);
        }
        self.readback.start(QueuedStep {
            step: self.state.step,
            task: loaded.task,
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
            let task = self.tasks[task].data.name.clone();
            return Err(TrainError::Overflow { task, step });
        }
        let (old, new) = (before.scale, scale.scale);
        tracing::info!(
            step,
            "gradients overflowed f16: no update; loss scale {old} -> {new}"
        );
        Ok(None)
    }

    /// Takes in all steps queued so far. A step that was not finite is an error here, so that the
    /// weights it spoiled are never reported on, validated or saved.
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
        let task = &self.tasks[numbers.task];
        let loss: f64 = numbers.losses.losses.iter().sum();
        let norm = numbers.gradient_norm;
        let norm_of_step = norm.map(|norm| ("gradient norm", norm));
        for (what, value) in [("loss", loss)].into_iter().chain(norm_of_step) {
            if !value.is_finite() {
                return Err(TrainError::NotFinite {
                    what,
                    task: task.data.name.clone(),
                    step: numbers.step,
                    value,
                });
            }
        }
        if let Some(norm) = norm {
            let window = &mut self.state.window;
            window.add(task.first_output, &numbers.losses, norm, numbers.seconds);
        }
        (self.watch)(Event::Step {
            step: numbers.step,
            steps: self.config.training.steps,
            task: &task.data.name,
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
