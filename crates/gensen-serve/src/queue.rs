//! The queue of requests to encode: bounded in words; a request is admitted or refused as a whole.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::model::TokenizedText;

/// What to compute for each text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// The text's vector.
    Vectors,
    /// The states of the text's words.
    States,
}

/// A request's work.
pub(crate) struct RequestWork {
    /// The model's index.
    pub(crate) model: usize,
    pub(crate) output: OutputKind,
    /// At least one text.
    pub(crate) texts: Vec<TokenizedText>,
}

/// A request's result.
#[derive(Debug)]
pub(crate) struct Computed {
    /// The values of all its texts, concatenated.
    pub(crate) values: Vec<f32>,
    /// Time from admission to the first batch.
    pub(crate) queued: Duration,
    /// Time spent in its batches.
    pub(crate) inference: Duration,
}

/// Why a request is not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The number of queued words, and its limit.
    Full { waiting: usize, most: usize },
    /// The server is stopping.
    Closed,
}

/// Bounds on batches and on the queue.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) queue_words: usize,
    pub(crate) batch_words: usize,
    pub(crate) batch_requests: usize,
    pub(crate) window: Duration,
}

/// The queue.
pub(crate) struct Queue {
    bounds: Bounds,
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: HashMap<u64, Job>,
    /// Requests with unbatched texts, in round-robin order. Abandoned requests are removed when their turn comes.
    turns: VecDeque<u64>,
    /// Admitted words that are not encoded yet.
    words: usize,
    next: u64,
    closed: bool,
}

/// A request in the queue.
struct Job {
    model: usize,
    output: OutputKind,
    /// Texts that are not in a batch yet.
    texts: std::vec::IntoIter<TokenizedText>,
    /// Words that are not encoded yet.
    words: usize,
    values: Vec<f32>,
    admitted: Instant,
    taken: Option<Instant>,
    inference: Duration,
    reply: oneshot::Sender<Result<Computed, String>>,
}

/// Texts that are encoded together.
pub(crate) struct TextBatch {
    pub(crate) model: usize,
    pub(crate) output: OutputKind,
    /// Each request's number and some of its texts, in order.
    pub(crate) parts: Vec<(u64, Vec<TokenizedText>)>,
}

impl TextBatch {
    pub(crate) fn words(&self) -> usize {
        self.texts().map(|text| text.words).sum()
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &TokenizedText> {
        self.parts.iter().flat_map(|(_, texts)| texts)
    }
}

/// A request's place in the queue; dropping it abandons the request.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    job: u64,
    reply: oneshot::Receiver<Result<Computed, String>>,
}

impl Ticket {
    /// Waits for the result or the encoder's error.
    pub(crate) async fn computed(&mut self) -> Result<Computed, String> {
        let reply = &mut self.reply;
        match reply.await {
            Ok(computed) => computed,
            // The queue was abandoned.
            Err(_) => Err("the encoder has stopped".to_owned()),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.abandon_job(self.job);
    }
}

impl Queue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // Code that holds the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits all of a request's texts or none.
    pub(crate) fn admit(self: &Arc<Self>, work: RequestWork) -> Result<Ticket, Refused> {
        let words = work.texts.iter().map(|text| text.words).sum();
        let (sender, reply) = oneshot::channel();
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.words + words > self.bounds.queue_words {
            return Err(Refused::Full {
                waiting: state.words,
                most: self.bounds.queue_words,
            });
        }
        let job = state.next;
        state.next += 1;
        state.words += words;
        state.turns.push_back(job);
        let admitted = Job {
            model: work.model,
            output: work.output,
            texts: work.texts.into_iter(),
            words,
            values: Vec::new(),
            admitted: Instant::now(),
            taken: None,
            inference: Duration::ZERO,
            reply: sender,
        };
        state.jobs.insert(job, admitted);
        drop(state);
        self.changed.notify_one();
        Ok(Ticket {
            queue: Arc::clone(self),
            job,
            reply,
        })
    }

    /// Removes an abandoned request. Texts already in a batch are still encoded, and their results dropped.
    fn abandon_job(&self, job: u64) {
        let mut state = self.lock();
        if let Some(job) = state.jobs.remove(&job) {
            state.words -= job.words;
        }
    }

