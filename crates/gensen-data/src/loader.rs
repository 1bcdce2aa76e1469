//! Batches read ahead by threads, in the order of a schedule.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::order::BatchOrder;

/// The batch of one training step.
#[derive(Debug)]
pub struct LoadedBatch {
    /// The step.
    pub step: u64,
    /// The task's index in the loader's list.
    pub task: usize,
    /// The batch, or the error of reading it.
    pub batch: Result<Batch, DataError>,
}

/// An endless iterator over the batches of a schedule, in step order. Threads read batches ahead;
/// the result does not depend on their number. Dropping the iterator stops them.
///
/// ```
/// use gensen_data::{loader::Loader, order::BatchOrder, prepare::{DataOptions, prepare}, spec::TaskSpec};
///
/// # let base = tempfile::tempdir()?;
/// # let task: TaskSpec = serde_json::from_str(
/// #     r#"{"name": "nli", "kind": "nli", "train": "sample:test.nli.tsv"}"#,
/// # )?;
/// # let data = prepare(&[task], &DataOptions::default(), &base.path().join("cache"), base.path(), &|_| {})?;
/// let tasks = data.tasks.iter().map(|task| {
///     let order = BatchOrder::new(&task.train, 32, 1234, &task.name, Default::default());
///     (task.train.clone(), order)
/// });
/// // With one task, step k uses batch k. Here a run is resumed at step 1,000.
/// let loader = Loader::new(tasks.collect(), |step| (0, step), 1_000, 2, 8);
/// for loaded in loader.take(10) {
///     let batch = loaded.batch?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It ends only if the schedule returns a task that does not exist, or panics.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<LoaderQueue>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
}

#[derive(Debug, Default)]
struct LoaderQueue {
    state: Mutex<LoaderState>,
    /// Notified when a batch is read or taken, and when the loader stops.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LoaderState {
    /// The next step that no thread has started.
    claimed: u64,
    /// The next step to be returned.
    wanted: u64,
    done: BTreeMap<u64, LoadedBatch>,
    stopped: bool,
}

impl LoaderQueue {
    fn state(&self) -> MutexGuard<'_, LoaderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, LoaderState>) -> MutexGuard<'a, LoaderState> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }
}

impl Loader {
    /// Starts `threads` threads that read up to `ahead` batches ahead, from `first_step` on.
    /// `schedule` maps a step to the index of its task and the number of the task's batch.
    pub fn new(
        tasks: Vec<(Dataset, BatchOrder)>,
        schedule: impl Fn(u64) -> (usize, u64) + Send + Sync + 'static,
        first_step: u64,
        threads: usize,
        ahead: usize,
    ) -> Self {
        let shared = Arc::new(LoaderQueue::default());
        {
            let mut state = shared.state();
            (state.claimed, state.wanted) = (first_step, first_step);
        }
        let ahead = ahead.max(1) as u64;
        let source = Arc::new((tasks, schedule));
        let threads = (0..threads.max(1)).map(|_| {
            let (shared, source) = (Arc::clone(&shared), Arc::clone(&source));
            thread::spawn(move || {
                // A thread that ends for any reason ends the loader, so that no caller waits
                // for ever.
                let _stop = StopOnDrop(&shared);
                work(&shared, &source.0, &source.1, ahead);
            })
        });
        Self {
            threads: threads.collect(),
            shared,
            next: first_step,
        }
    }
}

fn work(
    shared: &LoaderQueue,
    tasks: &[(Dataset, BatchOrder)],
    schedule: impl Fn(u64) -> (usize, u64),
    ahead: u64,
) {
    loop {
        let mut state = shared.state();
        while !state.stopped && state.claimed >= state.wanted + ahead {
            state = shared.wait(state);
        }
        if state.stopped {
            return;
        }
        let step = state.claimed;
        state.claimed += 1;
        drop(state);
        let (task, k) = schedule(step);
        let Some((dataset, order)) = tasks.get(task) else {
            tracing::error!(
                "step {step} is scheduled for task {task}; there are {}",
                tasks.len()
            );
            return;
        };
        let batch = dataset.batch_of(&order.indices(k));
        shared
            .state()
            .done
            .insert(step, LoadedBatch { step, task, batch });
        shared.changed.notify_all();
    }
}

struct StopOnDrop<'a>(&'a LoaderQueue);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Iterator for Loader {
    type Item = LoadedBatch;

    fn next(&mut self) -> Option<LoadedBatch> {
        let mut state = self.shared.state();
        let batch = loop {
            if let Some(batch) = state.done.remove(&self.next) {
                break batch;
            }
            if state.stopped {
                return None;
            }
            state = self.shared.wait(state);
        };
        self.next += 1;
        state.wanted = self.next;
        drop(state);
        self.shared.changed.notify_all();
        Some(batch)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // A panic of the thread was printed on standard error.
            let _ = thread.join();
        }
    }
}
