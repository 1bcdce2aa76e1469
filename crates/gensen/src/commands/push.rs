//! `gensen push`: a model folder to the Hugging Face Hub.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gensen_data::text;
use gensen_encode::hub::{self, Contents, PushOptions, Upload};
use gensen_encode::model_folder::{
    CARD_FILE, CONFIG_FILE, CardMetadata, CardResult, MAP_FILE, MODULES_FILE, ModelFolder,
    PYTHON_FILE, VOCABULARY_FILE, WEIGHTS_FILE,
};
use gensen_encode::{ConcatEncoder, SentenceEncoder};
use gensen_eval::{Embedder, EncoderEmbedder, Report, Role, Scores, read_json};

use super::encoding::is_hub_name;
use super::places::file;
use crate::output::{heading, say};
use crate::terminal::Busy;

/// Upload a model to the Hugging Face Hub, or to a server with its API.
///
/// Commits the model folder's files to the repository OWNER/NAME, which is created if necessary. The options' metadata are
/// added to the uploaded card; the folder is not changed. The token is HF_TOKEN or that of `hf auth login`; HF_ENDPOINT names
/// another server.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  gensen eval --model models/mine --data data/senteval --tasks STS-B --output report.json\n  \
                  gensen push models/mine me/mine --language en --license cc-by-4.0 --report report.json"
)]
pub(crate) struct Arguments {
    /// Model folder.
    #[arg(value_name = "MODEL", value_parser = file())]
    model: PathBuf,
    /// Repository.
    #[arg(value_name = "OWNER/NAME", value_parser = repository)]
    name: String,
    /// Languages of the model's sentences, as codes.
    #[arg(long, value_delimiter = ',', value_name = "CODE,...")]
    language: Vec<String>,
    /// Licence of the model, by the hub's identifier: `mit`, `cc-by-4.0`, `other`, ...
    #[arg(long, visible_alias = "licence", value_name = "ID")]
    license: Option<String>,
    /// A data set on the hub that the model was trained on; may be repeated.
    #[arg(long, value_name = "OWNER/NAME")]
    dataset: Vec<String>,
    /// Evaluation of this model (`gensen eval --output`) whose scores are added to the card.
    #[arg(long, value_name = "REPORT.json", value_parser = file())]
    report: Option<PathBuf>,
    /// Branch to commit to.
    #[arg(long, default_value = "main", value_name = "BRANCH")]
    revision: String,
    /// Create a new repository as private.
    #[arg(long)]
    private: bool,
    /// Commit message.
    #[arg(
        long,
        default_value = "Upload a GenSen sentence encoder",
        value_name = "TEXT"
    )]
    message: String,
    /// Print the files that would be pushed, their sizes in bytes, and the card; push nothing.
    #[arg(long)]
    dry_run: bool,
}

fn repository(name: &str) -> Result<String, &'static str> {
    let whole = is_hub_name(Path::new(name)) && !name.contains('@');
    whole.then(|| name.to_owned()).ok_or("expected OWNER/NAME")
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = super::encoding::folder(&arguments.model)?;
    // A broken model fails here, before it is uploaded.
    let model = ModelFolder::open(&folder)?;
    let mut metadata = CardMetadata {
        languages: arguments.language.clone(),
        licence: arguments.license.clone(),
        datasets: arguments.dataset.clone(),
        name: model.config().provenance.name.clone(),
        results: Vec::new(),
    };
    if metadata.name.is_empty() {
        metadata.name = arguments
            .name
            .split('/')
            .next_back()
            .unwrap_or_default()
            .to_owned();
    }
    if let Some(path) = &arguments.report {
        metadata.results = results(path, model)?;
    }
    let card = folder.join(CARD_FILE);
    let card = match card.is_file() {
        true => text::read(&card).with_context(|| card.display().to_string())?,
        false => format!("\n# {}\n", metadata.name),
    };
    let card = metadata.add_to(&card);
    let mut files = vec![Upload {
        name: CARD_FILE.to_owned(),
        contents: Contents::Bytes(card.clone().into_bytes()),
    }];
    let names = [
        CONFIG_FILE,
        VOCABULARY_FILE,
        WEIGHTS_FILE,
        MAP_FILE,
        MODULES_FILE,
        PYTHON_FILE,
    ];
    for name in names {
        let path = folder.join(name);
        if path.is_file() {
            let (name, contents) = (name.to_owned(), Contents::File(path));
            files.push(Upload { name, contents });
        }
    }
    if arguments.dry_run {
        list(&files)?;
        return say!("\n{card}");
    }
    let options = PushOptions {
        revision: arguments.revision.clone(),
        private: arguments.private,
        message: arguments.message.clone(),
    };
    let busy = Busy::new(format!("pushing to {}", arguments.name));
    let address = hub::push(&arguments.name, &files, &options)?;
    drop(busy);
    if arguments.license.is_none() {
        tracing::warn!("no --license: users of the model will not know its permitted uses");
    }
    say!("{address}")
}

