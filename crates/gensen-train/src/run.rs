//! A training run from its first step, or its last checkpoint, to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use burn_train::Interrupter;
use gensen_data::batch::Batch;
use gensen_data::dataset::Dataset;
use gensen_data::loader::{LoadedBatch, Loader};
use gensen_data::order::{BatchOrder, OrderOptions};
use gensen_data::prepare::{PreparedData, PreparedTask};
use gensen_data::spec::{TaskKind, TaskSpec};
use gensen_model::MultitaskModel;
use gensen_model::dropout::Dropout;

use crate::checkpoint::{self, Best, Checkpoints, RunState};
use crate::config::Config;
use crate::curves;
use crate::error::TrainError;
use crate::files;
use crate::loss::BatchLoss;
use crate::metrics::{Metric, MetricsLog, Output, Split, Window};
use crate::optimizer::{Adam, AdamConfig};
use crate::sampler::TaskSampler;
use crate::validation::{self, HeldOut};

/// Batches prepared ahead of the step that uses them.
const BATCHES_AHEAD: usize = 16;

/// Where a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// At the newest whole checkpoint of the run's folder, or afresh if there is none.
    Auto,
    /// Afresh; refused if the folder holds a run already.
    Never,
    /// At this checkpoint.
    Path(PathBuf),
}

/// What happens during a run, for those who watch it.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run goes on from a checkpoint.
    Resumed {
        /// The checkpoint's folder.
        from: &'a Path,
        /// Steps done.
        step: u64,
    },
    /// A step is done.
    Step {
        /// Steps done.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// The task trained.
        task: &'a str,
        /// The sum of its losses.
        loss: f64,
    },
    /// Metrics were written.
    Metrics(&'a [Metric]),
    /// A checkpoint was written.
    Checkpoint {
        /// Its folder.
        path: &'a Path,
    },
}

/// Why a run came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// Validation had not improved for long enough.
    StoppedEarly,
    /// Somebody asked it to stop; a checkpoint was written.
    Interrupted,
}

/// A run that came back.
#[derive(Debug)]
pub struct Outcome {
    /// Why.
    pub ending: Ending,
    /// Steps done.
    pub step: u64,
    /// The best validation.
    pub best: Option<Best>,
    /// All metrics of the run.
    pub metrics: Vec<Metric>,
    /// The model as it is now, outside of automatic differentiation.
    pub model: MultitaskModel,
}

/// One task with its place among decoders and reports.
struct Task {
    name: String,
    kind: TaskKind,
    /// Which of a batch's targets are trained.
    targets: Vec<usize>,
    /// Its first decoder.
    decoder: usize,
    /// Its first place in reports.
    first_output: usize,
    outputs: Vec<Output>,
    train: Dataset,
    validation: Option<Dataset>,
    test: Option<Dataset>,
}

/// Gives each task its decoders, and its places in reports.
fn tasks(specs: &[TaskSpec], prepared: &[PreparedTask]) -> Vec<Task> {
    let (mut decoder, mut first_output) = (0, 0);
    let mut tasks = Vec::new();
    for (spec, task) in specs.iter().zip(prepared) {
        let targets = spec.decoders();
        let inference = task.kind == TaskKind::Nli;
        let names: Vec<String> = match targets.len() {
            0 | 1 => vec![task.name.clone()],
            _ => {
                let decoders = task.kind.decoders();
                let name = |&target: &usize| format!("{}/{}", task.name, decoders[target]);
                targets.iter().map(name).collect()
            }
        };
        let outputs: Vec<Output> = names
            .into_iter()
            .map(|name| Output { name, inference })
            .collect();
        let (decoders, count) = (targets.len(), outputs.len());
        tasks.push(Task {
            name: task.name.clone(),
            kind: task.kind,
            targets,
            decoder,
            first_output,
            outputs,
            train: task.train.clone(),
            validation: task.validation.clone(),
            test: task.test.clone(),
        });
        decoder += decoders;
        first_output += count;
    }
    tasks
}

