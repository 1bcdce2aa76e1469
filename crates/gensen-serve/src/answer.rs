//! A request's path from inputs to response: tokenise, queue, encode, serialise.

use std::sync::Arc;
use std::time::Instant;

use axum::http::HeaderValue;
use axum::response::Response;
use tokio::time::timeout_at;

use crate::Model;
use crate::app::App;
use crate::body;
use crate::inputs::Inputs;
use crate::metrics::Times;
use crate::model::{LongText, TokenizedText, TruncationSide};
use crate::problem::{Problem, ProblemKind};
use crate::queue::{OutputKind, Refused, RequestWork};

/// Inputs of at least this many bytes are tokenised on a blocking thread, so that other connections are not delayed.
const HEAVY_BYTES: usize = 1 << 15;
/// Responses of at least this many values are serialised on a blocking thread.
const HEAVY_VALUES: usize = 1 << 15;

/// A request's arrival and deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) begin: Instant,
    pub(crate) deadline: Instant,
}

/// A request for vectors or states.
pub(crate) struct Asked {
    pub(crate) inputs: Inputs,
    pub(crate) truncate: Option<bool>,
    pub(crate) side: TruncationSide,
    pub(crate) model: Option<String>,
    pub(crate) output: OutputKind,
    /// Estimated bytes of the response per value.
    pub(crate) bytes_a_value: usize,
}

/// Estimated bytes of a value in JSON, comma included.
pub(crate) const JSON_BYTES: usize = 12;
/// Estimated bytes of a value in base64.
pub(crate) const BASE64_BYTES: usize = 6;

/// The result for a request, before serialisation.
pub(crate) struct Answer {
    models: Arc<Vec<Model>>,
    model: usize,
    single: bool,
    characters: usize,
    /// The number of words in each input, `<s>` and `</s>` included.
    pub(crate) lengths: Vec<usize>,
    /// The inputs' vectors or their words' states, concatenated.
    pub(crate) values: Vec<f32>,
    bytes: usize,
    arrival: Arrival,
    times: Times,
}

/// Counts for the log line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) inputs: usize,
    pub(crate) words: usize,
}

