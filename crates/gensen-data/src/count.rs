//! Exact word counts in bounded memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::DataError;
use crate::words::{self, WordTable};

/// Counts words from many threads. Words are dealt out to shards by their hash; a shard that grows
/// past its share of memory is sorted and written to a run on disk. At the end the runs of a shard
/// are merged, so that however many distinct words there are, memory stays bounded and the counts
/// stay exact.
pub(crate) struct WordCounter {
    shards: Vec<Mutex<Shard>>,
    /// Bytes of memory a shard may take before it is written out.
    shard_bytes: usize,
    folder: PathBuf,
}

#[derive(Default)]
struct Shard {
    table: WordTable,
    counts: Vec<u64>,
    runs: Vec<PathBuf>,
}

const SHARDS: usize = 16;

/// What a distinct word costs in a shard beside its text: count, end, index slots.
const WORD_OVERHEAD: usize = 32;

impl WordCounter {
    /// The memory that the words of a counter take, by default.
    pub(crate) const MEMORY: usize = 48 << 20;

    /// A counter that writes its runs into `folder`, which exists.
    pub(crate) fn new(folder: &Path, memory: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes: memory / SHARDS,
            folder: folder.to_owned(),
        }
    }

    /// Adds the counts of words.
    pub(crate) fn add<'a>(
        &self,
        counts: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<(), DataError> {
        // Sorted by shard, so that each lock is taken once.
        let mut by_shard: [Vec<(&str, u64)>; SHARDS] = Default::default();
        for (word, count) in counts.filter(|(_, count)| *count > 0) {
            by_shard[words::hash(word) as usize >> 7 & (SHARDS - 1)].push((word, count));
        }
        for (number, counts) in by_shard.iter().enumerate() {
            let mut shard = self.shards[number]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for &(word, count) in counts {
                if shard.bytes() > self.shard_bytes {
                    let run = self.folder.join(format!("{number}-{}", shard.runs.len()));
                    shard.write_run(run)?;
                }
                let word = shard.table.intern(word) as usize;
                match shard.counts.get_mut(word) {
                    Some(sum) => *sum += count,
                    None => shard.counts.push(count),
                }
            }
        }
        Ok(())
    }

    /// The `size` most frequent words that `wanted` takes, most frequent first, equally frequent
    /// ones in byte order.
    pub(crate) fn most_frequent(
        self,
        size: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, u64)>, DataError> {
        // The heap's top is the word that is dropped first.
        let mut best: BinaryHeap<Ranked> = BinaryHeap::new();
        for shard in self.shards {
            let shard = shard.into_inner().unwrap_or_else(PoisonError::into_inner);
            shard.each(|word, count| {
                let full = best.len() >= size;
                let worse = best.peek().is_some_and(|last| {
                    (Reverse(count), word) > (Reverse(last.count), &*last.word)
                });
                if size > 0 && !(full && worse) && wanted(word) {
                    if full {
                        best.pop();
                    }
                    let word = word.to_owned();
                    best.push(Ranked { word, count });
                }
            })?;
        }
        Ok(best
            .into_sorted_vec()
            .into_iter()
            .map(|ranked| (ranked.word, ranked.count))
            .collect())
    }
}

#[derive(PartialEq, Eq)]
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
        self.table.text_len() + self.table.len() * WORD_OVERHEAD
    }

    /// The words in byte order with their counts.
    fn sorted(&self) -> Vec<(&str, u64)> {
        let mut sorted: Vec<_> = self
            .table
            .words()
            .zip(self.counts.iter().copied())
            .collect();
        sorted.sort_unstable();
        sorted
    }

    fn write_run(&mut self, path: PathBuf) -> Result<(), DataError> {
        let write = || {
            let mut run = BufWriter::new(File::create(&path)?);
            for (word, count) in self.sorted() {
                run.write_all(&(word.len() as u32).to_le_bytes())?;
                run.write_all(word.as_bytes())?;
                run.write_all(&count.to_le_bytes())?;
            }
            run.flush()
        };
        write().map_err(DataError::io(&path))?;
        self.runs.push(path);
        self.table.clear();
        self.counts.clear();
        Ok(())
    }

    /// Visits every word once with its whole count.
    fn each(self, mut visit: impl FnMut(&str, u64)) -> Result<(), DataError> {
        if self.runs.is_empty() {
            self.table
                .words()
                .zip(&self.counts)
                .for_each(|(word, &count)| visit(word, count));
            return Ok(());
        }
        let mut runs = Vec::new();
        for path in &self.runs {
            runs.push(Run::open(path)?);
        }
        let mut rest = self.sorted().into_iter().peekable();
        // The run with the smallest word comes first; memory is one word a run.
        let mut heads: BinaryHeap<Reverse<(String, usize)>> = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next_word()?.map(|word| Reverse((word, number))));
        }
        loop {
            let word = match (heads.peek(), rest.peek()) {
                (Some(Reverse((head, _))), Some((word, _))) => head.as_str().min(word),
                (Some(Reverse((head, _))), None) => head,
                (None, Some((word, _))) => word,
                (None, None) => return Ok(()),
            }
            .to_owned();
            let mut total = 0;
            while let Some(Reverse((head, _))) = heads.peek()
                && *head == word
                && let Some(Reverse((_, number))) = heads.pop()
            {
                total += runs[number].count;
                heads.extend(
                    runs[number]
                        .next_word()?
                        .map(|word| Reverse((word, number))),
                );
            }
            if let Some((_, count)) = rest.next_if(|(next, _)| *next == word) {
                total += count;
            }
            visit(&word, total);
        }
    }
}

/// A sorted run of words on disk.
struct Run {
    path: PathBuf,
    file: BufReader<File>,
    /// The count of the word read last.
    count: u64,
}

impl Run {
    fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 15, file),
            count: 0,
        })
    }

    fn next_word(&mut self) -> Result<Option<String>, DataError> {
        let mut read = || {
            let mut length = [0; 4];
            match self.file.read_exact(&mut length) {
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                read => read?,
            }
            let mut word = vec![0; u32::from_le_bytes(length) as usize];
            self.file.read_exact(&mut word)?;
            let mut count = [0; 8];
            self.file.read_exact(&mut count)?;
            self.count = u64::from_le_bytes(count);
            String::from_utf8(word)
                .map(Some)
                .map_err(std::io::Error::other)
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
        let counter = WordCounter::new(folder.path(), memory);
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
        let spilt = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(spilt > SHARDS, memory < 1 << 20, "{spilt} runs");
        let mut expected: Vec<_> = plain
            .into_iter()
            .map(|(word, count)| (word.to_owned(), count))
            .collect();
        expected.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        expected.retain(|(word, _)| word != "w7");
        expected.truncate(size);
        let found = counter.most_frequent(size, |word| word != "w7").unwrap();
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
