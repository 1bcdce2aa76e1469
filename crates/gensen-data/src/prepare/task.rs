//! Resolving tasks: finding their inputs and checking their settings before any input is read.

use std::collections::BTreeSet;
use std::path::Path;

use super::DataOptions;
use super::chunking::Wording;
use super::layout::Layout;
use crate::corpus::Corpus;
use crate::error::DataError;
use crate::report::DataReport;
use crate::spec::{TaskKind, TaskSpec};
use crate::teacher::VectorsOf;
use crate::tokenizer::{Resources, Tokenizer, Whitespace, by_name};

/// A task's inputs, found and checked, and how they are read.
pub(super) struct TaskInputs<'a> {
    pub(super) spec: &'a TaskSpec,
    /// The number of columns of a classification task's first row.
    pub(super) columns: usize,
    pub(super) languages: [&'a str; 2],
    pub(super) tokenizer: &'a str,
    pub(super) wording: Wording,
    pub(super) layout: Layout,
    /// The splits the task has, with their inputs.
    pub(super) splits: Vec<(&'static str, Vec<Corpus>)>,
}

impl TaskInputs<'_> {
    /// The files of a split's teacher's vectors, each with its file of sentences.
    pub(super) fn teachers(
        &self,
        split: &str,
        report: &DataReport,
        base: &Path,
    ) -> Result<Vec<VectorsOf>, DataError> {
        let inputs = report.inputs.iter();
        let mut inputs =
            inputs.filter(|input| input.task == self.spec.name && input.split == split);
        let corpora = self.splits.iter().filter(|(name, _)| *name == split);
        corpora
            .flat_map(|(_, corpora)| corpora)
            .map(|corpus| {
                let teacher = corpus.table.teacher.as_ref();
                match teacher.zip(inputs.next()) {
                    Some((teacher, input)) => Ok(VectorsOf {
                        path: base.join(teacher),
                        sentences: corpus.name.clone(),
                        lines: input.read,
                    }),
                    None => Err(DataError::Damaged {
                        path: corpus.name.clone(),
                        problem: "its number of lines is missing in the cache".into(),
                    }),
                }
            })
            .collect()
    }
}

/// Finds the inputs of all tasks and checks their settings.
pub(super) fn resolve<'a>(
    tasks: &'a [TaskSpec],
    options: &'a DataOptions,
    base: &Path,
) -> Result<Vec<TaskInputs<'a>>, DataError> {
    if tasks.is_empty() {
        return Err(DataError::key("task", "there are no tasks"));
    }
    let resources = options.resources(base);
    let mut names = BTreeSet::new();
    let resolve = |task: &'a TaskSpec| {
        task.check()?;
        let kind = task.form();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
        if task.name.is_empty() || task.name.starts_with('.') || !task.name.chars().all(plain) {
            let problem = format!(
                "`{}`, expected letters, digits and `-_+.`, not beginning with a dot",
                task.name
            );
            return Err(DataError::key("name", problem));
        }
        if task.train.is_empty() {
            return Err(DataError::key("train", "there are no inputs"));
        }
        let languages = languages(task);
        let splits = [
            ("train", &task.train),
            ("validation", &task.validation),
            ("test", &task.test),
        ];
        let splits = splits.into_iter().filter(|(_, inputs)| !inputs.is_empty());
        let mut columns = None;
        let splits = splits
            .map(|(split, inputs)| {
                let corpora = inputs
                    .iter()
                    .map(|input| Corpus::new(input.table(), kind, base));
                Ok((split, corpora.collect::<Result<Vec<_>, _>>()?))
            })
            .collect::<Result<Vec<_>, DataError>>()?;
        if kind == TaskKind::Classification {
            for (_, corpora) in &splits {
                for corpus in corpora {
                    columns = columns.or(corpus.first_row()?.map(|row| row.split('\t').count()));
                }
            }
        }
        Ok(TaskInputs {
            spec: task,
            columns: columns.unwrap_or(0),
            wording: wording(task, languages, options, &resources)?,
            tokenizer: tokenizer_name(task, options),
            languages,
            layout: Layout::new(kind, options),
            splits,
        })
    };
    tasks
        .iter()
        .map(|task| {
            if !names.insert(task.name.as_str()) {
                return Err(
                    DataError::key("name", "used twice; tasks need different names")
                        .in_task(&task.name),
                );
            }
            resolve(task).map_err(|error| error.in_task(&task.name))
        })
        .collect()
}

fn tokenizer_name<'a>(task: &'a TaskSpec, options: &'a DataOptions) -> &'a str {
    task.tokenizer.as_deref().unwrap_or(&options.tokenizer)
}

/// The tokenisers of a task. Trees are tokenised already, and their symbols keep their case.
fn wording(
    task: &TaskSpec,
    languages: [&str; 2],
    options: &DataOptions,
    resources: &Resources,
) -> Result<Wording, DataError> {
    let lower = options.lowercase;
    let name = tokenizer_name(task, options);
    Ok(match task.form() {
        TaskKind::Parsing => Wording {
            tokenizers: [Box::new(Whitespace), Box::new(Whitespace)],
            lowercase: [lower, false],
        },
        _ => Wording {
            tokenizers: [
                tokenizer(name, languages[0], resources)?,
                tokenizer(name, languages[1], resources)?,
            ],
            lowercase: [lower, lower],
        },
    })
}

/// The languages of a task's first texts and of its others. Texts that the same encoder reads have
/// the same language, unless the task sets another.
fn languages(task: &TaskSpec) -> [&str; 2] {
    let first = task.source_language();
    let second = match task.form() {
        TaskKind::Translation | TaskKind::Seq2seq | TaskKind::SkipThought => task.target_language(),
        TaskKind::Pairs => task.target_language.as_deref().unwrap_or(first),
        _ => first,
    };
    [first, second]
}

/// Creates a tokeniser by name for a language.
fn tokenizer(
    name: &str,
    language: &str,
    resources: &Resources,
) -> Result<Box<dyn Tokenizer>, DataError> {
    by_name(name, language, resources).map_err(DataError::setting("tokenizer"))
}