/// Runs `work`, on a blocking thread if `is_heavy`.
pub(crate) async fn off_worker<T: Send + 'static>(
    is_heavy: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if !is_heavy {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and drops this future.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Refuses empty lists and lists longer than the limit.
pub(crate) fn check_count(app: &App, count: usize, field: &'static str) -> Result<(), Problem> {
    let most = app.config.limits.inputs;
    if count == 0 {
        let message = format!("`{field}` is empty");
        return Err(Problem::new(ProblemKind::Empty, message).param(field));
    }
    if count > most {
        let message = format!("`{field}` has {count} texts, more than the limit of {most}");
        return Err(Problem::new(ProblemKind::TooLarge, message).param(field));
    }
    Ok(())
}

/// Refuses a prompt.
pub(crate) fn no_prompt(name: Option<&String>) -> Result<(), Problem> {
    match name {
        None => Ok(()),
        Some(_) => {
            let message = "`prompt_name` is not supported: the model has no prompts";
            Err(Problem::new(ProblemKind::Invalid, message).param("prompt_name"))
        }
    }
}

impl Answer {
    /// Tokenises the inputs, queues them and waits for the result. `field` is the name of the inputs in the request.
    pub(crate) async fn new(
        app: &Arc<App>,
        arrival: Arrival,
        asked: Asked,
        field: &'static str,
    ) -> Result<Self, Problem> {
        let (inputs, single) = match asked.inputs {
            Inputs::One(text) => (vec![text], true),
            Inputs::Many(texts) => (texts, false),
        };
        app.metrics.request(single);
        let (number, model) = app.model(asked.model.as_deref())?;
        let width = model.encoder().width();
        let models = Arc::clone(app.models()?);
        check_count(app, inputs.len(), field)?;
        let limit = app.config.limits.input_words;
        let truncate = asked.truncate.unwrap_or(app.config.auto_truncate);
        let cut = truncate.then_some(asked.side);
        let begin = Instant::now();
        let bytes: usize = inputs.iter().map(String::len).sum();
        let split = {
            let models = Arc::clone(&models);
            move || {
                let characters = inputs.iter().map(|text| text.chars().count()).sum();
                (models[number].read(&inputs, limit, cut), characters)
            }
        };
        let (texts, characters): (Result<Vec<TokenizedText>, LongText>, usize) =
            off_worker(bytes >= HEAVY_BYTES, split).await;
        let texts = texts.map_err(|LongText { index, words }| {
            let message = format!(
                "text {index} (counted from 0) of `{field}` has {words} words, more than the limit of {limit}; \
                 set `truncate` to cut it"
            );
            Problem::new(ProblemKind::TooLarge, message).param(field)
        })?;
        let tokenization = begin.elapsed();
        let lengths: Vec<usize> = texts.iter().map(|text| text.words).collect();
        let words: usize = lengths.iter().sum();
        let rows = match asked.output {
            OutputKind::Vectors => texts.len(),
            OutputKind::States => words,
        };
        let bytes = rows * width * asked.bytes_a_value;
        check_size(app, words, bytes)?;
        let work = RequestWork {
            model: number,
            output: asked.output,
            texts,
        };
        let mut ticket = app.queue.admit(work).map_err(|refused| match refused {
            Refused::Full { waiting, most } => {
                let message = format!(
                    "the server is busy: {waiting} words are queued and the request has {words}, more than the \
                     limit of {most}"
                );
                let seconds = app.pace.seconds(waiting);
                Problem::new(ProblemKind::Overloaded, message).retry_after(seconds)
            }
            Refused::Closed => Problem::new(ProblemKind::Unready, "the server is stopping"),
        })?;
        let computed = timeout_at(arrival.deadline.into(), ticket.computed()).await;
        let computed = computed
            .map_err(|_| late(app))?
            .map_err(|problem| Problem::new(ProblemKind::Backend, problem))?;
        Ok(Self {
            models,
            model: number,
            single,
            characters,
            lengths,
            values: computed.values,
            bytes,
            arrival,
            times: Times {
                total: arrival.begin.elapsed(),
                tokenization,
                queue: computed.queued,
                inference: computed.inference,
            },
        })
    }

    pub(crate) fn model(&self) -> &Model {
        &self.models[self.model]
    }

    /// The number of values in a vector or state.
    pub(crate) fn width(&self) -> usize {
        self.model().encoder().width()
    }

    /// Truncates vectors to `dimensions`, if given, and then normalises them, if requested. Returns the number of
    /// dimensions.
    pub(crate) fn shape(&mut self, dimensions: Option<usize>, normalize: bool) -> usize {
        let width = self.width();
        let kept = dimensions.unwrap_or(width);
        if kept < width {
            let rows = self.values.chunks_exact(width);
            self.values = rows.flat_map(|row| &row[..kept]).copied().collect();
        }
        if normalize {
            self.values.chunks_exact_mut(kept).for_each(scale_to_one);
        }
        kept
    }

    /// Builds the response; `write` serialises the answer.
    pub(crate) async fn send(
        self,
        app: &Arc<App>,
        write: impl FnOnce(Self) -> Vec<u8> + Send + 'static,
    ) -> Result<Response, Problem> {
        let Self {
            single,
            characters,
            arrival,
            mut times,
            ..
        } = self;
        let lengths = self.lengths.clone();
        let units = App::units(self.bytes);
        let permit = Arc::clone(&app.unsent).acquire_many_owned(units);
        let permit = match timeout_at(arrival.deadline.into(), permit).await {
            Ok(Ok(permit)) => permit,
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => return Err(late(app)),
        };
        let is_heavy = self.values.len() >= HEAVY_VALUES;
        let json = off_worker(is_heavy, move || write(self)).await;
        let mut response = body::sent(json, permit);
        times.total = arrival.begin.elapsed();
        app.metrics.answered(single, &lengths, times);
        let words: usize = lengths.iter().sum();
        let headers = response.headers_mut();
        for (name, value) in [
            ("x-compute-time", times.total.as_millis() as u64),
            ("x-compute-characters", characters as u64),
            ("x-compute-tokens", words as u64),
            ("x-total-time", times.total.as_millis() as u64),
            ("x-tokenization-time", times.tokenization.as_millis() as u64),
            ("x-queue-time", times.queue.as_millis() as u64),
            ("x-inference-time", times.inference.as_millis() as u64),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
        let inputs = lengths.len();
        response.extensions_mut().insert(Served { inputs, words });
        Ok(response)
    }
}

/// Refuses requests that exceed the whole queue or the largest response.
fn check_size(app: &App, words: usize, bytes: usize) -> Result<(), Problem> {
    let limits = &app.config.limits;
    if words > limits.queue_words {
        let most = limits.queue_words;
        let message = format!("the request has {words} words, more than the limit of {most}");
        return Err(Problem::new(ProblemKind::TooLarge, message));
    }
    if bytes > limits.response_bytes {
        let most = limits.response_bytes;
        let message = format!(
            "the response would have about {bytes} bytes, more than the limit of {most}; send fewer texts at once"
        );
        return Err(Problem::new(ProblemKind::TooLarge, message));
    }
    Ok(())
}

fn late(app: &App) -> Problem {
    let seconds = app.config.timeouts.request.as_secs_f32();
    let message = format!("the result was not ready within {seconds} seconds");
    let (_, waiting) = app.queue.waiting();
    Problem::new(ProblemKind::Deadline, message).retry_after(app.pace.seconds(waiting))
}

/// Scales a vector to length 1; a zero vector stays zero.
fn scale_to_one(vector: &mut [f32]) {
    let square = |&x: &f32| f64::from(x).powi(2);
    let length = vector.iter().map(square).sum::<f64>().sqrt();
    if length > 0.0 {
        for x in vector {
            *x = (f64::from(*x) / length) as f32;
        }
    }
}
