//! The order of training examples: which of them make up batch `k` of a task, as a pure function of
//! seed, task and `k`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::BatchSize;
use crate::dataset::Dataset;
use crate::permutation::{Permutation, key};
use crate::spec::TaskKind;
use crate::word_batches::WordBatches;

/// Settings of the order of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderOptions {
    /// The number of batches whose examples are sorted by length together (length bucketing). The
    /// reference implementation sorts a million pairs at a time; 1 gives batches of mixed lengths.
    /// Not used for batches of [`BatchSize::Words`], for which whole epochs are sorted.
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
/// With [`BatchSize::Sentences`], each epoch is a new random permutation of all examples. It is cut
/// into windows of `bucket_batches * batch_size` examples. Each window is stably sorted by source
/// length and cut into batches, which are visited in random order. The batch of the longest
/// sentences of an epoch's last window may be smaller. Inference and classification examples are
/// not sorted: their batches are cut from the permutation itself, as in the reference
/// implementation.
///
/// With [`BatchSize::Words`], all examples are sorted by their number of words and cut into batches
/// once, so that a batch holds examples of similar lengths. Each epoch shuffles the examples with
/// equal numbers of words, and visits the batches in random order. This takes five bytes of memory
/// per example, and reads all lengths when the order is created.
///
/// Any batch is computed in constant time, without the ones before it, so a resumed run need not
/// replay them.
#[derive(Debug)]
pub struct BatchOrder {
    dataset: Dataset,
    cut: Cut,
    seed: u64,
    task: String,
}

#[derive(Debug)]
enum Cut {
    Windows(Windows),
    Words(WordBatches),
}

/// Batches of [`BatchSize::Sentences`].
#[derive(Debug)]
struct Windows {
    batch_size: u64,
    bucket_batches: u64,
    /// The most recently sorted windows, by the number of their first batch.
    sorted: Mutex<VecDeque<(u64, Arc<Vec<u64>>)>>,
}

impl BatchOrder {
    /// The order of the batches of `task` with this size.
    pub fn new(
        dataset: &Dataset,
        size: impl Into<BatchSize>,
        seed: u64,
        task: &str,
        options: OrderOptions,
    ) -> Self {
        let cut = match size.into() {
            BatchSize::Sentences(size) => Cut::Windows(Windows {
                batch_size: size.max(1),
                bucket_batches: options.bucket_batches.max(1),
                sorted: Mutex::default(),
            }),
            BatchSize::Words(size) => Cut::Words(WordBatches::new(dataset, size)),
        };
        Self {
            dataset: dataset.clone(),
            cut,
            seed,
            task: task.to_owned(),
        }
    }

    /// The number of batches of an epoch, in which every example occurs once.
    pub fn batches_per_epoch(&self) -> u64 {
        match &self.cut {
            Cut::Windows(windows) => self.dataset.len().div_ceil(windows.batch_size),
            Cut::Words(batches) => batches.len(),
        }
    }

    /// The examples of batch `k`, counted from 0 through all epochs.
    pub fn indices(&self, k: u64) -> Vec<u64> {
        let batches = self.batches_per_epoch();
        let (epoch, batch) = (k / batches, k % batches);
        match &self.cut {
            Cut::Windows(windows) => self.in_windows(windows, epoch, batch),
            Cut::Words(words) => words.indices(self.seed, &self.task, epoch, batch),
        }
    }

    fn in_windows(&self, windows: &Windows, epoch: u64, batch: u64) -> Vec<u64> {
        let (size, bucket_batches) = (windows.batch_size, windows.bucket_batches);
        if matches!(
            self.dataset.kind(),
            TaskKind::Nli | TaskKind::Classification
        ) {
            return self.positions(epoch, batch * size, size);
        }
        let batches = self.batches_per_epoch();
        let (window, place) = (batch / bucket_batches, batch % bucket_batches);
        let in_window = bucket_batches.min(batches - window * bucket_batches);
        // The number of the window's first batch identifies the window.
        let name = epoch * batches + batch - place;
        let visits = key(self.seed, &self.task, "batches", name);
        let batch = Permutation::new(in_window, visits).at(place);
        let sorted = self.window(windows, epoch, window, name);
        let examples = sorted.iter().skip((batch * size) as usize);
        examples.take(size as usize).copied().collect()
    }

    /// The examples at `count` positions of an epoch's permutation from `start`, or up to its end.
    fn positions(&self, epoch: u64, start: u64, count: u64) -> Vec<u64> {
        let len = self.dataset.len();
        let permutation = Permutation::new(len, key(self.seed, &self.task, "epoch", epoch));
        (start..len.min(start.saturating_add(count)))
            .map(|position| permutation.at(position))
            .collect()
    }

    /// The examples of a window in ascending order of source length; `name` is the number of its
    /// first batch.
    fn window(&self, windows: &Windows, epoch: u64, window: u64, name: u64) -> Arc<Vec<u64>> {
        let sorted = windows.sorted.lock();
        let mut sorted = sorted.unwrap_or_else(PoisonError::into_inner);
        if let Some((_, examples)) = sorted.iter().find(|(known, _)| *known == name) {
            return Arc::clone(examples);
        }
        let size = windows.bucket_batches.saturating_mul(windows.batch_size);
        let mut examples = self.positions(epoch, window * size, size);
        examples.sort_by_cached_key(|&example| self.dataset.source_length(example));
        let examples = Arc::new(examples);
        sorted.push_back((name, Arc::clone(&examples)));
        if sorted.len() > WINDOWS_KEPT {
            sorted.pop_front();
        }
        examples
    }
}

/// The number of sorted windows kept in memory: threads that read ahead may use two at a time.
const WINDOWS_KEPT: usize = 3;
