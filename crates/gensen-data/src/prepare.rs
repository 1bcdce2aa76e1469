//! Preparation of corpora: it writes vocabularies and memory-mapped token shards to a cache.
//!
//! It makes three passes, each on all cores and in bounded memory:
//!
//! 1. Each block of text is tokenised into a chunk, in which words are numbered by a dictionary of
//!    the chunk itself, and appended to a scratch file.
//! 2. The examples to keep are selected, their words counted chunk by chunk, and the vocabularies
//!    made of the most frequent words.
//! 3. Each chunk's distinct words are looked up in the vocabularies once, and its sentences are
//!    written with their final ids to their final position.
//!
//! The cache's key is a hash of the contents of all inputs and of all settings: the result is
//! reused until one of them changes.

mod build;
mod cache;
mod chunk;
mod chunking;
mod key;
mod layout;
mod options;
mod select;
mod task;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::cache::CacheManifest;
pub use self::options::DataOptions;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::exclusion::Excluded;
use crate::report::DataReport;
use crate::spec::{TaskKind, TaskSpec};
use crate::teacher::Teacher;
use crate::vocabulary::Vocabulary;

/// The file name of vocabularies in a cache folder.
const VOCABULARY: &str = "vocab.txt";

/// The subfolder of a cache folder that holds a folder for each task.
const TASKS: &str = "tasks";

/// The progress of preparation, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareProgress<'a> {
    /// Hashing a file's contents for the cache's key.
    Hashing {
        /// The file.
        input: &'a str,
    },
    /// Tokenising an input.
    Reading {
        /// The task.
        task: &'a str,
        /// `train`, `validation` or `test`.
        split: &'a str,
        /// The input.
        input: &'a str,
        /// The current line of the current file.
        line: u64,
    },
    /// Counting a task's words.
    Counting {
        /// The task.
        task: &'a str,
    },
    /// Writing a task's data sets.
    Writing {
        /// The task.
        task: &'a str,
    },
    /// Done.
    Ready {
        /// Whether the data was found in the cache.
        reused: bool,
    },
}

/// The vocabularies of an existing model, for data to resume or fine-tune it.
#[derive(Clone, Debug)]
pub struct Vocabularies {
    /// The source vocabulary.
    pub source: Arc<Vocabulary>,
    /// The target vocabularies by task name. Other tasks get new ones.
    pub targets: BTreeMap<String, Arc<Vocabulary>>,
}

/// The prepared data of all tasks.
#[derive(Clone, Debug)]
pub struct PreparedData {
    /// The source vocabulary, common to all tasks.
    pub source_vocabulary: Arc<Vocabulary>,
    /// The tasks, in the order given.
    pub tasks: Vec<PreparedTask>,
    /// Statistics of each input.
    pub report: DataReport,
    /// The data's folder in the cache.
    pub folder: PathBuf,
}

/// The prepared data of one task. Examples have the targets of [`TaskSpec::decoders`].
#[derive(Clone, Debug)]
pub struct PreparedTask {
    /// The task's name.
    pub name: String,
    /// The kind of the task's examples: its [`TaskSpec::form`].
    pub kind: TaskKind,
    /// The vocabulary of each decoder that the task trains, in the order of
    /// [`TaskSpec::decoders`]. Skip-thought's two decoders share one.
    pub target_vocabularies: Vec<Arc<Vocabulary>>,
    /// The labels of a classification task's training examples, sorted.
    pub labels: Vec<String>,
    /// Training examples.
    pub train: Dataset,
    /// Validation examples.
    pub validation: Option<Dataset>,
    /// Test examples.
    pub test: Option<Dataset>,
}

