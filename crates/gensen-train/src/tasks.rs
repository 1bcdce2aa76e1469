//! A run's tasks, with their places among decoders and reports.

use gensen_data::batch::BatchSize;
use gensen_data::dataset::Dataset;
use gensen_data::prepare::PreparedTask;
use gensen_data::spec::{TaskKind, TaskSpec};

use crate::metrics::Output;

/// One task with its place among decoders and reports.
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) kind: TaskKind,
    /// Its first decoder.
    pub(crate) decoder: usize,
    /// Its first place in reports.
    pub(crate) first_output: usize,
    pub(crate) outputs: Vec<Output>,
    /// What its gradients are multiplied by.
    pub(crate) loss_weight: f64,
    /// How much each device takes in a step.
    pub(crate) batch: BatchSize,
    pub(crate) train: Dataset,
    pub(crate) validation: Option<Dataset>,
    pub(crate) test: Option<Dataset>,
}

/// What a task has losses of.
pub(crate) fn outputs(spec: &TaskSpec) -> Vec<Output> {
    let targets = spec.decoders();
    let names: Vec<String> = match targets.len() {
        0 | 1 => vec![spec.name.clone()],
        _ => {
            let decoders = spec.kind.decoders();
            let name = |&target: &usize| format!("{}/{}", spec.name, decoders[target]);
            targets.iter().map(name).collect()
        }
    };
    let inference = spec.kind == TaskKind::Nli;
    let output = |name| Output { name, inference };
    names.into_iter().map(output).collect()
}

/// Gives each task its decoders, and its places in reports; `batch` is the size of those without one of their own.
pub(crate) fn tasks(specs: &[TaskSpec], prepared: &[PreparedTask], batch: BatchSize) -> Vec<Task> {
    let (mut decoder, mut first_output) = (0, 0);
    let mut tasks = Vec::new();
    for (spec, task) in specs.iter().zip(prepared) {
        let targets = spec.decoders();
        let outputs = outputs(spec);
        let (decoders, count) = (targets.len(), outputs.len());
        let keep = |data: &Dataset| data.clone().keep_targets(&targets);
        tasks.push(Task {
            name: task.name.clone(),
            kind: task.kind,
            decoder,
            first_output,
            outputs,
            loss_weight: spec.loss_weight.unwrap_or(1.0),
            batch: spec.batch(batch),
            train: keep(&task.train),
            validation: task.validation.as_ref().map(keep),
            test: task.test.as_ref().map(keep),
        });
        decoder += decoders;
        first_output += count;
    }
    tasks
}