/// Prints the files' names and sizes.
fn list(files: &[Upload]) -> Result<()> {
    heading("file\tbytes")?;
    let mut all = 0;
    for file in files {
        let bytes = match &file.contents {
            Contents::Bytes(bytes) => bytes.len() as u64,
            Contents::File(path) => {
                let metadata = fs::metadata(path);
                metadata.with_context(|| path.display().to_string())?.len()
            }
        };
        all += bytes;
        say!("{}\t{bytes}", file.name)?;
    }
    say!("total\t{all}")
}

/// The results of an evaluation of this model, for its card.
fn results(path: &Path, model: ModelFolder) -> Result<Vec<CardResult>> {
    let key = "encoder 1";
    let encoder = ConcatEncoder::new(vec![SentenceEncoder::new(model)])?;
    let own = EncoderEmbedder::new("", encoder)
        .info()
        .details
        .get(key)
        .cloned();
    let of_model = |report: &&Report| {
        let details = &report.embedder.details;
        report.embedder.role == Role::Model
            && details.get(key) == own.as_ref()
            && !details.contains_key("encoder 2")
    };
    let reports = read_json(path)?;
    let Some(report) = reports.iter().find(of_model) else {
        bail!(
            "--report {}: has no evaluation of this model alone",
            path.display()
        );
    };
    let results: Vec<CardResult> = report
        .results
        .iter()
        .filter_map(|result| {
            let (task, metrics) = metrics(&result.scores);
            let dataset = result.task.clone();
            (!metrics.is_empty()).then_some(CardResult {
                task,
                dataset,
                metrics,
            })
        })
        .collect();
    if results.is_empty() {
        bail!("--report {}: has no scores", path.display());
    }
    Ok(results)
}

type HubMetrics = Vec<(&'static str, String, f64)>;

/// The hub's name of a kind of task, and its metrics.
fn metrics(scores: &Scores) -> (&'static str, HubMetrics) {
    let accuracy = |name: String, value| ("accuracy", name, value);
    let correlations = |pearson: Option<f64>, spearman: Option<f64>| {
        let pearson = pearson.map(|r| ("pearson", "Pearson x 100".to_owned(), 100.0 * r));
        let spearman = spearman.map(|r| ("spearmanr", "Spearman x 100".to_owned(), 100.0 * r));
        pearson.into_iter().chain(spearman).collect()
    };
    match scores {
        Scores::Accuracy { accuracies, f1, .. } => {
            let test = accuracy("test accuracy, %".to_owned(), accuracies.test);
            let f1 = f1.map(|f1| ("f1", "F1, %".to_owned(), f1));
            (
                "text-classification",
                std::iter::once(test).chain(f1).collect(),
            )
        }
        Scores::Relatedness(r) => ("sentence-similarity", correlations(r.pearson, r.spearman)),
        Scores::Similarity(s) => (
            "sentence-similarity",
            correlations(s.pearson.mean, s.spearman.mean),
        ),
        Scores::Retrieval(r) => {
            let recall = |name: &str, value| ("recall", name.to_owned(), value);
            let metrics = vec![
                recall("R@1 image to text, %", r.image_to_text.r1),
                recall("R@1 text to image, %", r.text_to_image.r1),
            ];
            ("sentence-similarity", metrics)
        }
        Scores::LowResource { sizes } => {
            let metric = |(size, found): &(usize, gensen_eval::protocol::Accuracies)| {
                accuracy(
                    format!("test accuracy after {size} examples, %"),
                    found.test,
                )
            };
            ("text-classification", sizes.iter().map(metric).collect())
        }
    }
}
