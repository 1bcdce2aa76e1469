//! Exact word counts in bounded memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::error::DataError;
use crate::parallel;
use crate::scratch::create_part;
use crate::words::{WordKey, WordTable};

/// Counts words from many threads, exactly and in bounded memory: an external merge sort. Words are
/// distributed to shards by their hash. A shard that exceeds its share of the memory is sorted and
/// written to disk as a run; at the end the runs of each shard are merged.
pub(crate) struct WordCounter {
    shards: Vec<Mutex<Shard>>,
    /// The memory in bytes above which a shard is written to disk.
    shard_bytes: usize,
    /// The folder of the runs, deleted with the counter.
    folder: TempDir,
}

#[derive(Default)]
struct Shard {
    table: WordTable,
    counts: Vec<u64>,
    runs: Vec<PathBuf>,
}

const SHARDS: usize = 16;

/// The bytes that a distinct word takes in a shard besides its text: count, end and index slots.
const WORD_OVERHEAD: usize = 32;

impl WordCounter {
    /// The default memory of a counter in bytes.
    pub(crate) const MEMORY: usize = 48 << 20;

    /// A counter that uses about `memory` bytes and writes its runs to `folder`.
    pub(crate) fn new(folder: TempDir, memory: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes: memory / SHARDS,
            folder,
        }
    }

    /// Adds the counts of words.
    pub(crate) fn add<'a>(
        &self,
        counts: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<(), DataError> {
        // Grouped by shard first, so that each lock is taken once.
        let mut by_shard: [Vec<(WordKey, &str, u64)>; SHARDS] = Default::default();
        for (word, count) in counts.filter(|(_, count)| *count > 0) {
            let key = WordKey::of(word);
            // By the upper bits, since the lower ones select the slot in the shard's table.
            by_shard[(key.hash >> 32) as usize % SHARDS].push((key, word, count));
        }
        for (number, counts) in by_shard.iter().enumerate() {
            let mut shard = self.shards[number]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for &(key, word, count) in counts {
                if shard.bytes() > self.shard_bytes {
                    let run = self
                        .folder
                        .path()
                        .join(format!("{number}-{}", shard.runs.len()));
                    shard.write_run(run)?;
                }
                let word = shard.table.intern_key(word, key) as usize;
                match shard.counts.get_mut(word) {
                    Some(sum) => *sum += count,
                    None => shard.counts.push(count),
                }
            }
        }
        Ok(())
    }

    /// The `size` most frequent words for which `wanted` is true, in descending order of frequency;
    /// equally frequent words in byte order.
    pub(crate) fn most_frequent(
        self,
        size: usize,
        threads: usize,
        wanted: impl Fn(&str) -> bool + Sync,
    ) -> Result<Vec<(String, u64)>, DataError> {
        let best = Mutex::new(MostFrequent::new(size));
        parallel::for_each(
            threads,
            |send| {
                self.shards.into_iter().all(send);
                Ok(())
            },
            || Ok(()),
            |(), _, shard| {
                let mut of_shard = MostFrequent::new(size);
                let shard = shard.into_inner().unwrap_or_else(PoisonError::into_inner);
                shard.each(|word, count| of_shard.offer(word, count, &wanted))?;
                let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
                of_shard.cut();
                for ranked in of_shard.words {
                    best.offer(&ranked.word, ranked.count, &wanted);
                }
                Ok(())
            },
        )?;
        let best = best.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(best.sorted())
    }
}

/// The most frequent words so far. It collects up to twice `size` words before it drops the rarer
/// half, so that adding a word takes constant time on average.
struct MostFrequent {
    size: usize,
    words: Vec<Ranked>,
    /// The best word dropped so far: words that rank after it need not be added.
    last: Option<Ranked>,
}

impl MostFrequent {
    fn new(size: usize) -> Self {
        Self {
            size,
            words: Vec::new(),
            last: None,
        }
    }

    fn offer(&mut self, word: &str, count: u64, wanted: impl Fn(&str) -> bool) {
        let late = |last: &Ranked| (Reverse(count), word) > (Reverse(last.count), &*last.word);
        if self.last.as_ref().is_some_and(late) || !wanted(word) {
            return;
        }
        let word = word.to_owned();
        self.words.push(Ranked { word, count });
        if self.words.len() >= 2 * self.size.max(1 << 10) {
            self.cut();
        }
    }

    /// Keeps the `size` most frequent words.
    fn cut(&mut self) {
        if self.words.len() > self.size {
            let (_, last, _) = self.words.select_nth_unstable(self.size);
            self.last = Some(last.clone());
            self.words.truncate(self.size);
        }
    }

