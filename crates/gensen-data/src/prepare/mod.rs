//! Preparation: corpora in, vocabularies and memory-mapped token shards out.
//!
//! Three passes, each on all cores and in bounded memory:
//!
//! 1. Blocks of text are tokenised into chunks, whose words are numbered within the chunk, and
//!    appended to a scratch file.
//! 2. The examples that are kept are known now; their words are counted, chunk by chunk, and the
//!    vocabularies cut.
//! 3. Each chunk's few distinct words are looked up once, and its sentences written with their final
//!    ids at their final place.
//!
//! The result lies in the cache under a key made of the contents of all inputs and all settings, and
//! is reused as long as neither changes.

mod cache;
mod chunk;
mod layout;
mod select;
mod tokenise;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::cache::{Manifest, TaskEntry, Workshop};
use self::chunk::Scratch;
use self::layout::{Layout, Side};
use self::select::Selection;
use self::tokenise::Wording;
use self::write::{Part, Position};
use crate::corpus::{Corpus, Origin};
use crate::count::WordCounter;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::parallel;
use crate::report::{InputReport, Report};
use crate::spec::{InputTable, TaskKind, TaskSpec};
use crate::tokenizer::{Resources, Tokenizer, Whitespace, by_name};
use crate::vocabulary::Vocabulary;

/// Settings that all tasks share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataOptions {
    /// Words of the source vocabulary, besides the four special ones.
    pub source_words: usize,
    /// Words of each target vocabulary, besides the four special ones.
    pub target_words: usize,
    /// The tokeniser's name.
    pub tokenizer: String,
    /// Whether words are put in lower case, after tokenisation (linearised trees never are).
    pub lowercase: bool,
    /// Longer source sentences are cut to so many words; `<s>` and `</s>` do not count.
    pub max_source_words: usize,
    /// Longer target sentences are cut to so many words; `<s>` and `</s>` do not count.
    pub max_target_words: usize,
    /// Longer premises and hypotheses are cut to so many words (the reference has no limit).
    pub max_nli_words: usize,
    /// Whether the text of inference tasks counts for the source vocabulary (the reference: no).
    /// Where there is no other task it always does.
    pub count_nli: bool,
    /// Threads to work with; 0 stands for all cores. The result does not depend on it.
    #[serde(skip)]
    pub threads: usize,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            source_words: 80_000,
            target_words: 30_000,
            tokenizer: "whitespace".into(),
            lowercase: true,
            max_source_words: 88,
            max_target_words: 88,
            max_nli_words: 256,
            count_nli: false,
            threads: 0,
        }
    }
}

impl DataOptions {
    fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            threads => threads,
        }
    }

    fn check(&self) -> Result<(), DataError> {
        for (key, value) in [
            ("source_words", self.source_words),
            ("target_words", self.target_words),
            ("max_source_words", self.max_source_words),
            ("max_target_words", self.max_target_words),
            ("max_nli_words", self.max_nli_words),
        ] {
            if value == 0 || value > 1 << 30 {
                return Err(DataError::key(
                    key,
                    format!("{value}; expected 1 to {}", 1 << 30),
                ));
            }
        }
        Ok(())
    }
}

/// How far preparation has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A file's contents are hashed for the cache's key.
    Hashing {
        /// The file.
        input: &'a str,
    },
    /// An input is tokenised.
    Reading {
        /// The task.
        task: &'a str,
        /// `train`, `validation` or `test`.
        split: &'a str,
        /// The input.
        input: &'a str,
        /// The line reached in the file being read.
        line: u64,
    },
    /// A task's words are counted.
    Counting {
        /// The task.
        task: &'a str,
    },
    /// A task's data sets are written.
    Writing {
        /// The task.
        task: &'a str,
    },
    /// Done.
    Ready {
        /// Whether everything lay in the cache already.
        reused: bool,
    },
}

