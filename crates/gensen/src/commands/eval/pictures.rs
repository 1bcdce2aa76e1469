//! A map of a task's sentences, and their nearest neighbours.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gensen_eval::map::{nearest, project, write_map};
use gensen_eval::tasks::{self, Task};
use gensen_eval::{Embedder, EvalOptions, LabelledVectors, labelled_vectors};

use super::super::Usage;
use super::super::places::file;
use super::super::projection::ProjectionName;
use crate::output::say;

/// Sentences drawn; more hide each other.
const POINTS: usize = 3000;
/// Neighbours of a sentence.
const NEIGHBOURS: usize = 3;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Draw a map of a task's sentences, coloured by class.
    #[arg(long, value_name = "FILE.svg", value_parser = file())]
    map: Option<PathBuf>,
    /// The task of --map and --neighbours. [default: the first that is there]
    #[arg(long, value_name = "TASK")]
    map_task: Option<String>,
    /// How vectors become points of the map.
    #[arg(long, default_value = "pca")]
    projection: ProjectionName,
    /// The number of the task's sentences to print the nearest neighbours of.
    #[arg(long, default_value_t = 0, value_name = "N")]
    neighbours: usize,
}

impl Arguments {
    /// Where the map goes.
    pub(super) fn map(&self) -> Option<&Path> {
        self.map.as_deref()
    }

    /// The task of `--map-task`, which is one of those evaluated.
    pub(super) fn task(&self, chosen: &[&'static Task]) -> Result<Option<&'static Task>, Usage> {
        let Some(name) = &self.map_task else {
            return Ok(None);
        };
        let usage = |problem: String| Usage(format!("--map-task: {problem}"));
        match tasks::select(&[name]).map_err(|error| usage(error.to_string()))?[..] {
            [task] if chosen.iter().any(|other| other.name == task.name) => Ok(Some(task)),
            [task] => Err(usage(format!("{} is not among --tasks", task.name))),
            _ => Err(usage("expected one task".to_owned())),
        }
    }
}

/// What is to be drawn of a task.
pub(super) struct Pictures<'a> {
    arguments: &'a Arguments,
    task: &'a Task,
}

impl<'a> Pictures<'a> {
    pub(super) fn new(arguments: &'a Arguments, task: &'a Task) -> Self {
        Self { arguments, task }
    }

    pub(super) fn make(&self, embedder: &mut dyn Embedder, options: &EvalOptions) -> Result<()> {
        if self.arguments.map.is_none() && self.arguments.neighbours == 0 {
            return Ok(());
        }
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
