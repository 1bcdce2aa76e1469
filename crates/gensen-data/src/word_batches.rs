//! Batches of so many words.

use std::collections::BTreeMap;

use crate::dataset::Dataset;
use crate::permutation::{Permutation, key};

/// All examples of a data set by their number of words, cut into batches.
///
/// Where the cuts are depends on the lengths alone. What an epoch shuffles is which of the examples
/// of equal number of words comes where, so that every epoch has the same number of batches and
/// any batch can be found without the ones before it.
#[derive(Debug)]
pub(crate) struct WordBatches {
    /// Examples of fewest words first.
    sorted: Vec<Example>,
    /// Where examples of one more number of words begin in `sorted`; the last entry is its end.
    strata: Vec<usize>,
    /// Where batches begin in `sorted`; the last entry is its end.
    cuts: Vec<usize>,
}

/// An example's number in five bytes: enough for 2^40.
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
    /// Reads the lengths of all examples; a batch holds as many as have `limit` words together.
    pub(crate) fn new(dataset: &Dataset, limit: u64) -> Self {
        // Reading a damaged example fails where its batch is made.
        let words = |example: u64| dataset.words(example).unwrap_or(0);
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for example in 0..dataset.len() {
            *counts.entry(words(example)).or_default() += 1;
        }
        let (mut strata, mut cuts) = (vec![0], vec![0]);
        let (mut end, mut held) = (0, 0);
        // Turned from a stratum's size to where its next example goes.
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
            if let Some(place) = next.get_mut(&words(example)) {
                sorted[*place] = Example::new(example);
                *place += 1;
            }
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

    /// The examples of a batch of an epoch.
    pub(crate) fn indices(&self, seed: u64, task: &str, epoch: u64, batch: u64) -> Vec<u64> {
        let visits = Permutation::new(self.len(), key(seed, task, "batches", epoch));
        let batch = visits.at(batch) as usize;
        let (mut place, end) = (self.cuts[batch], self.cuts[batch + 1]);
        let mut indices = Vec::with_capacity(end - place);
        while place < end {
            let stratum = self.strata.partition_point(|&start| start <= place) - 1;
            let (start, stratum_end) = (self.strata[stratum], self.strata[stratum + 1]);
            // A number of its own for each epoch and stratum.
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
