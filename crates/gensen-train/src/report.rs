//! The report at the end of a run: results of each task, and nearest neighbours.

use std::fmt::Write;

use gensen_data::batch::{BatchSize, Sentences};
use gensen_data::prepare::PreparedData;
use gensen_data::vocabulary::Vocabulary;
use gensen_model::MultitaskModel;
use gensen_model::dropout::Dropout;

use crate::error::TrainError;
use crate::metrics::{Metric, Split};
use crate::validation::first_sentences;

/// The number of candidates for nearest neighbours.
const CANDIDATES: usize = 500;
/// The number of sentences whose neighbours are shown.
const QUERIES: usize = 4;
const NEIGHBOURS: usize = 3;

/// A table of each task's held-out results at the first, the exported and the last step, and test
/// results.
pub fn table(metrics: &[Metric], exported: u64) -> String {
    let validated = metrics.iter().filter(|m| m.split == Split::Validation);
    let validated: Vec<&Metric> = validated
        .filter(|m| m.loss.or(m.pearson).is_some())
        .collect();
    let mut tasks: Vec<&str> = Vec::new();
    for metric in &validated {
        if !tasks.contains(&metric.task.as_str()) {
            tasks.push(&metric.task);
        }
    }
    let all = || validated.iter().map(|m| m.step);
    let mut steps: Vec<u64> = all().min().into_iter().chain(all().max()).collect();
    steps.extend(all().find(|&step| step == exported));
    steps.sort_unstable();
    steps.dedup();
    let mut text = format!("{:<24}", "held-out");
    // Writing to a string cannot fail.
    for &step in &steps {
        let mark = if step == exported { " (exported)" } else { "" };
        let _ = write!(text, " {:>24}", format!("step {step}{mark}"));
    }
    text.push('\n');
    for task in tasks {
        let _ = write!(text, "{task:<24}");
        for &step in &steps {
            let mut at_step = validated.iter().filter(|m| m.step == step);
            let result = at_step.find(|m| m.task == task).map(|m| result(m));
            let _ = write!(text, " {:>24}", result.unwrap_or_default());
        }
        text.push('\n');
    }
    let tested = metrics.iter().filter(|m| m.split == Split::Test);
    for metric in tested.filter(|m| m.step == exported) {
        let _ = writeln!(
            text,
            "test of {} (step {exported}): {}",
            metric.task,
            result(metric)
        );
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

/// The loss, with perplexity, accuracy or correlation where the task has it.
fn result(metric: &Metric) -> String {
    let quality = match (metric.accuracy, metric.perplexity) {
        (Some(x), _) => format!(", {:.1} % right", 100.0 * x),
        (None, Some(x)) => format!(", ppl {x:.2}"),
        _ => String::new(),
    };
    let loss = metric.loss.map(|x| format!("loss {x:.4}"));
    let pearson = metric.pearson.map(|x| format!("Pearson {:.1}", 100.0 * x));
    loss.or(pearson).unwrap_or_default() + &quality
}

/// A few held-out sentences with their nearest neighbours by cosine.
///
/// # Errors
///
/// Held-out examples that cannot be read.
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
