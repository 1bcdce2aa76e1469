//! First pass: blocks of text become chunks of numbered words.

mod worker;

use std::sync::Mutex;
use std::sync::PoisonError;

use self::worker::{Tally, Worker};
use super::chunk::{ChunkFile, Place};
use super::task::TaskInputs;
use super::{DataOptions, Progress};
use crate::corpus::Corpus;
use crate::error::DataError;
use crate::exclusion::Excluded;
use crate::parallel;
use crate::report::InputReport;
use crate::tokenizer::Tokenizer;

/// How the sentences of a task become words.
pub(super) struct Wording {
    pub(super) tokenizers: [Box<dyn Tokenizer>; 2],
    pub(super) lowercase: [bool; 2],
}

/// Tokenises a corpus into `scratch`, without what is excluded from training; returns the places of its chunks in order.
pub(super) fn tokenise(
    corpus: &Corpus,
    task: &TaskInputs,
    options: &DataOptions,
    excluded: &Excluded,
    scratch: &ChunkFile,
    report: &mut InputReport,
    progress: &dyn Fn(Progress),
) -> Result<Vec<Place>, DataError> {
    let done: Mutex<(Vec<(usize, Place)>, Tally)> = Mutex::default();
    let (name, split, input) = (&*task.name, &*report.split, &*report.input);
    let excluded = (split == "train").then_some(excluded);
    parallel::for_each(
        options.threads(),
        |send| {
            corpus.read(&mut |block| {
                progress(Progress::Reading {
                    task: name,
                    split,
                    input,
                    line: block.first_line,
                });
                send(block)
            })
        },
        || Ok((Worker::new(corpus, task, excluded), Vec::new())),
        |(worker, bytes), number, block| {
            worker.chunk.clear();
            worker.tally = Tally::default();
            worker.take(&block)?;
            let place = scratch.append(&worker.chunk, bytes)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0.push((number, place));
            done.1.add(&worker.tally);
            Ok(())
        },
    )?;
    let (mut places, tally) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    places.sort_unstable_by_key(|(number, _)| *number);
    report.read = tally.read;
    report.sentences = tally.sentences;
    report.blank = tally.blank;
    report.unlabelled = tally.unlabelled;
    report.headings = tally.headings;
    report.excluded = tally.excluded;
    Ok(places.into_iter().map(|(_, place)| place).collect())
}
