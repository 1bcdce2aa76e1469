//! Batches with a limit on their number of words.

use std::collections::BTreeMap;

use crate::dataset::Dataset;
use crate::permutation::{Permutation, key};

/// All examples of a data set, sorted by their number of words and cut into batches.
///
/// The cuts depend on the lengths only. Each epoch shuffles the examples of equal length among
/// themselves, so that every epoch has the same number of batches, and any batch can be computed
/// without the ones before it.
#[derive(Debug)]
pub(crate) struct WordBatches {
    /// The examples in ascending order of length.
    sorted: Vec<Example>,
    /// The start of each stratum, the examples of one length, in `sorted`; the last entry is the
    /// end.
    strata: Vec<usize>,
    /// The start of each batch in `sorted`; the last entry is the end.
    cuts: Vec<usize>,
}

/// The index of an example in five bytes, enough for 2^40 examples.
#[derive(Clone, Copy, Debug, Default)]
struct Example([u8; 5]);

impl Example {
    fn new(index: u64) -> Self {
        let [a, b, c, d, e, ..] = index.to_le_bytes();
        Self([a, b, c, d, e])
    }

    fn index(self) -> u64 {
        let [a, b, c, d, e] = self.0;
        u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }
}

impl WordBatches {
    /// Reads the lengths of all examples and cuts them into batches of at most `limit` words, or of
    /// one example.
    pub(crate) fn new(dataset: &Dataset, limit: u64) -> Self {
        // A damaged example counts as 0 words; `Dataset::batch_of` reports it.
        let words = |example: u64| dataset.words(example).unwrap_or(0);
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for example in 0..dataset.len() {
            *counts.entry(words(example)).or_default() += 1;
        }
        let (mut strata, mut cuts) = (vec![0], vec![0]);
        let (mut end, mut held) = (0, 0);
        // Changed from each stratum's size to the position of its next example.
        let mut next = counts;
        for (&words, count) in &mut next {
            let start = end;
            end += std::mem::replace(count, start);
            for place in start..end {
                held += words;
                if held > limit && place > cuts[cuts.len() - 1] {
                    cuts.push(place);
                    held = words;
                }
            }
            strata.push(end);
        }
        cuts.push(end);
        let mut sorted = vec![Example::default(); end];
        for example in 0..dataset.len() {
            #[allow(
                clippy::expect_used,
                reason = "the first loop has counted every example's length"
            )]
            let place = next.get_mut(&words(example)).expect("a stratum");
            sorted[*place] = Example::new(example);
            *place += 1;
        }
        Self {
            sorted,
            strata,
            cuts,
        }
    }

    /// The number of batches of an epoch.
    pub(crate) fn len(&self) -> u64 {
        self.cuts.len() as u64 - 1
    }

    /// The examples of batch number `batch` of an epoch.
    pub(crate) fn indices(&self, seed: u64, task: &str, epoch: u64, batch: u64) -> Vec<u64> {
        let visits = Permutation::new(self.len(), key(seed, task, "batches", epoch));
        let batch = visits.at(batch) as usize;
        let (mut place, end) = (self.cuts[batch], self.cuts[batch + 1]);
        let mut indices = Vec::with_capacity(end - place);
        while place < end {
            let stratum = self.strata.partition_point(|&start| start <= place) - 1;
            let (start, stratum_end) = (self.strata[stratum], self.strata[stratum + 1]);
            // A different number for each epoch and stratum.
            let number = epoch * self.strata.len() as u64 + stratum as u64;
            let shuffled = key(seed, task, "examples of one length", number);
            let shuffled = Permutation::new((stratum_end - start) as u64, shuffled);
            let part_end = end.min(stratum_end);
            indices.extend((place..part_end).map(|place| {
                let place = shuffled.at((place - start) as u64) as usize;
                self.sorted[start + place].index()
            }));
            place = part_end;
        }
        indices
    }
}
