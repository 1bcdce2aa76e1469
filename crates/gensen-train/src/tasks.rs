//! A run's tasks, with their places among decoders and reports.

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
    pub(crate) train: Dataset,
    pub(crate) validation: Option<Dataset>,
    pub(crate) test: Option<Dataset>,
}

/// Gives each task its decoders, and its places in reports.
pub(crate) fn tasks(specs: &[TaskSpec], prepared: &[PreparedTask]) -> Vec<Task> {
    let (mut decoder, mut first_output) = (0, 0);
    let mut tasks = Vec::new();
    for (spec, task) in specs.iter().zip(prepared) {
        let targets = spec.decoders();
        let inference = task.kind == TaskKind::Nli;
        let names: Vec<String> = match targets.len() {
            0 | 1 => vec![task.name.clone()],
            _ => {
                let decoders = task.kind.decoders();
                let name = |&target: &usize| format!("{}/{}", task.name, decoders[target]);
                targets.iter().map(name).collect()
            }
        };
        let outputs: Vec<Output> = names
            .into_iter()
            .map(|name| Output { name, inference })
            .collect();
        let (decoders, count) = (targets.len(), outputs.len());
        let keep = |data: &Dataset| data.clone().keep_targets(&targets);
        tasks.push(Task {
            name: task.name.clone(),
            kind: task.kind,
            decoder,
            first_output,
            outputs,
            train: keep(&task.train),
            validation: task.validation.as_ref().map(keep),
            test: task.test.as_ref().map(keep),
        });
        decoder += decoders;
        first_output += count;
    }
    tasks
}
