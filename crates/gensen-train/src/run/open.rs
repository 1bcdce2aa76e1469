//! A run before its first step: its folder, its model, and the state that it begins or resumes with.

use std::fs;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use burn_train::ExecutionStrategy;
use gensen_data::prepare::PreparedData;
use gensen_model::MultitaskModel;

use super::{Event, Resume, Run, sampler};
use crate::average::Average;
use crate::best::BestBy;
use crate::checkpoint::{self, Checkpoints, RunState};
use crate::config::{Config, DataSizes};
use crate::devices::{self, Devices};
use crate::error::TrainError;
use crate::events::EventLog;
use crate::metrics::{MetricSums, MetricsLog};
use crate::optimizer::{Adam, AdamConfig};
use crate::precision::{self, LossScale};
use crate::readback::Readback;
use crate::resume::{self, Start, StepSizes};
use crate::schedule::Schedule;
use crate::similarity;
use crate::start_from::StartModel;
use crate::tasks::{self, Outputs};
use crate::{memory, vocabularies, word_vectors};

/// The initial model of a run: the encoder of `run.start_from`, or random weights and word vectors.
///
/// # Errors
///
/// Impossible sizes; a model to start from, or word vectors, that cannot be read or do not fit.
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

/// A model of the configured sizes with random weights drawn from its seed.
fn drawn_model(
    config: &Config,
    data: &PreparedData,
    device: &Device,
) -> Result<MultitaskModel, TrainError> {
    tasks::check(config, data)?;
    memory::check(config, data.source_vocabulary.len(), 1)?;
    let sizes = DataSizes::of(data);
    let sizes = config.model_config(&sizes);
    Ok(MultitaskModel::new(&sizes, config.run.seed, device)?)
}

impl<'a> Run<'a> {
    /// Starts a run, or resumes it from a checkpoint.
    pub(super) fn open(
        config: &'a Config,
        data: &'a PreparedData,
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
        let similarities = similarity::load(config, &data.source_vocabulary)?;
        let takes = StepSizes::new(config, devices.count());
        let start = resume.start(&folder, config, &takes)?;
        let resumed = start.is_some();
        let best_by = BestBy::new(config);
        let outputs = Outputs::of(&config.tasks);
        let sampler = sampler(config);
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
                    window: MetricSums::new(outputs.all.len()),
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
                    || state.window.tasks.len() != outputs.all.len()
                {
                    let path = checkpoint.display();
                    return Err(TrainError::Resume {
                        folder,
                        problem: format!(
                            "{path} was written by a run with other tasks or task weights"
                        ),
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
            data,
            checkpoints: Checkpoints::of(&folder),
            folder,
            _lock: lock,
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
}
