//! The end-of-run report: from where to where each task went, and what the vectors are like.

use std::fmt::Write;

use gensen_data::batch::{BatchSize, Sentences};
use gensen_data::prepare::PreparedData;
use gensen_data::vocabulary::Vocabulary;
use gensen_model::MultitaskModel;
use gensen_model::dropout::Dropout;

use crate::error::TrainError;
use crate::metrics::{Metric, Split};
use crate::validation::first_sentences;

/// Sentences among which neighbours are looked for.
const CANDIDATES: usize = 500;
/// Sentences whose neighbours are shown.
const QUERIES: usize = 4;
const NEIGHBOURS: usize = 3;

/// A table of each task's first and last held-out results.
pub fn table(metrics: &[Metric]) -> String {
    let mut tasks: Vec<&str> = Vec::new();
    let measured = |m: &&Metric| m.split == Split::Validation && m.loss.is_some();
    for metric in metrics.iter().filter(measured) {
        if !tasks.contains(&metric.task.as_str()) {
            tasks.push(&metric.task);
        }
    }
    let mut text = format!(
        "{:<24} {:>14} {:>14} {:>12} {:>12}\n",
        "held-out", "loss at start", "loss at end", "at start", "at end"
    );
    for task in tasks {
        let of_task = || metrics.iter().filter(measured).filter(|m| m.task == task);
        let (Some(first), Some(last)) = (of_task().next(), of_task().next_back()) else {
            continue;
        };
        let loss = |m: &Metric| m.loss.map_or_else(String::new, |x| format!("{x:.4}"));
        let quality = |m: &Metric| match (m.accuracy, m.perplexity) {
            (Some(x), _) => format!("{:.1} % right", 100.0 * x),
            (None, Some(x)) => format!("ppl {x:.2}"),
            _ => String::new(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{task:<24} {:>14} {:>14} {:>12} {:>12}",
            loss(first),
            loss(last),
            quality(first),
            quality(last)
        );
    }
    let tested = metrics.iter().filter(|m| m.split == Split::Test);
    let last = tested.clone().map(|m| m.step).next_back();
    for metric in tested.filter(|m| Some(m.step) == last) {
        if let Some(accuracy) = metric.accuracy {
            let _ = writeln!(
                text,
                "test accuracy of {} (step {}): {:.1} %",
                metric.task,
                metric.step,
                100.0 * accuracy
            );
        }
    }
    let ranks: Vec<f64> = metrics.iter().filter_map(|m| m.effective_rank).collect();
    if let (Some(first), Some(last)) = (ranks.first(), ranks.last()) {
        let _ = writeln!(
            text,
            "effective rank of sentence vectors: {first:.1} -> {last:.1}"
        );
    }
    text
}

/// A few held-out sentences, each with the sentences whose vectors point most nearly its way.
pub fn neighbours(
    model: &MultitaskModel,
    data: &PreparedData,
    size: BatchSize,
) -> Result<String, TrainError> {
    let mut text = String::new();
    let Some(held_out) = data.tasks.iter().find_map(|task| task.validation.as_ref()) else {
        return Ok(text);
    };
    let sentences = distinct(&first_sentences(held_out, size, CANDIDATES)?);
    let vectors = model.encode(&sentences, &mut Dropout::off());
    let norms = vectors.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
    let unit = vectors / norms;
    let cosines = unit.clone().matmul(unit.transpose()).into_data();
    let cosines: Vec<f32> = cosines.iter::<f32>().collect();
    let n = sentences.len();
    let words: Vec<String> = sentences
        .iter()
        .map(|sentence| in_words(sentence, &data.source_vocabulary))
        .collect();
    for query in (0..n).step_by(n.div_ceil(QUERIES).max(1)) {
        let row = &cosines[query * n..(query + 1) * n];
        let mut order: Vec<usize> = (0..n).filter(|&k| k != query).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let _ = writeln!(text, "{}", words[query]);
        for &k in order.iter().take(NEIGHBOURS) {
            let _ = writeln!(text, "    {:.3}  {}", row[k], words[k]);
        }
    }
    Ok(text)
}

fn distinct(sentences: &Sentences) -> Sentences {
    let mut seen = std::collections::HashSet::new();
    let mut result = Sentences::default();
    for sentence in sentences
        .iter()
        .filter(|sentence| seen.insert(sentence.to_vec()))
    {
        result.push(sentence);
    }
    result
}

fn in_words(sentence: &[u32], vocabulary: &Vocabulary) -> String {
    let special = [Vocabulary::BOS, Vocabulary::EOS];
    let ids = sentence.iter().filter(|id| !special.contains(id));
    let words: Vec<&str> = ids
        .map(|&id| vocabulary.word(id).unwrap_or("<unk>"))
        .collect();
    words.join(" ")
}