/// Vocabularies to prepare with: a model's own, to resume or fine-tune it.
#[derive(Clone, Debug)]
pub struct Vocabularies {
    /// The source vocabulary.
    pub source: Arc<Vocabulary>,
    /// Target vocabularies by task name. A task that is not here gets one of its own.
    pub targets: BTreeMap<String, Arc<Vocabulary>>,
}

/// Prepared data of all tasks.
#[derive(Clone, Debug)]
pub struct PreparedData {
    /// The source vocabulary, common to all tasks.
    pub source_vocabulary: Arc<Vocabulary>,
    /// The tasks, in the order given.
    pub tasks: Vec<PreparedTask>,
    /// What was found in each input.
    pub report: Report,
    /// The folder in the cache that holds it all.
    pub folder: PathBuf,
}

/// Prepared data of one task.
#[derive(Clone, Debug)]
pub struct PreparedTask {
    /// The task's name.
    pub name: String,
    /// What the task learns from.
    pub kind: TaskKind,
    /// One vocabulary a decoder, in the order of [`TaskKind::decoders`]; skip-thought's two share
    /// one.
    pub target_vocabularies: Vec<Arc<Vocabulary>>,
    /// Training examples.
    pub train: Dataset,
    /// Validation examples.
    pub validation: Option<Dataset>,
    /// Test examples.
    pub test: Option<Dataset>,
}

