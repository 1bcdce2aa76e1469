//! `gensen eval`: transfer tasks with SentEval's protocol.

mod encoders;
mod pictures;
mod progress;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use gensen_eval::linear::{LossReduction, SentEvalOptions};
use gensen_eval::protocol::Classifier;
use gensen_eval::tasks::{self, Pooling, TASKS, Task};
use gensen_eval::{EvalOptions, Unscored, beaten_by_chance, evaluate, write_report};

use super::Usage;
use super::places::{Place, can_be_written, distinct, ends_in, file, read_twice};
use crate::device;
use crate::output::say;
use encoders::Encoders;
use pictures::Pictures;
use progress::{Progress, Style};

/// Evaluate sentence vectors on transfer tasks, with SentEval's protocol.
///
/// Each task's score is printed as soon as it is there. Vectors and scores are kept, so that an
/// evaluation that was interrupted goes on with the task it was in; one whose standard output was
/// closed goes on to its report. Tasks without data are named and passed over.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen eval --model models/nli_large --data data/senteval --output report.json\n  \
                  gensen eval --model models/a --model models/b --data data/senteval --tasks MR,CR,STS-B \\\n      \
                      --vectors glove.txt --baseline random,bow\n  \
                  gensen eval --model models/nli_large --data data/senteval --tasks TREC --map trec.svg\n  \
                  gensen eval --list --data data/senteval"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    encoders: encoders::Arguments,
    /// SentEval's data folder, or its `downstream` folder.
    #[arg(long, value_name = "DIR", required_unless_present = "list", value_parser = file())]
    data: Option<PathBuf>,
    /// Tasks by name, or `all`, `downstream` or `probing`.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "all",
        value_name = "TASK,..."
    )]
    tasks: Vec<String>,
    /// List the tasks and end; with --data, says which are there.
    #[arg(long)]
    list: bool,
    /// How hidden states become a vector. [default: the models' own, if they name another than last;
    /// else best]
    #[arg(long)]
    pool: Option<Pool>,
    /// What is trained on the vectors.
    #[arg(long, default_value = "lbfgs")]
    classifier: ClassifierName,
    /// How SentEval's classifier reduces the losses of a batch.
    #[arg(long, default_value = "mean")]
    senteval_loss: Loss,
    /// Seeds SentEval's classifier.
    #[arg(long, default_value_t = 1111)]
    seed: u32,
    /// Folds of the cross-validations.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000), value_name = "N")]
    folds: u32,
    /// Keep capital letters, which are otherwise lower-cased as by the reference.
    #[arg(long)]
    keep_case: bool,
    /// The report: NAME.json, beside it NAME.md and a chart a task in NAME.charts.
    #[arg(long, value_name = "NAME.json", value_parser = file())]
    output: Option<PathBuf>,
    /// Print each score as a JSON object instead of a row of a table; --list, too.
    #[arg(long, conflicts_with = "neighbours")]
    json: bool,
    /// Where vectors and scores are kept.
    #[arg(long, default_value = "runs/eval-cache", value_name = "DIR", value_parser = file())]
    cache: PathBuf,
    /// Keep nothing and use nothing kept.
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    pictures: pictures::Arguments,
}

/// `--pool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pool {
    /// The reference's choice for each task: max for MR, CR, SUBJ, MPQA and retrieval, last elsewhere.
    Best,
    /// The last states of both directions.
    Last,
    /// The largest value of each component over the words.
    Max,
    /// The mean of each component over the words.
    Mean,
    /// As max, over the zero padding of a batch too.
    MaxPadded,
}

impl From<Pool> for Option<Pooling> {
    fn from(pool: Pool) -> Self {
        match pool {
            Pool::Best => None,
            Pool::Last => Some(Pooling::Last),
            Pool::Max => Some(Pooling::Max),
            Pool::Mean => Some(Pooling::Mean),
            Pool::MaxPadded => Some(Pooling::MaxPadded),
        }
    }
}

/// `--classifier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClassifierName {
    /// SentEval's PyTorch classifier, draw for draw: for comparison with published numbers.
    Senteval,
    /// Logistic regression to convergence: recommended.
    Lbfgs,
}

/// `--senteval-loss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Loss {
    /// The mean, as SentEval on today's PyTorch.
    Mean,
    /// The sum, as when the paper was written.
    Sum,
}

