//! A whole evaluation, task by task; each result is cached as soon as it is computed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use gensen_data::error::chain;
use gensen_data::scratch;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::embedder::{Embedder, EmbedderInfo, Identity, SentenceVectors, distinct};
use crate::error::{EvalError, Result};
use crate::protocol::Classifier;
use crate::scores::Scores;
use crate::scoring::{Scoring, score};
use crate::tasks::{KeptTasks, Pooling, Task, TaskData};

/// Options of an evaluation.
#[derive(Clone, Debug)]
pub struct EvalOptions {
    /// SentEval's data folder, or its `downstream` folder.
    pub data: PathBuf,
    /// The tasks; [`crate::tasks::select`] finds them by name.
    pub tasks: Vec<&'static Task>,
    /// The classifier.
    pub classifier: Classifier,
    /// Folds of the cross-validations.
    pub folds: usize,
    /// The pooling of all tasks; `None` is the reference's choice for each.
    pub pooling: Option<Pooling>,
    /// Whether sentences are lower-cased, as the reference does.
    pub lowercase: bool,
    /// Folder for cached vectors and results, so that an interrupted evaluation continues with the task it was in.
    pub cache: Option<PathBuf>,
    /// Keeps the tasks' data in memory for further evaluations with these options; `None` frees each
    /// task's when it is scored.
    pub kept: Option<KeptTasks>,
}

impl EvalOptions {
    /// The recommended settings: logistic regression, ten folds, the reference's poolings,
    /// lower-cased, no cache.
    pub fn new(data: impl Into<PathBuf>, tasks: Vec<&'static Task>) -> Self {
        Self {
            data: data.into(),
            tasks,
            classifier: Classifier::Lbfgs,
            folds: 10,
            pooling: None,
            lowercase: true,
            cache: None,
            kept: None,
        }
    }

    /// As [`Task::load`], from memory if it is kept.
    ///
    /// # Errors
    ///
    /// As [`Task::load`].
    pub fn load(&self, task: &Task) -> Result<Option<Arc<TaskData>>> {
        let read = || Ok(task.load(&self.data)?.map(Arc::new));
        match &self.kept {
            Some(kept) => kept.data(task, read),
            None => read(),
        }
    }

    /// As [`Task::data_hash`], from memory if it is kept.
    fn data_hash(&self, task: &Task) -> Result<Option<String>> {
        let read = || task.data_hash(&self.data);
        match &self.kept {
            Some(kept) => kept.hash(task, read),
            None => read(),
        }
    }
}

/// A task's scores and what they were computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The task's name.
    pub task: String,
    /// The scores.
    pub scores: Scores,
    /// The pooling used; `None` for an encoder that does not [pool](Embedder::pools).
    #[serde(default)]
    pub pooling: Option<Pooling>,
    /// Width of the sentence vectors.
    pub width: usize,
    /// Distinct sentences.
    pub sentences: usize,
    /// SHA-256 over the task's files.
    pub data_hash: String,
    /// Seconds taken, vectors included.
    pub seconds: f64,
}

/// A task without scores, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unscored {
    /// The task's name.
    pub task: String,
    /// The missing files and how to get them, or the fault.
    pub reason: String,
}

/// The results of an evaluation with everything that defines them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The encoder.
    pub embedder: EmbedderInfo,
    /// The classifier.
    pub classifier: Classifier,
    /// Folds of the cross-validations.
    pub folds: usize,
    /// Whether sentences were lower-cased.
    pub lowercase: bool,
    /// This crate's version.
    pub version: String,
    /// Results, in the tasks' order.
    pub results: Vec<TaskResult>,
    /// Tasks without data.
    pub skipped: Vec<Unscored>,
    /// Tasks whose data are faulty, or, with the encoder's vectors, do not allow their protocol.
    #[serde(default)]
    pub failed: Vec<Unscored>,
}