/// Prepares the data of `tasks` in the folder `cache`, or finds it there. Relative paths of inputs
/// are taken from `base`.
///
/// The source vocabulary is common to all tasks: a sentence counts once for each decoder of its
/// task. Each task has one target vocabulary.
///
/// # Errors
/// [`DataError::Task`] with what is wrong in which file and line. Nothing half-written stays.
pub fn prepare(
    tasks: &[TaskSpec],
    options: &DataOptions,
    cache: &Path,
    base: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PreparedData, DataError> {
    run(tasks, options, None, cache, base, progress)
}

/// Like [`prepare()`], with vocabularies that are given; sizes in `options` are for those that are
/// not.
///
/// # Errors
/// As [`prepare()`].
pub fn prepare_with(
    tasks: &[TaskSpec],
    options: &DataOptions,
    vocabularies: &Vocabularies,
    cache: &Path,
    base: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PreparedData, DataError> {
    run(tasks, options, Some(vocabularies), cache, base, progress)
}

fn run(
    tasks: &[TaskSpec],
    options: &DataOptions,
    given: Option<&Vocabularies>,
    cache: &Path,
    base: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PreparedData, DataError> {
    options.check()?;
    let tasks = resolve(tasks, options, base)?;
    let key = key_of(&tasks, options, given, progress)?;
    let (found, reused) = match cache::find(cache, &key) {
        Some(found) => (found, true),
        None => (build(&tasks, options, given, key, cache, progress)?, false),
    };
    let data = open(found.0, found.1)?;
    progress(Progress::Ready { reused });
    Ok(data)
}

/// A task whose inputs have been found.
struct Task {
    name: String,
    kind: TaskKind,
    languages: [String; 2],
    wording: Wording,
    layout: Layout,
    /// The splits that there are, with their inputs.
    splits: Vec<(&'static str, Vec<Corpus>)>,
}

fn resolve(tasks: &[TaskSpec], options: &DataOptions, base: &Path) -> Result<Vec<Task>, DataError> {
    if tasks.is_empty() {
        return Err(DataError::key("task", "there is no task"));
    }
    let mut names = BTreeSet::new();
    let resolve = |task: &TaskSpec| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
        if task.name.is_empty() || task.name.starts_with('.') || !task.name.chars().all(plain) {
            let problem = format!(
                "`{}`; expected letters, digits and `-_+.`, not a dot first",
                task.name
            );
            return Err(DataError::key("name", problem));
        }
        if task.train.is_empty() {
            return Err(DataError::key("train", "there is no input"));
        }
        let languages = [
            task.source_language().to_owned(),
            task.target_language().to_owned(),
        ];
        let splits = [
            ("train", &task.train),
            ("validation", &task.validation),
            ("test", &task.test),
        ];
        let splits = splits.into_iter().filter(|(_, inputs)| !inputs.is_empty());
        Ok(Task {
            name: task.name.clone(),
            kind: task.kind,
            wording: wording(task.kind, &languages, options)?,
            languages,
            layout: Layout::new(task.kind, options),
            splits: splits
                .map(|(split, inputs)| {
                    let corpora = inputs
                        .iter()
                        .map(|input| Corpus::new(input.table(), task.kind, base));
                    Ok((split, corpora.collect::<Result<_, _>>()?))
                })
                .collect::<Result<_, DataError>>()?,
        })
    };
    tasks
        .iter()
        .map(|task| {
            if !names.insert(task.name.as_str()) {
                return Err(
                    DataError::key("name", "occurs twice; tasks need different names")
                        .in_task(&task.name),
                );
            }
            resolve(task).map_err(|error| error.in_task(&task.name))
        })
        .collect()
}

/// The tokenisers of a task. Trees come as words already, and their symbols keep their case.
fn wording(
    kind: TaskKind,
    languages: &[String; 2],
    options: &DataOptions,
) -> Result<Wording, DataError> {
    let lower = options.lowercase;
    Ok(match kind {
        TaskKind::Parsing => Wording {
            tokenizers: [Box::new(Whitespace), Box::new(Whitespace)],
            lowercase: [lower, false],
        },
        _ => {
            // The two sentences of an inference pair are of one language.
            let second = if kind == TaskKind::Nli {
                &languages[0]
            } else {
                &languages[1]
            };
            Wording {
                tokenizers: [
                    tokenizer(&options.tokenizer, &languages[0])?,
                    tokenizer(&options.tokenizer, second)?,
                ],
                lowercase: [lower, lower],
            }
        }
    })
}

/// The tokeniser of this name for a language.
fn tokenizer(name: &str, language: &str) -> Result<Box<dyn Tokenizer>, DataError> {
    by_name(name, language, &Resources::default())
        .map_err(|error| DataError::key("tokenizer", error.to_string()))
}

/// The key that prepared data lies under: a hash of all that it depends on.
fn key_of(
    tasks: &[Task],
    options: &DataOptions,
    given: Option<&Vocabularies>,
    progress: &dyn Fn(Progress<'_>),
) -> Result<String, DataError> {
    let hashes = hash_inputs(tasks, options.threads(), progress)?;
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    add(&cache::FORMAT.to_string());
    add(&serde_json::to_string(options)
        .map_err(|error| DataError::key("options", error.to_string()))?);
    for task in tasks {
        add(&format!(
            "{} {:?} {:?}",
            task.name, task.kind, task.languages
        ));
        for (split, corpora) in &task.splits {
            add(split);
            for corpus in corpora {
                // Where a file lies does not matter, but its name does: it tells the format.
                let settings = InputTable {
                    path: None,
                    source: None,
                    target: None,
                    ..corpus.table.clone()
                };
                add(&format!("{settings:?}"));
                for origin in corpus.origins()? {
                    let name = origin.name();
                    add(Path::new(&name)
                        .file_name()
                        .map_or("", |name| name.to_str().unwrap_or_default()));
                    add(hashes.get(&name).map_or("", String::as_str));
                }
            }
        }
    }
    if let Some(given) = given {
        let targets = given
            .targets
            .iter()
            .map(|(task, vocabulary)| (task.as_str(), vocabulary));
        for (task, vocabulary) in [("", &given.source)].into_iter().chain(targets) {
            add(&format!("{task} {}", vocabulary.len()));
            vocabulary.words().for_each(&mut add);
        }
    }
    Ok(cache::hex(digest)[..32].to_owned())
}

/// The hash of the contents of every file that is read, by its name.
fn hash_inputs(
    tasks: &[Task],
    threads: usize,
    progress: &dyn Fn(Progress<'_>),
) -> Result<BTreeMap<String, String>, DataError> {
    let mut origins: BTreeMap<String, (Origin, &str)> = BTreeMap::new();
    for task in tasks {
        for corpus in task.splits.iter().flat_map(|(_, corpora)| corpora) {
            let found = corpus
                .origins()
                .map_err(|error| error.in_task(&task.name))?;
            origins.extend(
                found
                    .into_iter()
                    .map(|origin| (origin.name(), (origin, task.name.as_str()))),
            );
        }
    }
    let hashes = Mutex::new(BTreeMap::new());
    parallel::for_each(
        threads,
        |send| {
            origins.iter().all(|(name, origin)| {
                progress(Progress::Hashing { input: name });
                send((name, origin))
            });
            Ok(())
        },
        || Ok(()),
        |(), _, (name, (origin, task))| {
            let hash = origin
                .open()
                .and_then(|stream| cache::hash_of(stream, name));
            let hash = hash.map_err(|error| error.in_task(task))?;
            hashes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.clone(), hash);
            Ok(())
        },
    )?;
    Ok(hashes.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Prepares everything anew.
fn build(
    tasks: &[Task],
    options: &DataOptions,
    given: Option<&Vocabularies>,
    key: String,
    cache: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<(PathBuf, Manifest), DataError> {
    let workshop = Workshop::open(cache)?;
    let (work, out) = (workshop.work(), workshop.out());
    let threads = options.threads();
    let mut report = Report::default();
    let mut entries = Vec::new();

    // First pass, for all tasks: the source vocabulary needs them all.
    let mut tokenised: Vec<Vec<(&str, Vec<Part>)>> = Vec::new();
    for task in tasks {
        let mut splits = Vec::new();
        for (split, corpora) in &task.splits {
            let mut parts = Vec::new();
            for corpus in corpora {
                let part = first_pass(task, split, corpus, options, &work, &mut report, progress);
                parts.push(part.map_err(|error| error.in_task(&task.name))?);
            }
            splits.push((*split, parts));
        }
        tokenised.push(splits);
    }

    // Second pass: where everything goes, and how often each word occurs in training.
    let only_nli = tasks.iter().all(|task| task.kind == TaskKind::Nli);
    let counter = |name: &str| {
        let folder = work.join(name);
        fs::create_dir(&folder).map_err(DataError::io(&folder))?;
        Ok::<_, DataError>(WordCounter::new(&folder, WordCounter::MEMORY))
    };
    let source_counter = match given {
        None => Some(counter("count")?),
        Some(_) => None,
    };
    let mut surveys = Vec::new();
    for (number, (task, splits)) in tasks.iter().zip(&tokenised).enumerate() {
        progress(Progress::Counting { task: &task.name });
        let given_target = given
            .and_then(|given| given.targets.get(&task.name))
            .cloned();
        let has_target = !task.kind.decoders().is_empty();
        let target_counter = match (has_target, &given_target) {
            (true, None) => Some(counter(&format!("count-{number}"))?),
            _ => None,
        };
        let counts_source = task.kind != TaskKind::Nli || options.count_nli || only_nli;
        let counters = task.layout.streams.map(|stream| match stream.side {
            Side::Source => source_counter.as_ref().filter(|_| counts_source),
            Side::Target => target_counter.as_ref(),
        });
        let mut of_splits = Vec::new();
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
            let mut position = Position::default();
            let mut of_parts = Vec::new();
            for part in parts {
                let survey = write::survey(part, &task.layout, threads, counters, &mut position)?;
                let report = &mut report.inputs[part.report];
                report.kept = survey.examples;
                if survey.examples == 0 {
                    let error = DataError::NoExamples {
                        input: report.input.clone(),
                        found: report.to_string(),
                    };
                    return Err(error.in_task(&task.name));
                }
                of_parts.push(survey);
            }
            entry
                .splits
                .insert((*split).to_owned(), position.examples());
            of_splits.push(of_parts);
        }
        let target = match (given_target, target_counter) {
            (Some(vocabulary), _) => Some(vocabulary),
            (None, Some(counter)) => Some(Arc::new(cut(counter, options.target_words)?)),
            (None, None) => None,
        };
        surveys.push((of_splits, target));
        entries.push(entry);
    }
    let source = match (given, source_counter) {
        (Some(given), _) => Arc::clone(&given.source),
        (None, Some(counter)) => Arc::new(cut(counter, options.source_words)?),
        (None, None) => return Err(DataError::key("source_words", "there is nothing to count")),
    };
    source.save(out.join(VOCABULARY))?;

    // Third pass: final ids at their final place.
    for ((task, splits), (surveys, target)) in tasks.iter().zip(tokenised).zip(surveys) {
        progress(Progress::Writing { task: &task.name });
        let folder = out.join(&task.name);
        fs::create_dir(&folder).map_err(DataError::io(&folder))?;
        if let Some(target) = &target {
            target.save(folder.join(VOCABULARY))?;
        }
        let vocabularies = task
            .layout
            .streams
            .map(|stream| match (stream.side, &target) {
                (Side::Target, Some(target)) => &**target,
                _ => &*source,
            });
        for ((split, parts), surveys) in splits.into_iter().zip(surveys) {
            let folder = folder.join(split);
            write::create(&folder, task.kind)?;
            for (part, survey) in parts.into_iter().zip(surveys) {
                let sides =
                    write::write(&part, &survey, &task.layout, threads, vocabularies, &folder)?;
                [
                    report.inputs[part.report].source,
                    report.inputs[part.report].target,
                ] = sides;
                part.scratch.remove()?;
            }
        }
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

/// The name of vocabulary files.
const VOCABULARY: &str = "vocab.txt";

fn first_pass(
    task: &Task,
    split: &str,
    corpus: &Corpus,
    options: &DataOptions,
    work: &Path,
    report: &mut Report,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Part, DataError> {
    let number = report.inputs.len();
    let mut found = InputReport {
        task: task.name.clone(),
        split: split.to_owned(),
        input: corpus.name.clone(),
        ..InputReport::default()
    };
    let scratch = Scratch::create(work.join(format!("{number}.chunks")))?;
    let places = tokenise::tokenise(
        corpus,
        &task.wording,
        &task.layout,
        options,
        &scratch,
        &mut found,
        progress,
    )?;
    report.inputs.push(found);
    let flags = work.join(format!("{number}.flags"));
    Ok(Part {
        selection: Selection::new(task.kind, &corpus.table, &scratch, &places, flags)?,
        scratch,
        places,
        report: number,
    })
}

fn cut(counter: WordCounter, size: usize) -> Result<Vocabulary, DataError> {
    let counts = counter.most_frequent(size, |word| !Vocabulary::SPECIAL.contains(&word))?;
    Vocabulary::from_counts(counts, size)
}

/// Opens a complete cache folder.
fn open(folder: PathBuf, manifest: Manifest) -> Result<PreparedData, DataError> {
    let tasks = manifest.tasks.into_iter().map(|task| {
        let of_task = folder.join(&task.name);
        let split = |name: &str| {
            let len = task.splits.get(name);
            len.map(|len| Dataset::open(&of_task.join(name), task.kind, *len))
                .transpose()
        };
        let decoders = task.kind.decoders().len();
        let target_vocabularies = match decoders {
            0 => Vec::new(),
            _ => {
                let vocabulary = Arc::new(Vocabulary::load(of_task.join(VOCABULARY))?);
                vec![vocabulary; decoders]
            }
        };
        Ok(PreparedTask {
            train: split("train")?.ok_or_else(|| DataError::Damaged {
                path: of_task.display().to_string(),
                problem: "it has no training examples".into(),
            })?,
            validation: split("validation")?,
            test: split("test")?,
            target_vocabularies,
            name: task.name,
            kind: task.kind,
        })
    });
    Ok(PreparedData {
        tasks: tasks.collect::<Result<_, DataError>>()?,
        source_vocabulary: Arc::new(Vocabulary::load(folder.join(VOCABULARY))?),
        report: manifest.report,
        folder,
    })
}
