//! `gensen cluster`: groups of sentences.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gensen_data::scratch;
use gensen_eval::map::{project, write_map};
use gensen_search::{KMeansOptions, Matrix, communities, k_means};
use ndarray::Array2;
use serde::Serialize;

use super::UsageError;
use super::corpus::{EncodedText, SentenceFiles};
use super::encoding::EncodingArguments;
use super::places::{NamedPath, distinct, ends_in, file, writable};
use super::projection::ProjectionName;
use crate::device;
use crate::output::{heading, say, say_json};
use crate::terminal::Busy;

/// The maximum number of sentences drawn; more would overlap.
const POINTS: usize = 3000;

/// Group the sentences of a file by cosine, into K clusters or into communities of similar sentences.
///
/// Prints one line per group, largest first: number, size, and the cosine to the centre, line number and text of its
/// representative sentence (in a community, the centre itself).
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen cluster --input sentences.txt --clusters 20 --map clusters.svg --output groups.tsv\n  gensen cluster --input sentences.txt --threshold 0.8 --smallest 5 --json"
)]
#[group(id = "how", required = true, multiple = false, args = ["clusters", "threshold"])]
pub(crate) struct Arguments {
    #[command(flatten)]
    sentences: SentenceFiles,
    /// Number of clusters (k-means); every sentence is in one.
    #[arg(long, value_name = "K")]
    clusters: Option<usize>,
    /// Seed of k-means.
    #[arg(
        long,
        default_value_t = 0,
        value_name = "N",
        conflicts_with = "threshold"
    )]
    seed: u64,
    /// Lowest cosine of a community's sentences to its centre. Other sentences are in no group.
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    threshold: Option<f32>,
    /// Size of the smallest community.
    #[arg(
        long,
        default_value_t = 10,
        value_name = "N",
        conflicts_with = "clusters"
    )]
    smallest: usize,
    /// Write `group TAB sentence` for every line that is not blank; 0 means no group.
    #[arg(short, long, value_name = "FILE", value_parser = file())]
    output: Option<PathBuf>,
    /// Draw the sentences, coloured by group.
    #[arg(long, value_name = "FILE.svg", value_parser = file())]
    map: Option<PathBuf>,
    /// Projection of vectors to the map's points.
    #[arg(long, default_value = "pca", requires = "map")]
    projection: ProjectionName,
    /// Print a JSON object per group: group, size, representative (line, text, cosine), lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArguments,
}

/// Rows that belong together.
struct Cluster {
    rows: Vec<usize>,
    /// The row nearest to the centre, and its cosine to it.
    representative: usize,
    cosine: f32,
}

/// One line of the JSON output.
#[derive(Serialize)]
struct JsonGroup<'a> {
    group: usize,
    size: usize,
    representative: Representative<'a>,
    lines: Vec<u64>,
}

#[derive(Serialize)]
struct Representative<'a> {
    line: u64,
    text: &'a str,
    cosine: f32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(threshold) = arguments.threshold
        && !(-1.0..=1.0).contains(&threshold)
    {
        let problem = format!("--threshold {threshold}: expected a cosine, -1 to 1");
        return Err(UsageError(problem).into());
    }
    check_places(arguments)?;
    device::guard(&arguments.encoding.device, || cluster(arguments))
}

fn check_places(arguments: &Arguments) -> Result<(), UsageError> {
    let mut inputs: Vec<NamedPath<'_>> = vec![("--input", &arguments.sentences.input)];
    inputs.extend(
        arguments
            .sentences
            .index
            .as_deref()
            .map(|path| ("--index", path)),
    );
    let output = arguments.output.as_deref().map(|path| ("--output", path));
    let map = arguments.map.as_deref().map(|path| ("--map", path));
    let outputs: Vec<NamedPath<'_>> = output.into_iter().chain(map).collect();
    if let Some((option, path)) = map {
        ends_in(option, path, "svg")?;
    }
    distinct(&inputs, &outputs)?;
    writable(&outputs)
}

