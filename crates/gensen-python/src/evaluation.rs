//! SentEval's protocol for any encoder in Python.
//!
//! The evaluation runs on its own threads. A Python callable runs on the thread that called `evaluate`, and exchanges
//! sentences and vectors with the evaluation over channels, so it may use this package's pool.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gensen_data::panics;
use gensen_eval::linear::{LossReduction, SentEvalOptions};
use gensen_eval::protocol::Classifier;
use gensen_eval::tasks::{self, Pooling};
use gensen_eval::{
    Embedder, EmbedderError, EmbedderInfo, EncoderEmbedder, EvalError, EvalEvent, EvalOptions,
    Identity, Report, Role, evaluate, markdown, own_pooling, write_report,
};
use ndarray::Array2;
use numpy::PyReadonlyArray2;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::encoder::NativeEncoder;
use crate::errors::exception;
use crate::job::bug;
use crate::{pool, reading};

/// Interval at which signals are checked while waiting.
const LOOK: Duration = Duration::from_millis(50);

/// The settings of an evaluation.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Settings {
    data: PathBuf,
    tasks: Vec<String>,
    classifier: String,
    loss: String,
    seed: u32,
    folds: usize,
    pooling: Option<String>,
    lowercase: bool,
    cache: Option<PathBuf>,
}

impl Settings {
    fn options(&self) -> PyResult<EvalOptions> {
        let reduction = match self.loss.as_str() {
            "mean" => LossReduction::Mean,
            "sum" => LossReduction::Sum,
            other => return Err(unknown("loss", other, "mean, sum")),
        };
        let classifier = match self.classifier.as_str() {
            "lbfgs" => Classifier::Lbfgs,
            "senteval" => Classifier::SentEval(SentEvalOptions {
                seed: self.seed,
                reduction,
            }),
            other => return Err(unknown("classifier", other, "lbfgs, senteval")),
        };
        if !(2..=1000).contains(&self.folds) {
            let problem = format!("folds is {}, expected 2 to 1000", self.folds);
            return Err(PyValueError::new_err(problem));
        }
        let tasks = tasks::select(&self.tasks).map_err(|error| exception(&error))?;
        let pooling = self.pooling.as_deref().map(reading::pooling).transpose()?;
        if let Some(first) = tasks.first()
            && tasks.iter().all(|task| task.folder(&self.data).is_none())
        {
            let (folder, how) = (self.data.display(), first.how_to_fetch());
            let problem = format!("no files of the chosen tasks below {folder} ({how})");
            return Err(pyo3::exceptions::PyFileNotFoundError::new_err(problem));
        }
        Ok(EvalOptions {
            classifier,
            folds: self.folds,
            pooling,
            lowercase: self.lowercase,
            cache: self.cache.clone(),
            ..EvalOptions::new(&self.data, tasks)
        })
    }
}

fn unknown(what: &str, found: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("{what} {found:?}, expected one of {expected}"))
}

/// A message from the evaluation's threads.
enum Message {
    /// Sentences for the callable to embed, and the channel for their vectors.
    Embed(Vec<String>, SyncSender<Array2<f32>>),
    /// Progress: a task's name and the fraction done.
    Progress(String, f64),
    /// The result, or a panic, which only a bug can cause.
    Done(std::thread::Result<Result<Report, EvalError>>),
}

/// A Python callable, called on another thread.
struct Callable {
    info: EmbedderInfo,
    messages: Sender<Message>,
}

impl Embedder for Callable {
    fn info(&self) -> EmbedderInfo {
        self.info.clone()
    }

    fn pools(&self) -> bool {
        false
    }

    fn embed(
        &mut self,
        sentences: &[String],
        _pooling: Pooling,
    ) -> Result<Array2<f32>, EmbedderError> {
        let (sender, receiver) = sync_channel(1);
        // Fails if Python raised an exception or was interrupted.
        let request = Message::Embed(sentences.to_vec(), sender);
        self.messages
            .send(request)
            .map_err(|_| "interrupted before the vectors were computed")?;
        Ok(receiver.recv()?)
    }
}

/// Evaluates a Python callable from sentences to a float32 array `[sentences, width]`. Returns the report as JSON.
#[pyfunction]
pub(crate) fn evaluate_callable(
    py: Python<'_>,
    encode: &Bound<'_, PyAny>,
    name: String,
    identity: Option<String>,
    details: BTreeMap<String, String>,
    settings: Settings,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let options = settings.options()?;
    let mut hash = Identity::default();
    hash.add(b"a callable of Python");
    hash.add(identity.as_deref().unwrap_or_default().as_bytes());
    let info = EmbedderInfo {
        name,
        role: Role::Model,
        identity: hash.finish(),
        details,
    };
    run(py, Some(encode), progress, move |messages, show| {
        let messages = messages.clone();
        evaluate(&mut Callable { info, messages }, &options, show)
    })
}

