//! Folders of models, checkpoints and training runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gensen_encode::model_folder::{MAP_FILE, ModelFolder, WEIGHTS_FILE};
use gensen_expand::LinearMap;
use serde_json::{Value, json};

use super::super::encoding::run_hint;
use super::{Shown, tables, tensors};

pub(super) fn model_folder(path: &Path) -> Result<Shown> {
    model(&ModelFolder::open(path)?, Some(path.join(MAP_FILE)))
}

/// A model, and its vocabulary map if it has one.
pub(super) fn model(model: &ModelFolder, map: Option<PathBuf>) -> Result<Shown> {
    let (config, weights) = (model.config(), model.weights());
    let architecture = &config.architecture;
    let mut lines = vec![
        format!("model folder, format version {}", config.format_version),
        format!("words          {}", architecture.vocabulary_size),
        format!("embedding size {}", architecture.embedding_size),
        format!("hidden size    {}", architecture.hidden_size),
        format!("layers         {}", architecture.layers),
        format!("bidirectional  {}", architecture.bidirectional),
        format!("precision      {}", weights.precision()),
        format!("pooling        {}", config.pooling),
        format!("tokenizer      {}", config.tokenizer),
        format!("lowercase      {}", config.lowercase),
        format!("unknown words  {}", config.unknown_words),
    ];
    let provenance = &config.provenance;
    if !provenance.name.is_empty() {
        lines.push(format!("name           {}", provenance.name));
    }
    if let Some(steps) = provenance.steps {
        lines.push(format!("steps          {steps}"));
    }
    // Usually all data share one licence, or one list of licences.
    let mut licences: Vec<&str> = provenance.data.iter().map(|s| s.licence.as_str()).collect();
    licences.dedup();
    for source in &provenance.data {
        let (task, name, licence) = (&source.task, &source.name, &source.licence);
        lines.push(match licences[..] {
            [_] => format!("trained on     {task}: {name}"),
            _ => format!("trained on     {task}: {name} (licence: {licence})"),
        });
    }
    if let [licence] = licences[..] {
        lines.push(format!("data licence   {licence}"));
    }
    for score in &provenance.scores {
        let (task, metric, value) = (&score.task, &score.metric, score.value);
        lines.push(format!("score          {task}: {metric} = {value:.4}"));
    }
    if !provenance.description.is_empty() {
        lines.push(provenance.description.clone());
    }
    let mut facts = json!(config);
    facts["precision"] = json!(weights.precision().to_string());
    if let Some(map) = map.filter(|map| map.is_file()) {
        let report = LinearMap::load(&map)?.report().to_string();
        lines.push(format!("vocabulary map:\n{report}"));
        facts["vocabulary_map"] = json!(report);
    }
    Ok(Shown::new("model folder", lines, facts))
}

/// A training run's checkpoint: its step and weights.
pub(super) fn checkpoint(path: &Path) -> Result<Shown> {
    let mut shown = tensors(&path.join(WEIGHTS_FILE))?;
    let manifest = path.join("manifest.json");
    if manifest.is_file() {
        let text = fs::read(&manifest).with_context(|| manifest.display().to_string())?;
        let manifest: Value =
            serde_json::from_slice(&text).with_context(|| manifest.display().to_string())?;
        shown.kind = "checkpoint".to_owned();
        shown
            .lines
            .insert(0, format!("checkpoint of step {}", manifest["step"]));
        shown.facts["manifest"] = manifest;
    }
    Ok(shown)
}

/// A training run: its progress, last metrics and model.
pub(super) fn run(path: &Path) -> Result<Shown> {
    let mut lines = vec![format!("training run {}", path.display())];
    let mut facts = json!({ "path": path });
    for name in ["latest", "best"] {
        let file = path.join(name);
        if file.is_file() {
            let step = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            lines.push(format!("{name:<7}step {}", step.trim()));
            facts[name] = json!(step.trim().parse::<u64>().ok());
        }
    }
    let metrics = path.join("metrics.jsonl");
    if metrics.is_file() {
        let metrics = tables::json_lines(&metrics)?;
        lines.extend(metrics.lines);
        facts["metrics"] = metrics.facts;
    }
    lines.extend(run_hint(path));
    Ok(Shown::new("training run", lines, facts))
}
