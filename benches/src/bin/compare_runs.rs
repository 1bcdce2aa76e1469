//! Compares the learning curves of two runs, such as one on the CPU and one on a GPU with the same
//! seed: the differences of each task's losses, and both curves in one picture.
//!
//! ```text
//! cargo run --release -p gensen-bench --bin compare_runs -- runs/cpu runs/cuda curves.svg
//! ```
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Parser;
use gensen_train::curves;
use gensen_train::metrics::{self, Metric};

/// Compares the learning curves of two runs.
#[derive(Parser)]
struct Arguments {
    /// A run's folder, with its `metrics.jsonl`.
    first: PathBuf,
    /// The other run's folder.
    second: PathBuf,
    /// The picture to draw: SVG.
    picture: PathBuf,
}

/// The differences between the losses of a task.
struct Apart<'a> {
    of: &'a Metric,
    reports: usize,
    largest: f64,
    at_step: u64,
    last: [f64; 2],
}

/// One entry per task and split, in the order of first reports.
fn compare<'a>(first: &'a [Metric], second: &[Metric]) -> Vec<Apart<'a>> {
    let mut all: Vec<Apart<'a>> = Vec::new();
    for metric in first {
        let same = |other: &Metric| (other.split, &other.task) == (metric.split, &metric.task);
        let other = second.iter().find(|x| x.step == metric.step && same(x));
        let (Some(a), Some(b)) = (metric.loss, other.and_then(|other| other.loss)) else {
            continue;
        };
        let place = all.iter().position(|apart| same(apart.of));
        let place = place.unwrap_or_else(|| {
            all.push(Apart {
                of: metric,
                reports: 0,
                largest: 0.0,
                at_step: metric.step,
                last: [a, b],
            });
            all.len() - 1
        });
        let apart = &mut all[place];
        let difference = ((b - a) / a).abs();
        if difference > apart.largest || difference.is_nan() {
            (apart.largest, apart.at_step) = (difference, metric.step);
        }
        apart.reports += 1;
        apart.last = [a, b];
    }
    all
}

/// A run's metrics, with the run's name in front of task names.
fn named(folder: &Path, metrics: Vec<Metric>) -> impl Iterator<Item = Metric> {
    let run = folder.file_name().unwrap_or_default().display().to_string();
    metrics.into_iter().map(move |metric| Metric {
        task: format!("{run}: {}", metric.task),
        ..metric
    })
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let first = metrics::read(&arguments.first)?;
    let second = metrics::read(&arguments.second)?;
    let compared = compare(&first, &second);
    if compared.is_empty() {
        bail!("the runs report no loss of the same task at the same step");
    }
    println!("| task | losses | reports | largest relative difference | at step | last |");
    println!("| --- | --- | ---: | ---: | ---: | --- |");
    for apart in compared {
        let Apart {
            of,
            reports,
            largest,
            at_step,
            last: [a, b],
        } = apart;
        println!(
            "| {} | {:?} | {reports} | {largest:.2e} | {at_step} | {a:.4} and {b:.4} |",
            of.task, of.split
        );
    }
    let both = named(&arguments.first, first).chain(named(&arguments.second, second));
    curves::draw(&arguments.picture, &both.collect::<Vec<_>>())?;
    Ok(())
}
