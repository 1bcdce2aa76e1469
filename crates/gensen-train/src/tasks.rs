//! The heads, outputs and held-out data of a run's tasks. Task k is entry k of the configuration's
//! tasks and of the prepared ones.

use std::ops::Range;

use gensen_data::prepare::PreparedData;
use gensen_data::spec::{TaskKind, TaskSpec};

use crate::config::{Config, distillation_weights};
use crate::error::TrainError;
use crate::metrics::{Output, Split, Unit};
use crate::validation::HeldOut;

/// Refuses data that was prepared for other tasks.
pub(crate) fn check(config: &Config, data: &PreparedData) -> Result<(), TrainError> {
    let configured = config.tasks.iter();
    let configured = configured.map(|task| (&*task.name, task.form(), task.decoders().len()));
    let prepared = data.tasks.iter();
    let prepared = prepared.map(|task| (&*task.name, task.kind, task.target_vocabularies.len()));
    if configured.eq(prepared) {
        return Ok(());
    }
    let names: Vec<&str> = data.tasks.iter().map(|task| &*task.name).collect();
    let problem = format!(
        "the data was prepared for other tasks or decoders ({})",
        names.join(", ")
    );
    Err(TrainError::config("task", problem))
}

/// The lists of heads in a model.
#[derive(PartialEq)]
enum Heads {
    Inference,
    Decoders,
    Contrasts,
    Distillations,
    Classifiers,
}

impl Heads {
    /// The list of a task's heads, and their number.
    fn of(task: &TaskSpec) -> (Self, usize) {
        match task.form() {
            // One head for all inference tasks.
            TaskKind::Nli => (Self::Inference, 0),
            TaskKind::Pairs | TaskKind::NextSentence => (Self::Contrasts, 1),
            TaskKind::Distillation => (Self::Distillations, 1),
            TaskKind::Classification => (Self::Classifiers, 1),
            TaskKind::Translation
            | TaskKind::Seq2seq
            | TaskKind::SkipThought
            | TaskKind::Parsing => (Self::Decoders, task.decoders().len()),
        }
    }
}

/// The index of task `k`'s first head in the model's list of heads of its kind.
/// [`Config::model_config`] lists them in the order of the tasks.
pub(crate) fn head(tasks: &[TaskSpec], k: usize) -> usize {
    let (list, _) = Heads::of(&tasks[k]);
    let before = tasks[..k].iter().map(Heads::of);
    let before = before.filter(|(other, _)| *other == list);
    before.map(|(_, count)| count).sum()
}

/// The outputs of one task.
pub(crate) fn outputs(task: &TaskSpec) -> Vec<Output> {
    let (names, unit): (Vec<&str>, Unit) = match task.form() {
        TaskKind::Nli | TaskKind::Classification => (vec!["label"], Unit::Answers),
        TaskKind::Pairs | TaskKind::NextSentence => (vec!["partner"], Unit::Answers),
        TaskKind::Distillation => {
            let names = ["cosine", "contrast", "matrix"].into_iter();
            let used = names.zip(distillation_weights(task));
            let used = used.filter(|(_, weight)| *weight > 0.0);
            (used.map(|(name, _)| name).collect(), Unit::Vectors)
        }
        kind => {
            let targets = task.decoders().into_iter();
            let names = targets.map(|target| kind.decoders()[target]);
            (names.collect(), Unit::Words)
        }
    };
    let name = |of: &&str| match names.len() {
        1 => task.name.clone(),
        _ => format!("{}/{of}", task.name),
    };
    let output = |of| Output {
        name: name(of),
        unit,
    };
    names.iter().map(output).collect()
}

/// The outputs of all tasks.
pub(crate) struct Outputs {
    /// In the order of the tasks.
    pub(crate) all: Vec<Output>,
    /// Each task's part of `all`.
    pub(crate) of_task: Vec<Range<usize>>,
}