fn cluster(arguments: &Arguments) -> Result<()> {
    let corpus = EncodedText::open(&arguments.encoding, &arguments.sentences, false)?;
    let matrix = corpus.matrix()?;
    let rows = matrix.rows();
    let busy = Busy::new(format!("grouping {rows} sentences"));
    let mut groups = match (arguments.clusters, arguments.threshold) {
        (Some(clusters), _) => {
            if !(1..=rows).contains(&clusters) {
                bail!(
                    "--clusters {clusters}: {} has {rows} sentences, expected 1 to {rows}",
                    arguments.sentences.input.display()
                );
            }
            by_means(&corpus, matrix, clusters, arguments.seed)?
        }
        (None, Some(threshold)) => {
            let found =
                corpus.located(communities(matrix, threshold, arguments.smallest.max(1)))?;
            let groups = found.into_iter().map(|community| Cluster {
                representative: community.centre,
                cosine: 1.0,
                rows: community.rows,
            });
            groups.collect()
        }
        (None, None) => bail!("neither --clusters nor --threshold"),
    };
    drop(busy);
    groups.sort_by_key(|group| (std::cmp::Reverse(group.rows.len()), group.rows[0]));
    if let Some(clusters) = arguments.clusters.filter(|&k| groups.len() < k) {
        tracing::warn!(
            "{} clusters instead of {clusters}: there are not more distinct vectors",
            groups.len()
        );
    } else if groups.is_empty() {
        tracing::warn!("no communities: lower --threshold or --smallest");
    }
    // 0 for rows without a cluster.
    let mut numbers = vec![0; rows];
    for (k, group) in groups.iter().enumerate() {
        group.rows.iter().for_each(|&row| numbers[row] = k + 1);
    }
    if let Some(place) = &arguments.map {
        draw(arguments, matrix, &numbers, place)?;
    }
    if let Some(place) = &arguments.output {
        scratch::write_file(place, |file| {
            for (row, number) in numbers.iter().enumerate() {
                writeln!(file, "{number}\t{}", corpus.texts.of_row(row).1)?;
            }
            Ok(())
        })
        .with_context(|| place.display().to_string())?;
    }
    print(arguments, &corpus, &groups)
}

fn by_means(
    corpus: &EncodedText<'_>,
    matrix: Matrix<'_>,
    clusters: usize,
    seed: u64,
) -> Result<Vec<Cluster>> {
    let options = KMeansOptions {
        seed,
        ..KMeansOptions::new(clusters)
    };
    let found = corpus.located(k_means(matrix, &options))?;
    if !found.converged {
        tracing::warn!("k-means still changed after {} rounds", found.rounds);
    }
    let cosine = |row: usize| found.cosines[row];
    let members = found.members(clusters).into_iter();
    let groups = members.filter_map(|rows| {
        let nearest = |&a: &usize, &b: &usize| cosine(a).total_cmp(&cosine(b)).then(b.cmp(&a));
        let representative = rows.iter().copied().max_by(nearest)?;
        Some(Cluster {
            representative,
            cosine: cosine(representative),
            rows,
        })
    });
    Ok(groups.collect())
}

fn draw(arguments: &Arguments, matrix: Matrix<'_>, numbers: &[usize], place: &Path) -> Result<()> {
    let stride = matrix.rows().div_ceil(POINTS).max(1);
    let rows: Vec<usize> = (0..matrix.rows()).step_by(stride).collect();
    let drawn: Vec<f32> = rows
        .iter()
        .flat_map(|&row| matrix.floats(row..row + 1).into_owned())
        .collect();
    let vectors = Array2::from_shape_vec((rows.len(), matrix.width()), drawn)?;
    let points = project(vectors.view(), arguments.projection.into()).context("--map")?;
    // Zero-padded, so that names sort like numbers.
    let digits = numbers
        .iter()
        .max()
        .map_or(1, |most| most.to_string().len());
    let label = |&row: &usize| match numbers[row] {
        0 => "none".to_owned(),
        number => format!("{number:digits$}"),
    };
    let labels: Vec<String> = rows.iter().map(label).collect();
    Ok(write_map(points.view(), &labels, place)?)
}

fn print(arguments: &Arguments, corpus: &EncodedText<'_>, groups: &[Cluster]) -> Result<()> {
    if !arguments.json {
        heading("group\tsize\tcosine\tline\tsentence")?;
    }
    for (k, group) in groups.iter().enumerate() {
        let (line, text) = corpus.texts.of_row(group.representative);
        let (number, size, cosine) = (k + 1, group.rows.len(), group.cosine);
        if arguments.json {
            let lines = group.rows.iter().map(|&row| corpus.texts.of_row(row).0);
            say_json(&JsonGroup {
                group: number,
                size,
                representative: Representative { line, text, cosine },
                lines: lines.collect(),
            })?;
        } else {
            say!("{number}\t{size}\t{cosine:.4}\t{line}\t{text}")?;
        }
    }
    Ok(())
}