    /// The number of queued requests and words.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.jobs.len(), state.words)
    }

    /// Refuses further requests; admitted ones are still encoded.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Drops all requests and refuses further ones, because the encoding thread has ended.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.words = 0;
        state.turns.clear();
        // Dropping the senders wakes the waiting requests.
        state.jobs.clear();
    }

    /// Waits for the next batch; `None` when the queue is closed and empty.
    pub(crate) fn batch(&self) -> Option<TextBatch> {
        let mut state = self.lock();
        loop {
            state.forget_abandoned();
            let Some(first) = state.turns.front() else {
                if state.closed {
                    return None;
                }
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let age = state.jobs[first].admitted.elapsed();
            let full = state.words >= self.bounds.batch_words
                || state.turns.len() >= self.bounds.batch_requests;
            if full || state.closed || age >= self.bounds.window {
                return Some(state.take(&self.bounds));
            }
            let left = self.bounds.window - age;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Records a batch's results, and replies to requests that are complete or failed. `time` is the batch's duration.
    pub(crate) fn done(
        &self,
        results: Vec<(u64, usize, Result<Vec<f32>, String>)>,
        time: Duration,
    ) {
        let mut state = self.lock();
        let mut replies = Vec::new();
        for (number, words, result) in results {
            // The request may have been abandoned.
            let Some(job) = state.jobs.get_mut(&number) else {
                continue;
            };
            job.words -= words;
            job.inference += time;
            let outcome = match result {
                Ok(values) => {
                    job.values.extend(values);
                    (job.texts.len() == 0).then_some(Ok(()))
                }
                Err(problem) => Some(Err(problem)),
            };
            state.words -= words;
            if let Some(outcome) = outcome
                && let Some(job) = state.jobs.remove(&number)
            {
                state.words -= job.words;
                replies.push((job, outcome));
            }
        }
        drop(state);
        for (job, outcome) in replies {
            let computed = outcome.map(|()| Computed {
                values: job.values,
                queued: job
                    .taken
                    .map_or(Duration::ZERO, |taken| taken - job.admitted),
                inference: job.inference,
            });
            // Fails only if the request has just been abandoned.
            let _ = job.reply.send(computed);
        }
    }
}

impl QueueState {
    /// Removes abandoned requests from the front.
    fn forget_abandoned(&mut self) {
        while self
            .turns
            .front()
            .is_some_and(|job| !self.jobs.contains_key(job))
        {
            self.turns.pop_front();
        }
    }

    /// Fills a batch round-robin with texts for one model and output. A request with remaining texts moves to the back,
    /// so that a long request does not delay short ones. The first text is taken whatever its length.
    fn take(&mut self, bounds: &Bounds) -> TextBatch {
        let mut batch: Option<TextBatch> = None;
        let mut words = 0;
        let mut rest = VecDeque::with_capacity(self.turns.len());
        let mut behind = None;
        let now = Instant::now();
        while let Some(number) = self.turns.pop_front() {
            let Some(job) = self.jobs.get_mut(&number) else {
                continue;
            };
            let batch = batch.get_or_insert_with(|| TextBatch {
                model: job.model,
                output: job.output,
                parts: Vec::new(),
            });
            if (job.model, job.output) != (batch.model, batch.output) {
                rest.push_back(number);
                continue;
            }
            let mut texts = Vec::new();
            while let Some(text) = job.texts.as_slice().first() {
                if words > 0 && words + text.words > bounds.batch_words {
                    break;
                }
                words += text.words;
                texts.extend(job.texts.next());
            }
            if texts.is_empty() {
                rest.push_back(number);
                continue;
            }
            job.taken.get_or_insert(now);
            batch.parts.push((number, texts));
            if job.texts.len() > 0 {
                behind = Some(number);
                break;
            }
            if batch.parts.len() >= bounds.batch_requests {
                break;
            }
        }
        rest.append(&mut self.turns);
        rest.extend(behind);
        self.turns = rest;
        #[allow(
            clippy::expect_used,
            reason = "`Queue::batch` calls this only if a request has a turn"
        )]
        batch.expect("a request has a turn")
    }
}

#[cfg(test)]
mod tests;
