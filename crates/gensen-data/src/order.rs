//! Which examples make batch `k` of a task: a pure function of (seed, task, position).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::BatchSize;
use crate::dataset::Dataset;
use crate::permutation::{Permutation, key};
use crate::spec::TaskKind;
use crate::word_batches::WordBatches;

/// How batches are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderOptions {
    /// So many batches are sorted by length together (length bucketing). The reference sorts a
    /// million pairs at a time; 1 gives batches of mixed lengths. Batches of so many words are
    /// sorted a whole epoch at a time.
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
/// from the permutation as it is, and so are those of classification.
///
/// Batches of so many words hold examples of about as many words each: all examples, sorted by
/// their words, are cut once, an epoch shuffles those of equal number among each other, and batches
/// are visited in random order. This takes five bytes an example, and time to read all lengths when
/// the order is made.
///
/// Any batch is found in constant time: resuming seeks, it does not replay.
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

/// Batches of so many sentences.
#[derive(Debug)]
struct Windows {
    batch_size: u64,
    bucket_batches: u64,
    /// Windows sorted last.
    sorted: Mutex<VecDeque<(u64, Arc<Vec<u64>>)>>,
}

impl BatchOrder {
    /// The order of the batches of `task`, each of `size`.
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

    /// The number of batches in which every example occurs once.
    pub fn batches_per_epoch(&self) -> u64 {
        match &self.cut {
            Cut::Windows(windows) => self.dataset.len().div_ceil(windows.batch_size),
            Cut::Words(batches) => batches.len(),
        }
    }

    /// The examples of batch `k`, counted from 0 and on through all epochs.
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
        // Of the window's first batch.
        let name = epoch * batches + batch - place;
        let visits = key(self.seed, &self.task, "batches", name);
        let batch = Permutation::new(in_window, visits).at(place);
        let sorted = self.window(windows, epoch, window, name);
        let examples = sorted.iter().skip((batch * size) as usize);
        examples.take(size as usize).copied().collect()
    }

    /// The examples at `count` positions of an epoch's permutation, or up to its end.
    fn positions(&self, epoch: u64, start: u64, count: u64) -> Vec<u64> {
        let len = self.dataset.len();
        let permutation = Permutation::new(len, key(self.seed, &self.task, "epoch", epoch));
        (start..len.min(start.saturating_add(count)))
            .map(|position| permutation.at(position))
            .collect()
    }

    /// The examples of a window, shortest source first; `name` is the number of its first batch.
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

/// How many sorted windows are kept: threads that read ahead may be in two of them.
const WINDOWS_KEPT: usize = 3;