/// Leaves of a batch's targets those that are trained.
pub(crate) fn keep_targets(batch: Batch, targets: &[usize]) -> Batch {
    match batch {
        Batch::Seq2Seq(mut batch) if targets.len() < batch.targets.len() => {
            batch.targets = targets.iter().map(|&k| batch.targets[k].clone()).collect();
            Batch::Seq2Seq(batch)
        }
        batch => batch,
    }
}

/// The model of a configuration for prepared data, with initial weights.
pub fn initial_model(
    config: &Config,
    data: &PreparedData,
    device: &Device,
) -> Result<MultitaskModel, TrainError> {
    let tasks = config.tasks.iter().zip(&data.tasks);
    let targets = tasks.flat_map(|(spec, task)| {
        let size = |k: usize| task.target_vocabularies[k].len();
        spec.decoders().into_iter().map(size)
    });
    let targets: Vec<usize> = targets.collect();
    let sizes = config.model_config(data.source_vocabulary.len(), &targets);
    Ok(MultitaskModel::new(&sizes, config.run.seed, device)?)
}

/// A run in progress.
struct Run<'a> {
    config: &'a Config,
    folder: PathBuf,
    tasks: Vec<Task>,
    outputs: Vec<Output>,
    checkpoints: Checkpoints,
    log: MetricsLog,
    model: MultitaskModel,
    adam: Adam,
    state: RunState,
    sampler: Arc<TaskSampler>,
    watch: &'a mut dyn FnMut(Event<'_>),
}

