//! A run's tasks, with their heads and outputs.

use gensen_data::batch::BatchSize;
use gensen_data::dataset::Dataset;
use gensen_data::prepare::PreparedTask;
use gensen_data::spec::{TaskKind, TaskSpec};

use crate::config::distillation_weights;
use crate::metrics::{Output, Split, Unit};
use crate::validation::HeldOut;

/// A prepared task with its heads and outputs.
pub(crate) struct TrainingTask {
    /// Its data, with only the targets that it trains.
    pub(crate) data: PreparedTask,
    /// The index of its first head among heads of its kind: decoders, contrasts, distillations or
    /// classifiers.
    pub(crate) head: usize,
    /// The index of its first output among those of all tasks.
    pub(crate) first_output: usize,
    pub(crate) outputs: Vec<Output>,
    /// The factor of its gradients.
    pub(crate) loss_weight: f64,
    /// The batch size of each device.
    pub(crate) batch: BatchSize,
}

impl TrainingTask {
    /// Its held-out data of a split, if there are any.
    pub(crate) fn held_out(&self, split: Split) -> Option<HeldOut<'_>> {
        let data = match split {
            Split::Train => None,
            Split::Validation => self.data.validation.as_ref(),
            Split::Test => self.data.test.as_ref(),
        };
        data.map(|data| HeldOut {
            data,
            split,
            outputs: &self.outputs,
            head: self.head,
        })
    }
}

/// The numbers of heads assigned so far.
#[derive(Default)]
struct Given {
    decoders: usize,
    contrasts: usize,
    distillations: usize,
    classifiers: usize,
}

/// The outputs of a task.
pub(crate) fn outputs(spec: &TaskSpec) -> Vec<Output> {
    let (names, unit): (Vec<&str>, Unit) = match spec.form() {
        TaskKind::Nli | TaskKind::Classification => (vec!["label"], Unit::Answers),
        TaskKind::Pairs | TaskKind::NextSentence => (vec!["partner"], Unit::Answers),
        TaskKind::Distillation => {
            let names = ["cosine", "contrast", "matrix"].into_iter();
            let used = names.zip(distillation_weights(spec));
            let used = used.filter(|(_, weight)| *weight > 0.0);
            (used.map(|(name, _)| name).collect(), Unit::Vectors)
        }
        kind => {
            let targets = spec.decoders().into_iter();
            let names = targets.map(|target| kind.decoders()[target]);
            (names.collect(), Unit::Words)
        }
    };
    let name = |of: &&str| match names.len() {
        1 => spec.name.clone(),
        _ => format!("{}/{of}", spec.name),
    };
    let output = |of| Output {
        name: name(of),
        unit,
    };
    names.iter().map(output).collect()
}

/// Assigns heads and outputs to each task; `batch` is the default batch size.
pub(crate) fn tasks(
    specs: &[TaskSpec],
    prepared: &[PreparedTask],
    batch: BatchSize,
) -> Vec<TrainingTask> {
    let (mut given, mut first_output) = (Given::default(), 0);
    let mut tasks = Vec::new();
    for (spec, task) in specs.iter().zip(prepared) {
        let targets = spec.decoders();
        let outputs = outputs(spec);
        let take = |kind: &mut usize, count: usize| std::mem::replace(kind, *kind + count);
        let head = match task.kind {
            TaskKind::Nli => 0,
            TaskKind::Pairs | TaskKind::NextSentence => take(&mut given.contrasts, 1),
            TaskKind::Distillation => take(&mut given.distillations, 1),
            TaskKind::Classification => take(&mut given.classifiers, 1),
            TaskKind::Translation
            | TaskKind::Seq2seq
            | TaskKind::SkipThought
            | TaskKind::Parsing => take(&mut given.decoders, targets.len()),
        };
        let count = outputs.len();
        let keep = |data: &Dataset| data.clone().keep_targets(&targets);
        tasks.push(TrainingTask {
            data: PreparedTask {
                train: keep(&task.train),
                validation: task.validation.as_ref().map(keep),
                test: task.test.as_ref().map(keep),
                ..task.clone()
            },
            head,
            first_output,
            outputs,
            loss_weight: spec.loss_weight.unwrap_or(1.0),
            batch: spec.batch(batch),
        });
        first_output += count;
    }
    tasks
}