impl Outputs {
    pub(crate) fn of(tasks: &[TaskSpec]) -> Self {
        let mut found = Self {
            all: Vec::new(),
            of_task: Vec::new(),
        };
        for task in tasks {
            let first = found.all.len();
            found.all.extend(outputs(task));
            found.of_task.push(first..found.all.len());
        }
        found
    }
}

/// A split's held-out data, of each task that has any.
pub(crate) fn held_out<'a>(
    config: &'a Config,
    data: &'a PreparedData,
    outputs: &'a Outputs,
    split: Split,
) -> impl Iterator<Item = HeldOut<'a>> {
    let of_task = move |(k, task): (usize, &'a TaskSpec)| {
        let prepared = &data.tasks[k];
        let data = match split {
            Split::Train => None,
            Split::Validation => prepared.validation.as_ref(),
            Split::Test => prepared.test.as_ref(),
        };
        data.map(|data| HeldOut {
            data,
            split,
            outputs: &outputs.all[outputs.of_task[k].clone()],
            head: head(&config.tasks, k),
            batch: task.batch(config.training.batch()),
        })
    };
    config.tasks.iter().enumerate().filter_map(of_task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use gensen_data::prepare::prepare;

    #[test]
    fn data_prepared_for_other_tasks_is_refused() {
        let config = |neighbours: &str| -> Config {
            let text = format!(
                "[[task]]\nname = 'st'\nkind = 'skip-thought'\n\
                 train = {{ path = 'sample:train.stories.txt', limit = 30 }}\n{neighbours}"
            );
            toml::from_str(&text).unwrap()
        };
        let cache = tempfile::tempdir().unwrap();
        let (both, next) = (config(""), config("neighbours = ['next']"));
        let options = both.data_options(1);
        let data = prepare(&both.tasks, &options, cache.path(), Path::new("."), &|_| ());
        let data = data.unwrap();
        assert!(check(&both, &data).is_ok());
        let error = check(&next, &data).unwrap_err().to_string();
        assert!(error.contains("other tasks or decoders (st)"), "{error}");
        let data = prepare(&next.tasks, &options, cache.path(), Path::new("."), &|_| ());
        let data = data.unwrap();
        assert!(check(&next, &data).is_ok());
        assert_eq!(data.tasks[0].target_vocabularies.len(), 1);
    }

    #[test]
    fn heads_and_outputs_are_numbered_in_the_order_of_the_tasks() {
        let config: Config = toml::from_str(
            "[[task]]\nname = 'st'\nkind = 'skip-thought'\ntrain = 'x'\n\
             [[task]]\nname = 'nli'\nkind = 'nli'\ntrain = 'x'\n\
             [[task]]\nname = 'pairs'\nkind = 'pairs'\ntrain = 'x'\n\
             [[task]]\nname = 'previous'\nkind = 'skip-thought'\ntrain = 'x'\n\
             neighbours = ['previous']\n\
             [[task]]\nname = 'next'\nkind = 'skip-thought'\ntrain = 'x'\n\
             objective = 'contrast'\n\
             [[task]]\nname = 'more-nli'\nkind = 'nli'\ntrain = 'x'\n\
             [[task]]\nname = 'fr-en'\nkind = 'translation'\ntrain = 'x'\n",
        )
        .unwrap();
        let heads: Vec<usize> = (0..7).map(|k| head(&config.tasks, k)).collect();
        assert_eq!(heads, [0, 0, 0, 2, 1, 0, 3]);
        let outputs = Outputs::of(&config.tasks);
        let names: Vec<&str> = outputs.all.iter().map(|output| &*output.name).collect();
        let expected = [
            "st/next",
            "st/previous",
            "nli",
            "pairs",
            "previous",
            "next",
            "more-nli",
            "fr-en",
        ];
        assert_eq!(names, expected);
        assert_eq!(outputs.of_task, [0..2, 2..3, 3..4, 4..5, 5..6, 6..7, 7..8]);
    }
}
