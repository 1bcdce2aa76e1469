//! Text files: words, JSON, reports, metrics, logs.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use gensen_data::vocabulary::Vocabulary;
use gensen_data::{gzip, text as data_text};
use gensen_eval::read_json;
use serde_json::{Map, Value, json};

use super::Shown;

/// Words and lines shown at most.
const SHOWN: usize = 12;
/// The longest value shown whole, in characters.
const LONGEST: usize = 100;

/// A file of words in id order.
pub(super) fn words(path: &Path) -> Result<Shown> {
    let words = Vocabulary::load(path)?;
    let words: Vec<String> = words.words().map(str::to_owned).collect();
    Ok(vocabulary("vocabulary", &words))
}

pub(super) fn vocabulary(kind: &str, words: &[String]) -> Shown {
    let first: Vec<&str> = words.iter().take(SHOWN).map(String::as_str).collect();
    let lines = vec![
        format!("{kind}, {} words", words.len()),
        format!("first: {}", first.join(" ")),
    ];
    let facts = json!({ "words": words.len(), "first": first });
    Shown::new(kind, lines, facts)
}

/// One JSON value: an evaluation's report as a table, anything else by its keys.
pub(super) fn json(path: &Path) -> Result<Shown> {
    let text = read(path)?;
    let value: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if value.is_array()
        && let Ok(reports) = read_json(path)
        && !reports.is_empty()
    {
        let mut lines = vec![
            "evaluation".to_owned(),
            "task\tencoder\tscore\tmetric".to_owned(),
        ];
        for report in &reports {
            lines.extend(report.results.iter().map(|result| {
                let (scores, encoder) = (&result.scores, &report.embedder.name);
                format!("{}\t{encoder}\t{scores}\t{}", result.task, scores.metric())
            }));
        }
        return Ok(Shown::new("evaluation", lines, json!({ "reports": value })));
    }
    let mut lines = vec!["JSON".to_owned()];
    lines.extend(by_key(&value));
    Ok(Shown::new("JSON", lines, json!({ "value": value })))
}

/// JSON lines: a run's metrics by their last values, anything else by its first line.
pub(super) fn json_lines(path: &Path) -> Result<Shown> {
    let text = read(path)?;
    let mut values = Vec::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let value: Value = serde_json::from_str(line)
            .with_context(|| format!("{}, line {}", path.display(), number + 1))?;
        values.push(value);
    }
    let is_metric = |value: &Value| {
        ["step", "split", "task"]
            .iter()
            .all(|key| !value[key].is_null())
    };
    if !values.is_empty() && values.iter().all(is_metric) {
        return Ok(metrics(&values));
    }
    let mut lines = vec![format!("JSON lines, {}", values.len())];
    lines.extend(values.first().into_iter().flat_map(by_key));
    let facts = json!({ "lines": values.len(), "first": values.first() });
    Ok(Shown::new("JSON lines", lines, facts))
}

/// The last metrics of each task and split.
fn metrics(values: &[Value]) -> Shown {
    let mut last: Vec<&Value> = Vec::new();
    for value in values {
        last.retain(|other| (&other["task"], &other["split"]) != (&value["task"], &value["split"]));
        last.push(value);
    }
    let mut lines = vec![format!(
        "metrics of a training run, {} lines; the last:",
        values.len()
    )];
    for value in &last {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let numbers = [
            "loss",
            "perplexity",
            "accuracy",
            "pearson",
            "spearman",
            "effective_rank",
        ];
        let numbers = numbers.iter().filter_map(|key| {
            let number = value[key].as_f64()?;
            Some(format!("{} {number:.4}", key.replace('_', " ")))
        });
        let numbers: Vec<String> = numbers.collect();
        let (task, split) = (text("task"), text("split"));
        lines.push(format!(
            "{task}\t{split}\tstep {}\t{}",
            value["step"],
            numbers.join(", ")
        ));
    }
    let facts = json!({ "lines": values.len(), "last": last });
    Shown::new("metrics", lines, facts)
}