/// Evaluates an [`NativeEncoder`]. Returns the report as JSON.
#[pyfunction]
pub(crate) fn evaluate_encoder(
    py: Python<'_>,
    encoder: &Bound<'_, NativeEncoder>,
    name: String,
    batch_size: usize,
    settings: Settings,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let mut options = settings.options()?;
    let encoder = (**encoder.get().shared()).clone();
    if options.pooling.is_none() {
        options.pooling = own_pooling(encoder.encoders());
    }
    run(py, None, progress, move |_, show| {
        let mut embedder = EncoderEmbedder::new(name, encoder).batch_size(batch_size);
        evaluate(&mut embedder, &options, show)
    })
}

/// Runs `work` on separate threads, and calls Python from this one.
fn run(
    py: Python<'_>,
    encode: Option<&Bound<'_, PyAny>>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Sender<Message>, &(dyn Fn(EvalEvent<'_>) + Sync)) -> Result<Report, EvalError>
    + Send
    + 'static,
) -> PyResult<String> {
    let (sender, mut receiver) = channel();
    let pool = pool::build(pool::current(py)?.current_num_threads())?;
    pool.spawn(move || {
        let task = Mutex::new(String::new());
        let show = |event: EvalEvent<'_>| {
            let mut task = task.lock().unwrap_or_else(PoisonError::into_inner);
            let share = match event {
                EvalEvent::Started { task: name, .. } => {
                    name.clone_into(&mut task);
                    0.0
                }
                // Embedding and training usually take about equally long.
                EvalEvent::Embedding(share) => share / 2.0,
                EvalEvent::Training(share) => 0.5 + share / 2.0,
                EvalEvent::Finished { .. } => 1.0,
                _ => return,
            };
            // The receiver is gone after Ctrl-C.
            let _ = sender.send(Message::Progress(task.clone(), share));
        };
        let result = panics::catch(|| work(&sender, &show));
        let _ = sender.send(Message::Done(result));
    });
    loop {
        let receiver = &mut receiver;
        match py.detach(move || receiver.recv_timeout(LOOK)) {
            Ok(Message::Embed(sentences, vectors)) => {
                let Some(encode) = encode else {
                    return Err(PyRuntimeError::new_err(
                        "vectors were requested without a callable",
                    ));
                };
                let found = encode.call1((sentences,))?;
                let found: PyReadonlyArray2<'_, f32> = found.extract()?;
                // Fails if the evaluation has ended; the next message says so.
                let _ = vectors.send(found.as_array().to_owned());
            }
            Ok(Message::Progress(task, share)) => {
                py.check_signals()?;
                if let Some(progress) = progress {
                    progress.call1((task, share))?;
                }
            }
            Ok(Message::Done(Ok(Ok(report)))) => return to_json(&report),
            Ok(Message::Done(Ok(Err(error)))) => return Err(exception(&error)),
            Ok(Message::Done(Err(panic))) => return Err(bug(&*panic)),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err(
                    "the evaluation ended without a result",
                ));
            }
        }
    }
}

fn to_json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

fn reports(json: &[String]) -> PyResult<Vec<Report>> {
    let reports = json.iter().map(|json| serde_json::from_str(json));
    reports
        .collect::<Result<_, _>>()
        .map_err(|error| PyValueError::new_err(format!("malformed report: {error}")))
}

/// Formats reports as a Markdown page.
#[pyfunction]
pub(crate) fn report_markdown(json: Vec<String>) -> PyResult<String> {
    Ok(markdown(&reports(&json)?))
}

/// Writes reports to NAME.json and NAME.md, and charts to NAME.charts.
#[pyfunction]
pub(crate) fn report_write(json: Vec<String>, path: PathBuf) -> PyResult<()> {
    write_report(&reports(&json)?, &path).map_err(|error| exception(&error))
}

/// The tasks in a report and the main score of each.
#[pyfunction]
pub(crate) fn report_scores(json: String) -> PyResult<Vec<(String, Option<f64>)>> {
    let scores = |report: Report| {
        let results = report.results.into_iter();
        results
            .map(|result| (result.task, result.scores.main()))
            .collect()
    };
    let mut all = reports(&[json])?.into_iter().map(scores);
    Ok(all.next().unwrap_or_default())
}
