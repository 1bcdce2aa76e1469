//! The sentences of one task with their classes and vectors, for maps and neighbours.

use ndarray::Array2;

use crate::embedder::Embedder;
use crate::error::{EvalError, Result};
use crate::evaluate::{EvalEvent, EvalOptions, vectors};
use crate::tasks::{Labelled, Task, TaskData};

/// Sentences, the names of their classes and their vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledVectors {
    /// The sentences.
    pub sentences: Vec<String>,
    /// The class of each.
    pub labels: Vec<String>,
    /// `[sentences, width]`
    pub vectors: Array2<f32>,
}

/// At most `limit` evenly spaced labelled sentences of a task, with their vectors, which an evaluation with the same
/// options has cached.
///
/// # Errors
///
/// [`EvalError::NoSentences`] for a task without files or whose examples are not single sentences
/// with classes; otherwise as [`evaluate`](crate::evaluate).
pub fn labelled_vectors(
    embedder: &mut dyn Embedder,
    task: &Task,
    options: &EvalOptions,
    limit: usize,
    progress: &(dyn Fn(EvalEvent<'_>) + Sync),
) -> Result<LabelledVectors> {
    let none = || EvalError::NoSentences {
        task: task.name.to_owned(),
        root: options.data.clone(),
    };
    let data = options.load(task)?.ok_or_else(none)?;
    let (parts, classes): (Vec<&Labelled>, &[String]) = match &*data {
        TaskData::Nested { data, classes } => (vec![data], classes),
        TaskData::CrossValidated {
            train,
            test,
            classes,
        } => (vec![train, test], classes),
        TaskData::Split {
            train,
            valid,
            test,
            classes,
            ..
        } => (vec![train, valid, test], classes),
        _ => return Err(none()),
    };
    if parts.iter().any(|part| !part.partners.is_empty()) {
        return Err(none());
    }
    let all: Vec<(&String, u32)> = parts
        .iter()
        .flat_map(|part| part.sentences.iter().zip(part.labels.iter().copied()))
        .collect();
    let stride = all.len().div_ceil(limit.max(1)).max(1);
    let (sentences, labels): (Vec<String>, Vec<String>) = all
        .into_iter()
        .step_by(stride)
        .filter_map(|(sentence, label)| {
            Some((sentence.clone(), classes.get(label as usize)?.clone()))
        })
        .unzip();
    let pooling = options.pooling.unwrap_or(task.best_pooling);
    let vectors = vectors(embedder, &data, pooling, options, progress)?;
    Ok(LabelledVectors {
        vectors: vectors.of(&sentences),
        sentences,
        labels,
    })
}