/// One line per key of an object; one line for anything else.
fn by_key(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let line = |(key, value): (&String, &Value)| format!("{key}\t{}", brief(value));
            fields.iter().map(line).collect()
        }
        other => vec![brief(other)],
    }
}

/// A value on one line; long ones as their type and size.
fn brief(value: &Value) -> String {
    let whole = value.to_string();
    if whole.chars().count() <= LONGEST {
        return whole;
    }
    match value {
        Value::Array(values) if values.iter().all(Value::is_number) => {
            format!("{} numbers", values.len())
        }
        Value::Array(values) => format!("a list of {}", values.len()),
        Value::Object(fields) => {
            format!("an object of {}", keys(fields))
        }
        _ => cut(&whole),
    }
}

/// The beginning of a long line.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// A file's text, decompressed if it is gzip.
fn read(path: &Path) -> Result<String> {
    let context = || path.display().to_string();
    let mut bytes = fs::read(path).with_context(context)?;
    if bytes.starts_with(&gzip::MAGIC) {
        let mut unpacked = Vec::new();
        let read = gzip::unpack(&bytes[..]).read_to_end(&mut unpacked);
        read.with_context(context)?;
        bytes = unpacked;
    }
    let text = str::from_utf8(data_text::bytes_without_mark(&bytes)).with_context(context)?;
    Ok(text.to_owned())
}

/// A Parquet table: rows and columns.
#[cfg(feature = "parquet")]
pub(super) fn parquet(path: &Path) -> Result<Shown> {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};

    let context = || path.display().to_string();
    let file = std::fs::File::open(path).with_context(context)?;
    let reader = SerializedFileReader::new(file).with_context(context)?;
    let metadata = reader.metadata().file_metadata();
    let columns = metadata.schema_descr().columns().iter();
    let columns: Vec<String> = columns
        .map(|column| format!("{}\t{:?}", column.path(), column.physical_type()))
        .collect();
    let mut lines = vec![format!("Parquet table, {} rows", metadata.num_rows())];
    lines.extend(columns.iter().cloned());
    let facts = json!({ "rows": metadata.num_rows(), "columns": columns });
    Ok(Shown::new("Parquet table", lines, facts))
}

fn keys(fields: &Map<String, Value>) -> String {
    let names: Vec<&str> = fields.keys().take(SHOWN).map(String::as_str).collect();
    let more = if fields.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Text: the number of lines, and the first ones.
pub(super) fn text(path: &Path) -> Result<Shown> {
    let text = read(path)?;
    let mut lines = vec![format!("text, {} lines", text.lines().count())];
    lines.extend(text.lines().take(SHOWN).map(cut));
    let facts = json!({ "lines": text.lines().count() });
    Ok(Shown::new("text", lines, facts))
}

/// TensorBoard events: their number, steps and names.
#[cfg(feature = "burn")]
pub(super) fn events(path: &Path) -> Result<Shown> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let found = gensen_train::events::summary(&bytes);
    let mut lines = vec![format!("TensorBoard events, {} scalars", found.scalars)];
    if let Some([first, last]) = found.steps {
        lines.push(format!("steps {first} to {last}"));
    }
    if found.torn_bytes > 0 {
        lines.push(format!(
            "{} bytes at the end are an incomplete record",
            found.torn_bytes
        ));
    }
    lines.extend(found.tags.iter().cloned());
    let facts = json!({
        "scalars": found.scalars, "steps": found.steps, "torn_bytes": found.torn_bytes,
        "tags": found.tags,
    });
    Ok(Shown::new("TensorBoard events", lines, facts))
}

/// A training configuration: its run and tasks.
#[cfg(feature = "burn")]
pub(super) fn configuration(path: &Path) -> Result<Shown> {
    let config = gensen_train::config::Config::load(Some(path), &[])?;
    let line = super::super::config::described(&config);
    let lines = vec![format!("training configuration: {line}")];
    Ok(Shown::new(
        "training configuration",
        lines,
        json!({ "configuration": config }),
    ))
}