/// Prepares the data of `tasks` in the folder `cache`, or opens it if it is there already. Relative
/// paths of inputs are relative to `base`.
///
/// All tasks share the source vocabulary, in which a sentence's words count once for each decoder
/// of its task. Each task has one target vocabulary.
///
/// # Errors
/// [`DataError::Task`], whose source names the file and line. No incomplete data is left in the
/// cache.
pub fn prepare(
    tasks: &[TaskSpec],
    options: &DataOptions,
    cache: &Path,
    base: &Path,
    progress: &dyn Fn(PrepareProgress<'_>),
) -> Result<PreparedData, DataError> {
    run(tasks, options, None, cache, base, progress)
}

/// Like [`prepare()`] with existing vocabularies. The sizes in `options` are for new ones only.
///
/// # Errors
/// As [`prepare()`].
pub fn prepare_with(
    tasks: &[TaskSpec],
    options: &DataOptions,
    vocabularies: &Vocabularies,
    cache: &Path,
    base: &Path,
    progress: &dyn Fn(PrepareProgress<'_>),
) -> Result<PreparedData, DataError> {
    run(tasks, options, Some(vocabularies), cache, base, progress)
}

fn run(
    tasks: &[TaskSpec],
    options: &DataOptions,
    given: Option<&Vocabularies>,
    cache: &Path,
    base: &Path,
    progress: &dyn Fn(PrepareProgress<'_>),
) -> Result<PreparedData, DataError> {
    options.check()?;
    let tasks = task::resolve(tasks, options, base)?;
    let (key, stamps) = key::of(&tasks, options, given, base, progress)?;
    let excluded = Excluded::read(&options.exclude_sentences, base)?;
    let (found, reused) = match cache::find(cache, &key) {
        Some(found) => (found, true),
        None => (
            build::build(
                &tasks,
                options,
                given,
                &excluded,
                (key, stamps),
                cache,
                progress,
            )?,
            false,
        ),
    };
    let data = open(found.0, found.1, &tasks, base, options.threads())?;
    progress(PrepareProgress::Ready { reused });
    Ok(data)
}

/// Opens a complete cache folder.
fn open(
    folder: PathBuf,
    manifest: CacheManifest,
    inputs: &[task::TaskInputs<'_>],
    base: &Path,
    threads: usize,
) -> Result<PreparedData, DataError> {
    let report = &manifest.report;
    let tasks = manifest
        .tasks
        .into_iter()
        .zip(inputs)
        .map(|(task, inputs)| {
            let decoders = inputs.spec.decoders();
            let of_task = folder.join(TASKS).join(&task.name);
            let split = |name: &str| {
                let Some(len) = task.splits.get(name) else {
                    return Ok(None);
                };
                let data = Dataset::open(&of_task.join(name), task.kind, *len)?;
                let data = data.keep_targets(&decoders);
                if task.kind != TaskKind::Distillation {
                    return Ok(Some(data));
                }
                let files = inputs.teachers(name, report, base)?;
                let teacher = Teacher::open(&files, threads);
                let teacher = teacher.map_err(|error| error.in_task(&task.name))?;
                Ok(Some(data.with_teacher(teacher)))
            };
            let (train, validation, test) = (split("train")?, split("validation")?, split("test")?);
            for (name, held_out) in [("validation", &validation), ("test", &test)] {
                let width = |data: &Option<Dataset>| data.as_ref().and_then(Dataset::teacher_width);
                if let (Some(found), Some(expected)) = (width(held_out), width(&train))
                    && found != expected
                {
                    let problem = format!(
                        "its teacher's vectors have width {found}, but those of `train` {expected}"
                    );
                    return Err(DataError::key(name, problem).in_task(&task.name));
                }
            }
            let target_vocabularies = match decoders.len() {
                0 => Vec::new(),
                decoders => {
                    let vocabulary = Arc::new(Vocabulary::load(of_task.join(VOCABULARY))?);
                    vec![vocabulary; decoders]
                }
            };
            Ok(PreparedTask {
                train: train.ok_or_else(|| DataError::Damaged {
                    path: of_task.display().to_string(),
                    problem: "it has no training examples".into(),
                })?,
                validation,
                test,
                target_vocabularies,
                labels: task.labels,
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
