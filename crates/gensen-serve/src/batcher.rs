//! The encoding thread: takes batches from the queue and encodes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gensen_data::error::chain;
use gensen_data::panics;

use crate::app::App;
use crate::model::{Model, TokenizedText};
use crate::queue::{OutputKind, TextBatch};

/// Encodes batches until the queue is closed and empty.
pub(crate) fn run(app: &Arc<App>, models: &[Model]) {
    while let Some(batch) = app.queue.batch() {
        let (count, words) = (batch.texts().count(), batch.words());
        app.metrics.batch(count, words);
        let begin = Instant::now();
        let results = encode(models, batch);
        let time = begin.elapsed();
        app.pace.encoded(words, time);
        app.queue.done(results, time);
    }
}

/// Encodes a batch; returns each part's request, number of words and values. If the batch fails, its parts are encoded
/// separately, so that only the offending requests fail.
fn encode(models: &[Model], batch: TextBatch) -> Vec<(u64, usize, Result<Vec<f32>, String>)> {
    let model = &models[batch.model];
    let width = model.encoder().width();
    let texts: Vec<&TokenizedText> = batch.texts().collect();
    let together = attempt(model, batch.output, &texts);
    let alone = batch.parts.len() == 1;
    let mut values = together.as_deref().unwrap_or_default();
    let part = |(job, texts): &(u64, Vec<TokenizedText>)| {
        let words = texts.iter().map(|text| text.words).sum();
        let rows = match batch.output {
            OutputKind::Vectors => texts.len(),
            OutputKind::States => words,
        };
        let result = match &together {
            Ok(_) => {
                let (own, others) = values.split_at(rows * width);
                values = others;
                Ok(own.to_vec())
            }
            Err(problem) if alone => Err(problem.clone()),
            Err(_) => attempt(model, batch.output, &texts.iter().collect::<Vec<_>>()),
        };
        if let Err(problem) = &result {
            tracing::error!("model {}: {problem}", model.name());
        }
        (*job, words, result)
    };
    batch.parts.iter().map(part).collect()
}

/// Encodes texts; a panic in the encoder becomes an error.
fn attempt(
    model: &Model,
    output: OutputKind,
    texts: &[&TokenizedText],
) -> Result<Vec<f32>, String> {
    let texts: Vec<&str> = texts.iter().map(|text| &*text.joined).collect();
    // Encoding does not mutate the encoder, so a panic leaves it intact.
    let encoded = panics::catch(|| match output {
        OutputKind::Vectors => model.vectors(&texts),
        OutputKind::States => model.states(&texts),
    });
    match encoded {
        Ok(Ok(values)) => Ok(values),
        Ok(Err(error)) => Err(chain(&error)),
        Err(panic) => Err(format!("the encoder failed: {}", panics::message(&*panic))),
    }
}

/// Recent throughput in words per second, an exponential moving average.
#[derive(Default)]
pub(crate) struct Pace(std::sync::Mutex<Option<f64>>);

impl Pace {
    /// Adds a batch to the average.
    fn encoded(&self, words: usize, time: Duration) {
        let now = words as f64 / time.as_secs_f64().max(1e-6);
        let mut pace = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *pace = Some(pace.map_or(now, |before| 0.9 * before + 0.1 * now));
    }

    /// Estimates the seconds that encoding `words` words takes, from 1 to 60.
    pub(crate) fn seconds(&self, words: usize) -> u64 {
        let pace = *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let seconds = pace.map_or(1.0, |pace| words as f64 / pace);
        seconds.ceil().clamp(1.0, 60.0) as u64
    }
}
