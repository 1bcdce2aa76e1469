//! A map of a task's sentences, and their nearest neighbours.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gensen_eval::map::{nearest, project, write_map};
use gensen_eval::tasks::{self, Task};
use gensen_eval::{Embedder, EvalOptions, LabelledVectors, labelled_vectors};

use super::super::UsageError;
use super::super::places::file;
use super::super::projection::ProjectionName;
use crate::output::say;

/// The maximum number of sentences drawn; more would overlap.
const POINTS: usize = 3000;
/// Neighbours printed per sentence.
const NEIGHBOURS: usize = 3;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Draw a map of a task's sentences, coloured by class.
    #[arg(long, value_name = "FILE.svg", value_parser = file())]
    map: Option<PathBuf>,
    /// The task of --map and --neighbours, of single sentences with classes. [default: the first with data]
    #[arg(long, value_name = "TASK")]
    map_task: Option<String>,
    /// Projection of vectors to the map's points.
    #[arg(long, default_value = "pca")]
    projection: ProjectionName,
    /// Print the nearest neighbours of N of the task's sentences.
    #[arg(long, default_value_t = 0, value_name = "N")]
    neighbours: usize,
}

impl Arguments {
    /// The path of the map.
    pub(super) fn map(&self) -> Option<&Path> {
        self.map.as_deref()
    }

    /// Whether anything is drawn or printed.
    pub(super) fn are_wanted(&self) -> bool {
        self.map.is_some() || self.neighbours > 0
    }

    /// The task that is drawn: `--map-task`, or the first of `chosen` with data below `root`.
    pub(super) fn task(
        &self,
        chosen: &[&'static Task],
        root: &Path,
    ) -> Result<Option<&'static Task>, UsageError> {
        if !self.are_wanted() {
            return Ok(None);
        }
        let Some(name) = &self.map_task else {
            let mut tasks = chosen.iter().filter(|task| task.has_classes());
            let first = tasks.find(|task| task.folder(root).is_some());
            return match first {
                Some(task) => Ok(Some(task)),
                None => Err(UsageError(
                    "--map and --neighbours: need a task of single sentences with classes, such as TREC".into(),
                )),
            };
        };
        let usage = |problem: String| UsageError(format!("--map-task: {problem}"));
        match tasks::select(&[name]).map_err(|error| usage(error.to_string()))?[..] {
            [task] if !task.has_classes() => Err(usage(format!(
                "{} has no single sentences with classes",
                task.name
            ))),
            [task] if chosen.iter().any(|other| other.name == task.name) => Ok(Some(task)),
            [task] => Err(usage(format!("{} is not among --tasks", task.name))),
            _ => Err(usage("expected one task".to_owned())),
        }
    }
}

/// The pictures to draw of a task.
pub(super) struct Pictures<'a> {
    arguments: &'a Arguments,
    task: &'a Task,
}

impl<'a> Pictures<'a> {
    pub(super) fn new(arguments: &'a Arguments, task: &'a Task) -> Self {
        Self { arguments, task }
    }

    pub(super) fn make(&self, embedder: &mut dyn Embedder, options: &EvalOptions) -> Result<()> {
        let found = labelled_vectors(embedder, self.task, options, POINTS, &|_| ())
            .context("--map and --neighbours")?;
        if let Some(path) = &self.arguments.map {
            let projection = self.arguments.projection.into();
            let points = project(found.vectors.view(), projection)?;
            write_map(points.view(), &found.labels, path)?;
        }
        self.print_neighbours(&found)
    }

    fn print_neighbours(&self, found: &LabelledVectors) -> Result<()> {
        let count = found.sentences.len();
        let shown = self.arguments.neighbours.min(count);
        for query in (0..shown).map(|k| k * count / shown) {
            say!("\n{}\t{}", found.labels[query], found.sentences[query])?;
            for (other, cosine) in nearest(found.vectors.view(), query, NEIGHBOURS) {
                let (label, sentence) = (&found.labels[other], &found.sentences[other]);
                say!("  {cosine:.3}\t{label}\t{sentence}")?;
            }
        }
        Ok(())
    }
}
