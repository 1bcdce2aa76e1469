//! The three passes over all tasks.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{self, Manifest, TaskEntry, Workshop};
use super::chunk::Scratch;
use super::key::Stamps;
use super::layout::Side;
use super::select::Selection;
use super::task::Task;
use super::tokenise::tokenise;
use super::write::{Extent, Part, create_files};
use super::{DataOptions, Progress, TASKS, VOCABULARY, Vocabularies};
use crate::count::WordCounter;
use crate::error::DataError;
use crate::exclusion::Excluded;
use crate::report::{InputReport, Report};
use crate::spec::TaskKind;
use crate::vocabulary::Vocabulary;

/// Prepares everything anew.
pub(super) fn build(
    tasks: &[Task],
    options: &DataOptions,
    given: Option<&Vocabularies>,
    excluded: &Excluded,
    (key, stamps): (String, Stamps),
    cache: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<(PathBuf, Manifest), DataError> {
    let workshop = Workshop::open(cache)?;
    let (work, out) = (workshop.work(), workshop.out());
    let threads = options.threads();
    let mut report = Report::default();

    // First pass, for all tasks: the source vocabulary needs them all.
    let mut tokenised = Vec::new();
    for task in tasks {
        let splits = tokenise_task(task, options, excluded, &work, &mut report, progress);
        tokenised.push(splits.map_err(|error| error.in_task(&task.name))?);
    }
    stamps.check()?;

    // Second pass: which examples are kept and where they go, and how often each word occurs.
    let only_nli = tasks.iter().all(|task| task.kind == TaskKind::Nli);
    let source_counter = match given {
        None => Some(counter(&work, "source")?),
        Some(_) => None,
    };
    let mut entries = Vec::new();
    let mut targets = Vec::new();
    for (task, splits) in tasks.iter().zip(&mut tokenised) {
        progress(Progress::Counting { task: &task.name });
        let given_target = given.and_then(|given| given.targets.get(&task.name));
        let target_counter = match given_target {
            None if !task.kind.decoders().is_empty() => Some(counter(&work, &task.name)?),
            _ => None,
        };
        let counts_source = task.kind != TaskKind::Nli || options.count_nli || only_nli;
        let counters = task.layout.streams.map(|stream| match stream.side {
            Side::Source => source_counter.as_ref().filter(|_| counts_source),
            Side::Target => target_counter.as_ref(),
        });
        let entry = survey_task(task, splits, threads, counters, &mut report);
        entries.push(entry.map_err(|error| error.in_task(&task.name))?);
        targets.push(match (given_target, target_counter) {
            (Some(vocabulary), _) => Some(Arc::clone(vocabulary)),
            (None, Some(counter)) => Some(Arc::new(cut(counter, options.target_words, threads)?)),
            (None, None) => None,
        });
    }
    let source = match (given, source_counter) {
        (Some(given), _) => Arc::clone(&given.source),
        (None, Some(counter)) => {
            let first = &options.first_words;
            Arc::new(cut_after(first, counter, options.source_words, threads)?)
        }
        (None, None) => return Err(DataError::key("source_words", "there is nothing to count")),
    };
    source.save(out.join(VOCABULARY))?;

    // Third pass: final ids at their final place.
    for ((task, splits), target) in tasks.iter().zip(tokenised).zip(&targets) {
        progress(Progress::Writing { task: &task.name });
        let folder = out.join(TASKS).join(&task.name);
        fs::create_dir_all(&folder).map_err(DataError::io(&folder))?;
        if let Some(target) = target {
            target.save(folder.join(VOCABULARY))?;
        }
        let vocabularies = task
            .layout
            .streams
            .map(|stream| match (stream.side, target) {
                (Side::Target, Some(target)) => &**target,
                _ => &*source,
            });
        write_task(task, splits, threads, vocabularies, &folder, &mut report)?;
    }
    let manifest = Manifest {
        format: cache::FORMAT,
        key,
        tasks: entries,
        report,
        files: BTreeMap::new(),
    };
    workshop.finish(cache, manifest)
}

/// A split's name and its inputs on their way.
type Splits = Vec<(&'static str, Vec<Part>)>;

fn tokenise_task(
    task: &Task,
    options: &DataOptions,
    excluded: &Excluded,
    work: &Path,
    report: &mut Report,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Splits, DataError> {
    let mut splits = Vec::new();
    for (split, corpora) in &task.splits {
        let mut parts = Vec::new();
        for corpus in corpora {
            let number = report.inputs.len();
            let mut found = InputReport {
                task: task.name.clone(),
                split: (*split).to_owned(),
                input: corpus.name.clone(),
                ..InputReport::default()
            };
            let scratch = Scratch::create(work.join(format!("{number}.chunks")))?;
            let places = tokenise(
                corpus, task, options, excluded, &scratch, &mut found, progress,
            )?;
            report.inputs.push(found);
            let flags = work.join(format!("{number}.flags"));
            let selection = Selection::new(task.kind, &corpus.table, &scratch, &places, flags)?;
            parts.push(Part::new(scratch, places, selection, number));
        }
        splits.push((*split, parts));
    }
    Ok(splits)
}

/// Surveys a task; only its training split is counted.
fn survey_task(
    task: &Task,
    splits: &mut Splits,
    threads: usize,
    counters: [Option<&WordCounter>; 2],
    report: &mut Report,
) -> Result<TaskEntry, DataError> {
    let mut entry = TaskEntry {
        name: task.name.clone(),
        kind: task.kind,
        splits: BTreeMap::new(),
    };
    for (split, parts) in splits {
        let counters = if *split == "train" {
            counters
        } else {
            [None, None]
        };
        let mut position = Extent::default();
        for part in parts {
            let before = position.examples;
            part.survey(&task.layout, threads, counters, &mut position)?;
            let report = &mut report.inputs[part.report];
            report.kept = position.examples - before;
            if report.kept == 0 {
                return Err(DataError::NoExamples {
                    input: report.input.clone(),
                    found: report.to_string(),
                });
            }
        }
        entry.splits.insert((*split).to_owned(), position.examples);
    }
    Ok(entry)
}

fn write_task(
    task: &Task,
    splits: Splits,
    threads: usize,
    vocabularies: [&Vocabulary; 2],
    folder: &Path,
    report: &mut Report,
) -> Result<(), DataError> {
    for (split, parts) in splits {
        let folder = folder.join(split);
        create_files(&folder, task.kind)?;
        for part in parts {
            let report = &mut report.inputs[part.report];
            [report.source, report.target] =
                part.write(&task.layout, threads, vocabularies, &folder)?;
            part.scratch.remove()?;
        }
    }
    Ok(())
}

fn counter(work: &Path, name: &str) -> Result<WordCounter, DataError> {
    let folder = tempfile::Builder::new().prefix(name).tempdir_in(work);
    let folder = folder.map_err(DataError::io(work))?;
    Ok(WordCounter::new(folder, WordCounter::MEMORY))
}

fn cut(counter: WordCounter, size: usize, threads: usize) -> Result<Vocabulary, DataError> {
    cut_after(&[], counter, size, threads)
}

/// A vocabulary of `size` words, special words not counted: the `first` ones, then the most frequent
/// others.
fn cut_after(
    first: &[String],
    counter: WordCounter,
    size: usize,
    threads: usize,
) -> Result<Vocabulary, DataError> {
    let special = Vocabulary::SPECIAL;
    let known: HashSet<&str> = first.iter().map(String::as_str).chain(special).collect();
    let size = size.saturating_sub(known.len() - special.len());
    let counts = counter.most_frequent(size, threads, |word| !known.contains(word))?;
    let counted = Vocabulary::from_counts(counts, size)?;
    if first.is_empty() {
        return Ok(counted);
    }
    let new = counted.words().skip(special.len());
    Vocabulary::from_words(first.iter().map(String::as_str).chain(new))
}
