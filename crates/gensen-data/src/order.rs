//! Which examples make batch `k` of a task: a pure function of (seed, task, position).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dataset::Dataset;
use crate::permutation::{Permutation, key};
use crate::spec::TaskKind;

/// How batches are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderOptions {
    /// So many batches are sorted by length together (length bucketing). The reference sorts a
    /// million pairs at a time; 1 gives batches of mixed lengths.
    pub bucket_batches: u64,
}

impl Default for OrderOptions {
    fn default() -> Self {
        Self {
            bucket_batches: 100,
        }
    }
}

/// The endless sequence of a task's training batches.
///
/// Each epoch is a permutation of all examples of its own. It is cut into windows of
/// `bucket_batches * batch_size` examples; a window is sorted by source length (stably) and cut
/// into batches, which are visited in random order. The last batch of an epoch's longest sentences
/// may be smaller. Batches of inference pairs are not sorted: as in the reference, they are cut
/// from the permutation as it is.
///
/// Any batch is found in constant time: resuming seeks, it does not replay.
#[derive(Debug)]
pub struct BatchOrder {
    dataset: Dataset,
    batch_size: u64,
    bucket_batches: u64,
    seed: u64,
    task: String,
    /// Windows sorted last.
    windows: Mutex<VecDeque<(u64, Arc<Vec<u64>>)>>,
}

/// How many sorted windows are kept: threads that read ahead may be in two of them.
const WINDOWS_KEPT: usize = 3;

impl BatchOrder {
    /// The order of the batches of `task`, of `batch_size` examples each.
    pub fn new(
        dataset: &Dataset,
        batch_size: usize,
        seed: u64,
        task: &str,
        options: OrderOptions,
    ) -> Self {
        Self {
            dataset: dataset.clone(),
            batch_size: (batch_size as u64).max(1),
            bucket_batches: options.bucket_batches.max(1),
            seed,
            task: task.to_owned(),
            windows: Mutex::default(),
        }
    }

    /// The number of batches in which every example occurs once.
    pub fn batches_per_epoch(&self) -> u64 {
        self.dataset.len().div_ceil(self.batch_size)
    }

    /// The examples of batch `k`, counted from 0 and on through all epochs.
    pub fn indices(&self, k: u64) -> Vec<u64> {
        let batches = self.batches_per_epoch();
        let (epoch, batch) = (k / batches, k % batches);
        let slice = |positions: &[u64], batch: u64| {
            let start = (batch * self.batch_size) as usize;
            positions
                .iter()
                .skip(start)
                .take(self.batch_size as usize)
                .copied()
                .collect()
        };
        if self.dataset.kind() == TaskKind::Nli {
            return self.positions(epoch, batch * self.batch_size, self.batch_size);
        }
        let (window, place) = (batch / self.bucket_batches, batch % self.bucket_batches);
        let in_window = self
            .bucket_batches
            .min(batches - window * self.bucket_batches);
        let visits = key(self.seed, &self.task, "batches", k - place);
        let batch = Permutation::new(in_window, visits).at(place);
        slice(&self.window(epoch, window, k - place), batch)
    }

    /// The examples at `count` positions of an epoch's permutation, or up to its end.
    fn positions(&self, epoch: u64, start: u64, count: u64) -> Vec<u64> {
        let len = self.dataset.len();
        let permutation = Permutation::new(len, key(self.seed, &self.task, "epoch", epoch));
        (start..len.min(start + count))
            .map(|position| permutation.at(position))
            .collect()
    }

    /// The examples of a window, shortest source first; `name` is the number of its first batch.
    fn window(&self, epoch: u64, window: u64, name: u64) -> Arc<Vec<u64>> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sorted)) = windows.iter().find(|(known, _)| *known == name) {
            return Arc::clone(sorted);
        }
        let size = self.bucket_batches * self.batch_size;
        let mut examples = self.positions(epoch, window * size, size);
        examples.sort_by_cached_key(|&example| self.dataset.source_length(example));
        let sorted = Arc::new(examples);
        windows.push_back((name, Arc::clone(&sorted)));
        if windows.len() > WINDOWS_KEPT {
            windows.pop_front();
        }
        sorted
    }
}