/// Trains until the configured number of steps, an early stop or an interruption.
///
/// The run's folder holds what `docs/training.md` describes. Everything random is a function of
/// the seed and the step: a run that was stopped at any moment and resumed ends, on the CPU, in the
/// same bytes as one that never stopped.
pub fn train(
    config: &Config,
    data: &PreparedData,
    device: &Device,
    resume: &Resume,
    interrupter: &Interrupter,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, TrainError> {
    let run = Run::open(config, data, device, resume, watch)?;
    let (mut run, ending) = run.steps(interrupter)?;
    if ending != Ending::Interrupted {
        run.test()?;
    }
    Ok(Outcome {
        ending,
        step: run.state.step,
        best: run.state.best,
        metrics: run.log.metrics().to_vec(),
        model: run.model.valid(),
    })
}

impl<'a> Run<'a> {
    fn open(
        config: &'a Config,
        data: &PreparedData,
        device: &Device,
        resume: &Resume,
        watch: &'a mut dyn FnMut(Event<'_>),
    ) -> Result<Self, TrainError> {
        let folder = config.folder();
        let checkpoints = Checkpoints::of(&folder);
        let from = match resume {
            Resume::Path(path) => {
                checkpoint::verify(path)?;
                Some(path.clone())
            }
            Resume::Auto => checkpoints.newest_whole()?,
            Resume::Never if checkpoints.steps()?.is_empty() => None,
            Resume::Never => {
                return Err(TrainError::Resume {
                    folder,
                    problem: "it holds a run already, and --resume never would overwrite it; \
                              choose another run.folder or remove this one"
                        .into(),
                });
            }
        };
        if from.is_some() {
            same_run(&folder, config)?;
        }
        let tasks = tasks(&config.tasks, &data.tasks);
        let outputs: Vec<Output> = tasks.iter().flat_map(|t| t.outputs.clone()).collect();
        let weights = config.tasks.iter().map(|task| task.weight.unwrap_or(1.0));
        let sampler = TaskSampler::new(
            config.run.seed,
            weights.collect(),
            tasks
                .iter()
                .map(|task| task.kind == TaskKind::Nli)
                .collect(),
            config.training.nli_every,
        );
        let mut model = initial_model(config, data, &device.clone().autodiff())?;
        let adam = AdamConfig::new(config.training.learning_rate, config.training.clip_norm);
        let (state, adam) = match &from {
            None => {
                let state = RunState {
                    step: 0,
                    seed: config.run.seed,
                    sampler_positions: sampler.positions(0),
                    updates: Default::default(),
                    window: Window::new(outputs.len()),
                    best: None,
                };
                (state, Adam::new(adam))
            }
            Some(path) => {
                let state = checkpoint::load_state(path)?;
                if state.sampler_positions != sampler.positions(state.step)
                    || state.window.tasks.len() != outputs.len()
                {
                    return Err(TrainError::Resume {
                        folder,
                        problem: format!(
                            "{} was written by other tasks or weights",
                            path.display()
                        ),
                    });
                }
                model = checkpoint::load_model(path, model)?;
                let adam = checkpoint::load_optimizer(path, &state, adam, device)?;
                watch(Event::Resumed {
                    from: path,
                    step: state.step,
                });
                (state, adam)
            }
        };
        fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        write_config(&folder, config)?;
        let log = MetricsLog::open(&folder, from.is_some().then_some(state.step))?;
        Ok(Self {
            config,
            folder,
            tasks,
            outputs,
            checkpoints,
            log,
            model: model.train(),
            adam,
            state,
            sampler: Arc::new(sampler),
            watch,
        })
    }

    fn loader(&self) -> Loader {
        let training = &self.config.training;
        let order = |task: &Task| {
            let options = OrderOptions {
                bucket_batches: training.bucket_batches,
            };
            let seed = self.config.run.seed;
            let order =
                BatchOrder::new(&task.train, training.batch_size, seed, &task.name, options);
            (task.train.clone(), order)
        };
        let sampler = Arc::clone(&self.sampler);
        let tasks = self.tasks.iter().map(order).collect();
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
        if self.state.step == 0 {
            self.validate()?;
        }
        let loader = self.loader();
        for loaded in loader {
            if self.state.step >= steps {
                break;
            }
            self = self.step(loaded)?;
            let step = self.state.step;
            if step.is_multiple_of(management.monitor_every) {
                let rate = self.config.training.learning_rate;
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
        Ok((self, Ending::Finished))
    }

    /// One optimiser step.
    fn step(mut self, loaded: LoadedBatch) -> Result<Self, TrainError> {
        let started = Instant::now();
        let task = &self.tasks[loaded.task];
        let batch = keep_targets(loaded.batch?, &task.targets);
        let mut dropout = Dropout::for_step(self.config.run.seed, self.state.step);
        let mut loss = BatchLoss::new(&self.model, &batch, task.decoder, &mut dropout);
        let not_finite = |what, value: f64| TrainError::NotFinite {
            what,
            task: task.name.clone(),
            step: self.state.step + 1,
            value,
        };
        let total: f64 = loss.losses.iter().sum();
        if !total.is_finite() {
            return Err(not_finite("loss", total));
        }
        let gradients = loss.backward(&self.model);
        let norm = gradients.norm();
        if !norm.is_finite() {
            return Err(not_finite("gradient norm", norm));
        }
        self.model = self.adam.step(self.model, gradients, norm);
        self.state.step += 1;
        let seconds = started.elapsed().as_secs_f64();
        self.state
            .window
            .add(task.first_output, &loss, norm, seconds);
        (self.watch)(Event::Step {
            step: self.state.step,
            steps: self.config.training.steps,
            task: &task.name,
            loss: total,
        });
        Ok(self)
    }

    fn report(&mut self, metrics: Vec<Metric>) -> Result<(), TrainError> {
        (self.watch)(Event::Metrics(&metrics));
        self.log.append(metrics)?;
        curves::draw(&self.folder.join("curves.svg"), self.log.metrics())
    }

    /// Validates every task; whether the mean of their losses is the best so far.
    fn validate(&mut self) -> Result<bool, TrainError> {
        let metrics = self.measure(Split::Validation)?;
        let losses: Vec<f64> = metrics.iter().filter_map(|metric| metric.loss).collect();
        self.report(metrics)?;
        if losses.is_empty() {
            return Ok(false);
        }
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        let step = self.state.step;
        let improved = self.state.best.is_none_or(|best| loss < best.loss);
        if improved {
            self.state.best = Some(Best { step, loss });
        }
        Ok(improved && step > 0)
    }

    fn test(&mut self) -> Result<(), TrainError> {
        let done = |m: &Metric| m.split == Split::Test && m.step == self.state.step;
        if self.log.metrics().iter().any(done) {
            return Ok(());
        }
        let metrics = self.measure(Split::Test)?;
        if metrics.is_empty() {
            return Ok(());
        }
        self.report(metrics)
    }

    fn measure(&self, split: Split) -> Result<Vec<Metric>, TrainError> {
        let model = self.model.valid();
        let (step, batch_size) = (self.state.step, self.config.training.batch_size);
        let mut metrics = Vec::new();
        let mut ranked = split != Split::Validation;
        for task in &self.tasks {
            let data = match split {
                Split::Test => &task.test,
                _ => &task.validation,
            };
            let Some(data) = data else { continue };
            let held_out = HeldOut {
                data,
                split,
                targets: &task.targets,
                outputs: &task.outputs,
                decoder: task.decoder,
            };
            metrics.extend(held_out.measure(&model, step, batch_size)?);
            if !ranked {
                metrics.push(validation::effective_rank(&model, data, step, batch_size)?);
                ranked = true;
            }
        }
        Ok(metrics)
    }

    fn patience_is_over(&self) -> bool {
        let patience = self.config.management.early_stopping_patience;
        let best = self.state.best.map_or(0, |best| best.step);
        patience > 0 && self.state.step - best >= patience
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let moments = self.adam.moments().iter();
        self.state.updates = moments.map(|(name, m)| (name.clone(), m.updates)).collect();
        self.state.sampler_positions = self.sampler.positions(self.state.step);
        let keep = self.config.management.keep_checkpoints;
        self.checkpoints
            .save(&self.model, &self.adam, &self.state, keep)?;
        let path = self.checkpoints.path(self.state.step);
        (self.watch)(Event::Checkpoint { path: &path });
        Ok(())
    }
}

fn write_config(folder: &Path, config: &Config) -> Result<(), TrainError> {
    let path = folder.join("config.toml");
    let text = toml::to_string(config).map_err(|e| TrainError::Config {
        origin: path.display().to_string(),
        problem: e.to_string(),
    })?;
    files::write(&path, |file| file.write_all(text.as_bytes())).map_err(TrainError::io(&path))
}

/// Refuses to go on with a run under settings that would make it another run.
fn same_run(folder: &Path, config: &Config) -> Result<(), TrainError> {
    let path = folder.join("config.toml");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(());
    };
    let before: Config = toml::from_str(&text).map_err(|e| TrainError::Config {
        origin: path.display().to_string(),
        problem: e.to_string(),
    })?;
    let same_training = {
        // How long to train and how fast to learn may change; what is trained may not.
        let mut now = config.training.clone();
        now.steps = before.training.steps;
        now.learning_rate = before.training.learning_rate;
        now.clip_norm = before.training.clip_norm;
        now == before.training
    };
    let differs = if before.run.seed != config.run.seed {
        "run.seed"
    } else if before.model != config.model {
        "[model]"
    } else if before.vocabulary != config.vocabulary {
        "[vocabulary]"
    } else if !same_training {
        "[training]"
    } else if before.tasks != config.tasks {
        "[[task]]"
    } else {
        return Ok(());
    };
    Err(TrainError::Resume {
        folder: folder.into(),
        problem: format!(
            "{differs} differs from the run's own configuration ({}); choose another run.folder \
             for another run",
            path.display()
        ),
    })
}