/// Progress of an evaluation.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EvalEvent<'a> {
    /// A task begins.
    Started {
        /// Its name.
        task: &'a str,
        /// Its place, from 0.
        index: usize,
        /// Tasks in all.
        of: usize,
    },
    /// The share of a task's sentences that have vectors, 0..=1.
    Embedding(f64),
    /// The share of a task's classifiers that are trained, 0..=1.
    Training(f64),
    /// A task is done.
    Finished {
        /// Its result.
        result: &'a TaskResult,
        /// Whether it came from the cache.
        cached: bool,
    },
    /// A task has no data.
    Skipped(&'a Unscored),
    /// A task's data are faulty or do not allow its protocol.
    Failed(&'a Unscored),
}

/// The outcome of a task.
enum TaskOutcome {
    /// Its result, and whether it was cached.
    Done(TaskResult, bool),
    /// The task has no data.
    Absent,
    /// The task's data are faulty or do not suit its protocol.
    Faulty(EvalError),
}

/// Evaluates an encoder; `progress` is called from any thread.
///
/// # Errors
///
/// [`EvalError`] for a failing encoder or a cache that cannot be written. A task with faulty data does not end the
/// evaluation: the report lists it as failed, or as skipped if it has no files.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    options: &EvalOptions,
    progress: &(dyn Fn(EvalEvent<'_>) + Sync),
) -> Result<Report> {
    let mut report = Report {
        embedder: embedder.info(),
        classifier: options.classifier,
        folds: options.folds,
        lowercase: options.lowercase,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        results: Vec::new(),
        skipped: Vec::new(),
        failed: Vec::new(),
    };
    for (index, task) in options.tasks.iter().enumerate() {
        progress(EvalEvent::Started {
            task: task.name,
            index,
            of: options.tasks.len(),
        });
        let unscored = |reason| Unscored {
            task: task.name.to_owned(),
            reason,
        };
        match evaluate_task(embedder, task, options, progress)? {
            TaskOutcome::Done(result, cached) => {
                progress(EvalEvent::Finished {
                    result: &result,
                    cached,
                });
                report.results.push(result);
            }
            TaskOutcome::Absent => {
                let (root, fetch) = (options.data.display(), task.how_to_fetch());
                let skipped = unscored(format!("no files below {root} ({fetch})"));
                progress(EvalEvent::Skipped(&skipped));
                report.skipped.push(skipped);
            }
            TaskOutcome::Faulty(error) => {
                let failed = unscored(chain(&error));
                progress(EvalEvent::Failed(&failed));
                report.failed.push(failed);
            }
        }
    }
    Ok(report)
}

fn evaluate_task(
    embedder: &mut dyn Embedder,
    task: &Task,
    options: &EvalOptions,
    progress: &(dyn Fn(EvalEvent<'_>) + Sync),
) -> Result<TaskOutcome> {
    let start = Instant::now();
    let data_hash = match options.data_hash(task) {
        Ok(Some(hash)) => hash,
        Ok(None) => return Ok(TaskOutcome::Absent),
        Err(error) => return Ok(TaskOutcome::Faulty(error)),
    };
    let asked = embedder
        .pools()
        .then(|| options.pooling.unwrap_or(task.best_pooling));
    let pooling = asked.unwrap_or_default();
    let cached = options.cache.as_ref().map(|folder| {
        let key = score_key(&embedder.identity(pooling), task, &data_hash, options);
        folder.join(format!("{key}.json"))
    });
    if let Some(result) = cached.as_deref().and_then(read_cached) {
        return Ok(TaskOutcome::Done(result, true));
    }
    let data = match options.load(task) {
        Ok(Some(data)) => data,
        Ok(None) => return Ok(TaskOutcome::Absent),
        Err(error) => return Ok(TaskOutcome::Faulty(error)),
    };
    let vectors = vectors(embedder, &data, pooling, options, progress)?;
    let scoring = Scoring {
        classifier: options.classifier,
        folds: options.folds,
        progress: &|share| progress(EvalEvent::Training(share)),
    };
    let scores = match score(&data, &vectors, &scoring) {
        Ok(scores) => scores,
        Err(error) => {
            return Ok(TaskOutcome::Faulty(EvalError::Task {
                task: task.name.to_owned(),
                folder: task
                    .folder(&options.data)
                    .unwrap_or_else(|| options.data.clone()),
                source: error.into(),
            }));
        }
    };
    let result = TaskResult {
        task: task.name.to_owned(),
        scores,
        pooling: asked,
        width: vectors.vectors.ncols(),
        sentences: vectors.vectors.nrows(),
        data_hash,
        seconds: start.elapsed().as_secs_f64(),
    };
    if let Some(path) = &cached {
        write_whole(path, |file| {
            Ok(serde_json::to_writer_pretty(file, &result)?)
        })?;
    }
    Ok(TaskOutcome::Done(result, false))
}

/// The vectors of a task's sentences: cached by encoder and sentences, so that tasks with the same
/// sentences share them.
pub(crate) fn vectors(
    embedder: &mut dyn Embedder,
    data: &TaskData,
    pooling: Pooling,
    options: &EvalOptions,
    progress: &(dyn Fn(EvalEvent<'_>) + Sync),
) -> Result<SentenceVectors> {
    let sentences = distinct(&data.sentences());
    let path = options.cache.as_ref().map(|folder| {
        let key = vectors_key(&embedder.identity(pooling), &sentences, pooling, options);
        folder.join(format!("{key}.npy"))
    });
    let cache = path.as_deref();
    let cached: Option<Array2<f32>> = cache.and_then(|path| ndarray_npy::read_npy(path).ok());
    if let Some(cached) = cached.filter(|cached| cached.nrows() == sentences.len()) {
        return Ok(SentenceVectors::new(&sentences, cached));
    }
    let report = |share| progress(EvalEvent::Embedding(share));
    let found =
        SentenceVectors::compute(embedder, &sentences, pooling, options.lowercase, &report)?;
    if let Some(caution) = embedder.caution() {
        tracing::warn!(
            "{}: {caution}; word vectors (--vectors) extend a model's vocabulary",
            embedder.info().name
        );
    }
    if let Some(path) = cache {
        write_whole(path, |file| {
            ndarray_npy::WriteNpyExt::write_npy(&found, file).map_err(io::Error::other)
        })?;
    }
    Ok(SentenceVectors::new(&sentences, found))
}

/// The cache key of a task's scores: everything they depend on.
fn score_key(identity: &str, task: &Task, data_hash: &str, options: &EvalOptions) -> String {
    let EvalOptions {
        // Covered by the data's hash.
        data: _,
        tasks: _,
        classifier,
        folds,
        pooling,
        lowercase,
        cache: _,
        kept: _,
    } = options;
    let pooling = pooling.unwrap_or(task.best_pooling);
    let version = env!("CARGO_PKG_VERSION");
    key(&(
        identity, task.name, data_hash, pooling, lowercase, classifier, folds, version,
    ))
}

/// The cache key of the vectors of sentences: everything they depend on.
fn vectors_key(
    identity: &str,
    sentences: &[&String],
    pooling: Pooling,
    options: &EvalOptions,
) -> String {
    let EvalOptions {
        // Covered by the sentences.
        data: _,
        tasks: _,
        classifier: _,
        folds: _,
        // Covered by `pooling`, which is the task's if this is `None`.
        pooling: _,
        lowercase,
        cache: _,
        kept: _,
    } = options;
    let version = env!("CARGO_PKG_VERSION");
    key(&(identity, sentences, pooling, lowercase, version))
}

fn key(parts: &impl Serialize) -> String {
    let mut identity = Identity::default();
    #[allow(
        clippy::expect_used,
        reason = "texts, numbers and maps whose keys are text"
    )]
    let parts = serde_json::to_string(parts).expect("serialisable as JSON");
    identity.add(parts.as_bytes());
    identity.finish()
}

/// A result from the cache; an unreadable one is computed again.
fn read_cached(path: &Path) -> Option<TaskResult> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(
            |error| tracing::warn!(path = %path.display(), %error, "cached result ignored"),
        )
        .ok()
}

/// [`scratch::write_file`] with this crate's error.
pub(crate) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    scratch::write_file(path, fill).map_err(EvalError::io(path))
}
