//! The first pass: tokenises blocks of text into chunks.

mod builder;

use std::sync::Mutex;
use std::sync::PoisonError;

use self::builder::{ChunkBuilder, Tally};
use super::chunk::{ChunkFile, ChunkPlace};
use super::task::TaskInputs;
use super::{DataOptions, PrepareProgress};
use crate::corpus::Corpus;
use crate::error::DataError;
use crate::exclusion::Excluded;
use crate::parallel;
use crate::report::InputReport;
use crate::tokenizer::Tokenizer;

/// The tokenisation of a task's text: of its first texts, and of the others.
pub(super) struct Wording {
    pub(super) tokenizers: [Box<dyn Tokenizer>; 2],
    pub(super) lowercase: [bool; 2],
}

/// Tokenises a corpus into `scratch`, leaving out sentences excluded from training. Returns the
/// positions of the chunks in the corpus's order.
pub(super) fn tokenise(
    corpus: &Corpus,
    task: &TaskInputs<'_>,
    options: &DataOptions,
    excluded: &Excluded,
    scratch: &ChunkFile,
    report: &mut InputReport,
    progress: &dyn Fn(PrepareProgress),
) -> Result<Vec<ChunkPlace>, DataError> {
    let done: Mutex<(Vec<(usize, ChunkPlace)>, Tally)> = Mutex::default();
    let (name, split, input) = (&*task.spec.name, &*report.split, &*report.input);
    let excluded = (split == "train").then_some(excluded);
    parallel::for_each(
        options.threads(),
        |send| {
            corpus.read(&mut |block| {
                progress(PrepareProgress::Reading {
                    task: name,
                    split,
                    input,
                    line: block.first_line,
                });
                send(block)
            })
        },
        || Ok((ChunkBuilder::new(corpus, task, excluded), Vec::new())),
        |(builder, bytes), number, block| {
            builder.chunk.clear();
            builder.tally = Tally::default();
            builder.take(&block)?;
            let place = scratch.append(&builder.chunk, bytes)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0.push((number, place));
            done.1.add(&builder.tally);
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