    fn sorted(mut self) -> Vec<(String, u64)> {
        self.cut();
        self.words.sort_unstable();
        let words = self.words.into_iter();
        words.map(|ranked| (ranked.word, ranked.count)).collect()
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Ranked {
    word: String,
    count: u64,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        (Reverse(self.count), &self.word).cmp(&(Reverse(other.count), &other.word))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Shard {
    fn bytes(&self) -> usize {
        self.table.text().len() + self.table.len() * WORD_OVERHEAD
    }

    /// The words with their hashes and counts, sorted by hash: merging needs only that all runs
    /// have the same order, and hashes compare faster than words.
    fn sorted(&self) -> Vec<(u64, &str, u64)> {
        let words = self.table.words().zip(&self.counts);
        let mut sorted: Vec<_> = words
            .map(|(word, count)| (WordKey::of(word).hash, word, *count))
            .collect();
        sorted.sort_unstable();
        sorted
    }

    fn write_run(&mut self, path: PathBuf) -> Result<(), DataError> {
        let write = || {
            let mut run = BufWriter::with_capacity(1 << 16, create_part(&path)?);
            for (hash, word, count) in self.sorted() {
                run.write_all(&hash.to_le_bytes())?;
                run.write_all(&count.to_le_bytes())?;
                run.write_all(&(word.len() as u32).to_le_bytes())?;
                run.write_all(word.as_bytes())?;
            }
            run.flush()
        };
        write().map_err(DataError::io(&path))?;
        self.runs.push(path);
        self.table.clear();
        self.counts.clear();
        Ok(())
    }

    /// Calls `visit` once for every word with its total count.
    fn each(self, mut visit: impl FnMut(&str, u64)) -> Result<(), DataError> {
        if self.runs.is_empty() {
            let words = self.table.words().zip(&self.counts);
            words.for_each(|(word, &count)| visit(word, count));
            return Ok(());
        }
        let mut runs = Vec::new();
        for path in &self.runs {
            runs.push(SortedRun::open(path)?);
        }
        let mut rest = self.sorted().into_iter().peekable();
        // The heap's top is the run with the smallest word; only one word per run is in memory.
        let mut heads: BinaryHeap<Reverse<(u64, String, usize)>> = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            if let Some((hash, word)) = run.next_word()? {
                heads.push(Reverse((hash, word, number)));
            }
        }
        let mut word = String::new();
        loop {
            let head = heads
                .peek()
                .map(|Reverse((hash, word, _))| (*hash, word.as_str()));
            let first = rest.peek().map(|(hash, word, _)| (*hash, *word));
            let Some((hash, smallest)) = head.into_iter().chain(first).min() else {
                return Ok(());
            };
            word.clear();
            word.push_str(smallest);
            let mut total = 0;
            while let Some(mut head) = heads.peek_mut()
                && head.0.0 == hash
                && head.0.1 == word
            {
                let run = &mut runs[head.0.2];
                total += run.count;
                match run.next_word()? {
                    Some((hash, word)) => (head.0.0, head.0.1) = (hash, word),
                    None => drop(PeekMut::pop(head)),
                }
            }
            if let Some((_, _, count)) = rest.next_if(|(_, next, _)| *next == word) {
                total += count;
            }
            visit(&word, total);
        }
    }
}

/// A sorted run of words on disk.
struct SortedRun {
    path: PathBuf,
    file: BufReader<File>,
    /// The count of the last word read.
    count: u64,
}

impl SortedRun {
    fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 15, file),
            count: 0,
        })
    }

    /// The next word and its hash; sets [`SortedRun::count`] to its count.
    fn next_word(&mut self) -> Result<Option<(u64, String)>, DataError> {
        let mut read = || {
            if self.file.fill_buf()?.is_empty() {
                return Ok(None);
            }
            let mut number = [0; 8];
            self.file.read_exact(&mut number)?;
            let hash = u64::from_le_bytes(number);
            self.file.read_exact(&mut number)?;
            self.count = u64::from_le_bytes(number);
            let mut length = [0; 4];
            self.file.read_exact(&mut length)?;
            let mut word = vec![0; u32::from_le_bytes(length) as usize];
            self.file.read_exact(&mut word)?;
            let word = String::from_utf8(word).map_err(std::io::Error::other)?;
            Ok(Some((hash, word)))
        };
        read().map_err(DataError::io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Counts `texts` from two threads and by a plain map.
    fn compare(memory: usize, size: usize) {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<Vec<(String, u64)>> = (0..40u64)
            .map(|text| {
                (0..2_000)
                    .map(|i| (format!("w{}", (i * i + text * 77) % 5_003), i % 3))
                    .collect()
            })
            .collect();
        let path = folder.path().to_owned();
        let counter = WordCounter::new(folder, memory);
        std::thread::scope(|scope| {
            for half in texts.chunks(20) {
                let counter = &counter;
                scope.spawn(move || {
                    for text in half {
                        counter
                            .add(text.iter().map(|(word, count)| (word.as_str(), *count)))
                            .unwrap();
                    }
                });
            }
        });
        let mut plain: BTreeMap<&str, u64> = BTreeMap::new();
        for (word, count) in texts.iter().flatten().filter(|(_, count)| *count > 0) {
            *plain.entry(word).or_default() += count;
        }
        let spilt = std::fs::read_dir(path).unwrap().count();
        assert_eq!(spilt > SHARDS, memory < 1 << 20, "{spilt} runs");
        let mut expected: Vec<_> = plain
            .into_iter()
            .map(|(word, count)| (word.to_owned(), count))
            .collect();
        expected.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        expected.retain(|(word, _)| word != "w7");
        expected.truncate(size);
        let found = counter.most_frequent(size, 3, |word| word != "w7").unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn counts_in_memory_are_exact() {
        compare(64 << 20, 100);
        compare(64 << 20, 0);
        compare(64 << 20, 1_000_000);
    }

    #[test]
    fn counts_that_went_to_disk_are_exact() {
        compare(60_000, 100);
        compare(60_000, 1_000_000);
        compare(0, 3_000);
    }
}
