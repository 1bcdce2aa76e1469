//! `gensen eval`: transfer tasks with SentEval's protocol.

mod encoders;
mod pictures;
mod progress;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use gensen_eval::linear::{LossReduction, SentEvalOptions};
use gensen_eval::protocol::Classifier;
use gensen_eval::tasks::{self, KeptTasks, Pooling, TASKS, Task};
use gensen_eval::{EvalOptions, Unscored, beaten_by_chance, evaluate, own_pooling, write_report};

use super::UsageError;
use super::places::{NamedPath, can_be_written, distinct, ends_in, file, read_twice};
use crate::device;
use crate::output::say;
use encoders::Encoders;
use pictures::Pictures;
use progress::{Progress, Style};

/// Evaluate sentence vectors on transfer tasks, with SentEval's protocol.
///
/// Each task's score is printed as soon as it is known. Vectors and scores are cached, so that an interrupted
/// evaluation continues with its last task. If standard output is closed, the evaluation still writes its report. Tasks without
/// data are listed as skipped.
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
    /// SentEval's data folder, or its `downstream` folder; `cargo xtask fetch-data senteval probing` makes one.
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
    /// List the tasks; with --data, also whether each is there.
    #[arg(long)]
    list: bool,
    /// Pooling of hidden states into a vector. [default: the models' own, but best if that is last]
    #[arg(long)]
    pool: Option<EvalPool>,
    /// The classifier trained on the vectors.
    #[arg(long, default_value = "lbfgs")]
    classifier: ClassifierName,
    /// Reduction of a batch's losses in SentEval's classifier.
    #[arg(long, default_value = "mean", value_name = "REDUCTION")]
    senteval_loss: Loss,
    /// Seed of SentEval's classifier.
    #[arg(long, default_value_t = 1111, value_name = "N")]
    seed: u32,
    /// Number of folds of each cross-validation.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000), value_name = "N")]
    folds: u32,
    /// Keep the case; by default sentences are lower-cased, as in the reference.
    #[arg(long)]
    keep_case: bool,
    /// Report: NAME.json, and beside it NAME.md and a chart per task in NAME.charts.
    #[arg(short, long, value_name = "NAME.json", value_parser = file())]
    output: Option<PathBuf>,
    /// Print JSON objects instead of a table: a score or, with --list, a task each.
    #[arg(long, conflicts_with = "neighbours")]
    json: bool,
    /// Cache of vectors and scores.
    #[arg(long, default_value = "runs/eval-cache", value_name = "DIR", value_parser = file())]
    cache: PathBuf,
    /// Neither read nor write the cache.
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    pictures: pictures::Arguments,
}

/// `--pool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EvalPool {
    /// The reference's choice for each task: max for MR, CR, SUBJ, MPQA and retrieval, last elsewhere.
    Best,
    /// The last states of both directions.
    Last,
    /// The maximum of each component over the words.
    Max,
    /// The mean of each component over the words.
    Mean,
    /// The maximum, a batch's zero padding included.
    MaxPadded,
}

impl From<EvalPool> for Option<Pooling> {
    fn from(pool: EvalPool) -> Self {
        match pool {
            EvalPool::Best => None,
            EvalPool::Last => Some(Pooling::Last),
            EvalPool::Max => Some(Pooling::Max),
            EvalPool::Mean => Some(Pooling::Mean),
            EvalPool::MaxPadded => Some(Pooling::MaxPadded),
        }
    }
}

/// `--classifier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClassifierName {
    /// SentEval's PyTorch classifier with the same random draws: for comparison with published numbers.
    Senteval,
    /// Logistic regression to convergence (recommended).
    Lbfgs,
}

/// `--senteval-loss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Loss {
    /// The mean: SentEval on today's PyTorch.
    Mean,
    /// The sum: SentEval when the paper was written.
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
            kept: self.reads_tasks_again().then(KeptTasks::default),
            ..EvalOptions::new(data, tasks)
        }
    }

    /// Whether a task's files are needed more than once.
    fn reads_tasks_again(&self) -> bool {
        self.encoders.reads_or_repeats_tasks() || self.pictures.are_wanted()
    }

    /// Checks that the argument parser cannot make.
    fn check(&self) -> Result<(), UsageError> {
        self.encoders.check()?;
        match &self.output {
            Some(path) if path.extension().is_none_or(|extension| extension != "json") => {
                Err(UsageError(format!(
                    "--output {}: needs a name that ends in .json",
                    path.display()
                )))
            }
            _ => self.check_places(),
        }
    }

    /// Refuses outputs that cannot be written, before the work begins.
    fn check_places(&self) -> Result<(), UsageError> {
        let inputs = self.encoders.inputs();
        read_twice(
            &inputs,
            "cached results are keyed by the hashes of their inputs",
        )?;
        let output = self.output.as_deref().map(|path| ("--output", path));
        let map = self.pictures.map().map(|path| ("--map", path));
        let outputs: Vec<NamedPath<'_>> = output.into_iter().chain(map).collect();
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
        tasks::select(&arguments.tasks).map_err(|error| UsageError(format!("--tasks: {error}")))?;
    if arguments.list {
        return list(arguments.data.as_deref(), arguments.json);
    }
    arguments.check()?;
    let data = arguments.data.as_deref().unwrap_or(Path::new("."));
    let mut options = arguments.options(data, tasks);
    if options.tasks.iter().all(|task| task.folder(data).is_none()) {
        let folder = data.display();
        let how = options.tasks.first().map_or("", |task| task.how_to_fetch());
        anyhow::bail!("no files of the chosen tasks below {folder} ({how})");
    }
    let map_task = arguments.pictures.task(&options.tasks, data)?;
    let encoders = Encoders::open(&arguments.encoders, &options)?;
    if arguments.pool.is_none() {
        options.pooling = own_pooling(encoders.models());
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
    if let (Some(embedder), Some(task)) = (embedders.first_mut(), map_task) {
        Pictures::new(&arguments.pictures, task).make(&mut **embedder, &options)?;
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
