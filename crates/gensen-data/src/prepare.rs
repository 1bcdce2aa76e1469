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

use self::cache::Manifest;
pub use self::options::DataOptions;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::exclusion::Excluded;
use crate::report::Report;
use crate::spec::{TaskKind, TaskSpec};
use crate::teacher::Teacher;
use crate::vocabulary::Vocabulary;

/// The name of vocabulary files in a cache folder.
const VOCABULARY: &str = "vocab.txt";

/// The subfolder of a cache folder with a folder for each task.
const TASKS: &str = "tasks";

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
    /// A classification task's labels, sorted: those of its training examples.
    pub labels: Vec<String>,
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
    progress(Progress::Ready { reused });
    Ok(data)
}

/// Opens a complete cache folder.
fn open(
    folder: PathBuf,
    manifest: Manifest,
    inputs: &[task::TaskInputs],
    base: &Path,
    threads: usize,
) -> Result<PreparedData, DataError> {
    let report = &manifest.report;
    let tasks = manifest.tasks.into_iter().zip(inputs).map(|(task, inputs)| {
        let of_task = folder.join(TASKS).join(&task.name);
        let split = |name: &str| {
            let Some(len) = task.splits.get(name) else {
                return Ok(None);
            };
            let data = Dataset::open(&of_task.join(name), task.kind, *len)?;
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
                    "its teacher's vectors have {found} numbers, and those of `train` {expected}"
                );
                return Err(DataError::key(name, problem).in_task(&task.name));
            }
        }
        let decoders = task.kind.decoders().len();
        let target_vocabularies = match decoders {
            0 => Vec::new(),
            _ => {
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
