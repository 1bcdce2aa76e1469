//! The three passes over all tasks.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{self, CacheManifest, TaskEntry, Workshop};
use super::chunk::ChunkFile;
use super::chunking::tokenise;
use super::key::Stamps;
use super::layout::StreamSide;
use super::select::Selection;
use super::task::TaskInputs;
use super::write::{DataSize, InputPart, create_files};
use super::{DataOptions, PrepareProgress, TASKS, VOCABULARY, Vocabularies};
use crate::count::WordCounter;
use crate::error::DataError;
use crate::exclusion::Excluded;
use crate::report::{DataReport, InputReport};
use crate::spec::TaskKind;
use crate::vocabulary::Vocabulary;

/// Prepares the data of all tasks in a new cache folder.
pub(super) fn build(
    tasks: &[TaskInputs<'_>],
    options: &DataOptions,
    given: Option<&Vocabularies>,
    excluded: &Excluded,
    (key, stamps): (String, Stamps),
    cache: &Path,
    progress: &dyn Fn(PrepareProgress<'_>),
) -> Result<(PathBuf, CacheManifest), DataError> {
    let workshop = Workshop::open(cache, &key)?;
    let (work, out) = (workshop.work(), workshop.out());
    let threads = options.threads();
    let mut report = DataReport::default();

    // First pass, over all tasks, since the source vocabulary is of all tasks.
    let mut tokenised = Vec::new();
    for task in tasks {
        let splits = tokenise_task(task, options, excluded, &work, &mut report, progress);
        tokenised.push(splits.map_err(|error| error.in_task(&task.spec.name))?);
    }
    stamps.check()?;

    // Second pass: the positions of the examples kept, and the counts of their words.
    let only_nli = tasks.iter().all(|task| task.spec.form() == TaskKind::Nli);
    let mut labels = Vec::new();
    let source_words = match given {
        Some(given) => SourceWords::Given(Arc::clone(&given.source)),
        None => SourceWords::Counted(counter(&work, "source")?),
    };
    let mut entries = Vec::new();
    let mut targets = Vec::new();
    for (task, splits) in tasks.iter().zip(&mut tokenised) {
        progress(PrepareProgress::Counting {
            task: &task.spec.name,
        });
        let given_target = given.and_then(|given| given.targets.get(&task.spec.name));
        let target_counter = match given_target {
            None if !task.spec.form().decoders().is_empty() => {
                Some(counter(&work, &task.spec.name)?)
            }
            _ => None,
        };
        let counts_source = task.spec.form() != TaskKind::Nli || options.count_nli || only_nli;
        let streams = task.layout.streams.iter();
        let counters = streams.map(|stream| match stream.side {
            StreamSide::Source => source_words.counter().filter(|_| counts_source),
            StreamSide::Target => target_counter.as_ref(),
        });
        let counters: Vec<Option<&WordCounter>> = counters.collect();
        let entry = survey_task(task, splits, threads, &counters, &mut report);
        let entry = entry.map_err(|error| error.in_task(&task.spec.name))?;
        labels.push(entry.labels.clone());
        entries.push(entry);
        targets.push(match (given_target, target_counter) {
            (Some(vocabulary), _) => Some(Arc::clone(vocabulary)),
            (None, Some(counter)) => {
                let words = most_frequent(&[], counter, options.target_words, options, threads)?;
                Some(Arc::new(not_empty(words, options)?))
            }
            (None, None) => None,
        });
    }
    let source = match source_words {
        SourceWords::Given(vocabulary) => vocabulary,
        SourceWords::Counted(counter) => Arc::new(source_vocabulary(counter, options, threads)?),
    };
    source.save(out.join(VOCABULARY))?;

    // Third pass: final ids at their final positions.
    let tokenised = tokenised.into_iter().zip(labels);
    for ((task, (splits, labels)), target) in tasks.iter().zip(tokenised).zip(&targets) {
        progress(PrepareProgress::Writing {
            task: &task.spec.name,
        });
        let folder = out.join(TASKS).join(&task.spec.name);
        fs::create_dir_all(&folder).map_err(DataError::io(&folder))?;
        if let Some(target) = target {
            target.save(folder.join(VOCABULARY))?;
        }
        let streams = task.layout.streams.iter();
        let vocabularies = streams.map(|stream| match (stream.side, target) {
            (StreamSide::Target, Some(target)) => &**target,
            _ => &*source,
        });
        let vocabularies: Vec<&Vocabulary> = vocabularies.collect();
        let words = (&*vocabularies, &*labels);
        let written = write_task(task, splits, threads, words, &folder, &mut report);
        written.map_err(|error| error.in_task(&task.spec.name))?;
    }
    let manifest = CacheManifest {
        format: cache::FORMAT,
        key,
        tasks: entries,
        report,
        files: BTreeMap::new(),
    };
    workshop.finish(cache, manifest)
}

/// The source vocabulary, or the counts that it is made of.
enum SourceWords {
    Given(Arc<Vocabulary>),
    Counted(WordCounter),
}

impl SourceWords {
    fn counter(&self) -> Option<&WordCounter> {
        match self {
            Self::Given(_) => None,
            Self::Counted(counter) => Some(counter),
        }
    }
}

/// The splits of a task with their tokenised inputs.
type Splits = Vec<(&'static str, Vec<InputPart>)>;

fn tokenise_task(
    task: &TaskInputs<'_>,
    options: &DataOptions,
    excluded: &Excluded,
    work: &Path,
    report: &mut DataReport,
    progress: &dyn Fn(PrepareProgress<'_>),
) -> Result<Splits, DataError> {
    let mut splits = Vec::new();
    for (split, corpora) in &task.splits {
        let mut parts = Vec::new();
        for corpus in corpora {
            let number = report.inputs.len();
            let mut found = InputReport {
                task: task.spec.name.clone(),
                split: (*split).to_owned(),
                input: corpus.name.clone(),
                ..InputReport::default()
            };
            let scratch = ChunkFile::create(work.join(format!("{number}.chunks")))?;
            let places = tokenise(
                corpus, task, options, excluded, &scratch, &mut found, progress,
            )?;
            report.inputs.push(found);
            let flags = work.join(format!("{number}.flags"));
            let selection =
                Selection::new(task.spec.form(), &corpus.table, &scratch, &places, flags)?;
            parts.push(InputPart::new(
                scratch,
                places,
                selection,
                number,
                &corpus.name,
            ));
        }
        splits.push((*split, parts));
    }
    Ok(splits)
}

/// Finds the positions of a task's examples, and counts the words of its training split.
fn survey_task(
    task: &TaskInputs<'_>,
    splits: &mut Splits,
    threads: usize,
    counters: &[Option<&WordCounter>],
    report: &mut DataReport,
) -> Result<TaskEntry, DataError> {
    let mut entry = TaskEntry {
        name: task.spec.name.clone(),
        kind: task.spec.form(),
        splits: BTreeMap::new(),
        labels: Vec::new(),
    };
    for (split, parts) in splits {
        let train = *split == "train";
        let none = vec![None; counters.len()];
        let counters = if train { counters } else { &none };
        let mut position = DataSize::default();
        for part in parts.iter_mut() {
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
        if train && task.spec.form().needs_whole_batch() && position.examples < 2 {
            let problem = "one example, expected at least 2: examples of a batch are compared";
            return Err(DataError::key("train", problem));
        }
        if train && task.spec.form() == TaskKind::Classification {
            let mut labels = BTreeSet::new();
            for part in parts.iter() {
                part.labels(&mut labels)?;
            }
            entry.labels = labels.into_iter().collect();
            check_labels(&entry.labels)?;
        }
        entry.splits.insert((*split).to_owned(), position.examples);
    }
    Ok(entry)
}

fn write_task(
    task: &TaskInputs<'_>,
    splits: Splits,
    threads: usize,
    (vocabularies, labels): (&[&Vocabulary], &[String]),
    folder: &Path,
    report: &mut DataReport,
) -> Result<(), DataError> {
    for (split, parts) in splits {
        let folder = folder.join(split);
        create_files(&folder, task.spec.form())?;
        let mut first_row = 0;
        for part in parts {
            let report = &mut report.inputs[part.report];
            let beside = (labels, first_row);
            [report.source, report.target] =
                part.write(&task.layout, threads, vocabularies, beside, &folder)?;
            first_row += report.read;
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

/// The source vocabulary: [`DataOptions::first_words`], then the most frequent words counted, then
/// [`DataOptions::further_words`] up to the size wanted.
fn source_vocabulary(
    counter: WordCounter,
    options: &DataOptions,
    threads: usize,
) -> Result<Vocabulary, DataError> {
    let first = &options.first_words;
    let words = most_frequent(first, counter, options.source_words, options, threads)?;
    let size = options.source_words + Vocabulary::SPECIAL.len();
    let missing = size.saturating_sub(words.len());
    let further = options.further_words.iter().map(String::as_str);
    let further = further.filter(|word| words.id(word).is_none());
    let words = Vocabulary::from_words(words.words().chain(further.take(missing)))?;
    not_empty(words, options)
}

/// Refuses a vocabulary that [`DataOptions::min_count`] leaves without words.
fn not_empty(words: Vocabulary, options: &DataOptions) -> Result<Vocabulary, DataError> {
    if options.min_count > 1 && words.len() == Vocabulary::SPECIAL.len() {
        let problem = format!("{}: no word occurs so often", options.min_count);
        return Err(DataError::key("min_count", problem));
    }
    Ok(words)
}

/// The limit on the labels of a classification task.
const MAX_LABELS: usize = 1 << 16;

fn check_labels(labels: &[String]) -> Result<(), DataError> {
    if (2..=MAX_LABELS).contains(&labels.len()) {
        return Ok(());
    }
    let problem = format!(
        "its examples have {} labels, expected 2 to {MAX_LABELS}",
        labels.len()
    );
    Err(DataError::key("train", problem))
}

/// A vocabulary of at most `size` words besides the special ones: the words `first`, then the most
/// frequent others that occur [`DataOptions::min_count`] times.
fn most_frequent(
    first: &[String],
    counter: WordCounter,
    size: usize,
    options: &DataOptions,
    threads: usize,
) -> Result<Vocabulary, DataError> {
    let special = Vocabulary::SPECIAL;
    let known: HashSet<&str> = first.iter().map(String::as_str).chain(special).collect();
    let size = size.saturating_sub(known.len() - special.len());
    let mut counts = counter.most_frequent(size, threads, |word| !known.contains(word))?;
    counts.retain(|&(_, count)| count >= options.min_count);
    let counted = Vocabulary::from_counts(counts, size)?;
    if first.is_empty() {
        return Ok(counted);
    }
    let new = counted.words().skip(special.len());
    Vocabulary::from_words(first.iter().map(String::as_str).chain(new))
}