impl Arguments {
    fn options(&self, data: &Path, tasks: Vec<&'static Task>) -> EvalOptions {
        EvalOptions {
            classifier: match self.classifier {
                ClassifierName::Lbfgs => Classifier::Lbfgs,
                ClassifierName::Senteval => Classifier::SentEval(SentEvalOptions {
                    seed: self.seed,
                    reduction: match self.senteval_loss {
                        Loss::Mean => LossReduction::Mean,
                        Loss::Sum => LossReduction::Sum,
                    },
                }),
            },
            folds: self.folds as usize,
            pooling: self.pool.and_then(Into::into),
            lowercase: !self.keep_case,
            cache: (!self.no_cache).then(|| self.cache.clone()),
            ..EvalOptions::new(data, tasks)
        }
    }

    /// What the argument parser cannot see.
    fn check(&self) -> Result<(), Usage> {
        self.encoders.check()?;
        match &self.output {
            Some(path) if path.extension().is_none_or(|extension| extension != "json") => {
                Err(Usage(format!(
                    "--output {}: needs a name that ends in .json",
                    path.display()
                )))
            }
            _ => self.check_places(),
        }
    }

    /// Refuses what cannot be written, before the work begins.
    fn check_places(&self) -> Result<(), Usage> {
        let inputs = self.encoders.inputs();
        read_twice(
            &inputs,
            "evaluations are kept under the hashes of their inputs",
        )?;
        let output = self.output.as_deref().map(|path| ("--output", path));
        let map = self.pictures.map().map(|path| ("--map", path));
        let outputs: Vec<Place<'_>> = output.into_iter().chain(map).collect();
        if let Some((option, path)) = map {
            ends_in(option, path, "svg")?;
        }
        distinct(&inputs, &outputs)?;
        can_be_written(&outputs)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    device::guard(&arguments.encoders.device, || eval(arguments))
}

fn eval(arguments: &Arguments) -> Result<()> {
    let tasks =
        tasks::select(&arguments.tasks).map_err(|error| Usage(format!("--tasks: {error}")))?;
    if arguments.list {
        return list(arguments.data.as_deref(), arguments.json);
    }
    arguments.check()?;
    let data = arguments.data.as_deref().unwrap_or(Path::new("."));
    let map_task = arguments.pictures.task(&tasks)?;
    let mut options = arguments.options(data, tasks);
    let there = |task: &&&Task| task.folder(data).is_some();
    let Some(first) = options.tasks.iter().find(there) else {
        let folder = data.display();
        let how = options.tasks.first().map_or("", |task| task.how_to_fetch());
        anyhow::bail!("no files of the chosen tasks below {folder} ({how})");
    };
    let first = *first;
    let encoders = Encoders::open(&arguments.encoders, &options)?;
    if arguments.pool.is_none() {
        options.pooling = encoders.own_pooling();
    }
    let mut embedders = encoders.embedders()?;

    let style = if arguments.json {
        Style::Json
    } else {
        Style::Table
    };
    let mut reports = Vec::new();
    for (k, embedder) in embedders.iter_mut().enumerate() {
        let name = embedder.info().name;
        let progress = Progress::new(&name, style, k == 0);
        let report = evaluate(&mut **embedder, &options, &|event| progress.show(event));
        reports.push(report.with_context(|| format!("evaluating {name}"))?);
        let shown = progress.finish();
        if let Some(path) = &arguments.output {
            write_report(&reports, path)?;
        }
        shown?;
    }
    for line in beaten_by_chance(&reports) {
        let what = "no better than its random initialisation";
        match style {
            Style::Table => say!("{what}: {line}")?,
            Style::Json => tracing::warn!("{what}: {line}"),
        }
    }
    if let Some(embedder) = embedders.first_mut() {
        Pictures::new(&arguments.pictures, map_task.unwrap_or(first))
            .make(&mut **embedder, &options)?;
    }
    let failed: Vec<&Unscored> = reports.iter().flat_map(|report| &report.failed).collect();
    if let Some(first) = failed.first() {
        let others = match failed.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more, named above)"),
        };
        anyhow::bail!("{} was not scored: {}{others}", first.task, first.reason);
    }
    Ok(())
}

fn list(data: Option<&Path>, json: bool) -> Result<()> {
    if !json {
        say!("task\tsuite\tpooling\tfolder")?;
    }
    for task in TASKS {
        let pooling = task.best_pooling;
        let folder = data.map(|root| task.folder(root));
        let suite = format!("{:?}", task.suite).to_lowercase();
        if json {
            let folder = folder.flatten();
            let line = serde_json::json!({
                "task": task.name, "suite": task.suite, "pooling": pooling, "folder": folder,
            });
            say!("{line}")?;
            continue;
        }
        let place = match folder {
            None => String::new(),
            Some(Some(folder)) => folder.display().to_string(),
            Some(None) => format!("absent ({})", task.how_to_fetch()),
        };
        say!("{}\t{suite}\t{pooling}\t{place}", task.name)?;
    }
    Ok(())
}
