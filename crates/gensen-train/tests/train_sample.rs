//! The sample configuration, with smaller sizes: every task is learnt, and a model is exported.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::collections::HashMap;

use gensen_model::model_folder::ModelFolder;
use support::{Run, TINY};

#[test]
fn every_task_of_the_sample_corpus_is_learnt() {
    let run = Run::new(TINY);
    let printed = run.succeed(&[
        "--set",
        "training.steps=600",
        "--set",
        "training.batch_size=32",
        "--set",
        "training.nli_every=2",
        "--set",
        "training.learning_rate=4e-3",
        "--set",
        "model.hidden_size=64",
        "--set",
        "model.inference_hidden_size=128",
        "--set",
        "management.monitor_every=50",
        "--set",
        "management.validate_every=300",
        "--set",
        "management.checkpoint_every=300",
    ]);
    let model = run.folder().join("model");
    assert!(printed.contains("exported model"), "{printed}");
    assert!(printed.contains("nearest neighbours"), "{printed}");

    let mut perplexities: HashMap<String, Vec<f64>> = HashMap::new();
    let mut accuracy = 0.0;
    let mut ranks = 0;
    for metric in run.metrics() {
        if metric["split"] != "validation" {
            continue;
        }
        let task = metric["task"].as_str().unwrap().to_owned();
        if let Some(perplexity) = metric["perplexity"].as_f64() {
            perplexities.entry(task).or_default().push(perplexity);
        } else if let Some(share) = metric["accuracy"].as_f64() {
            accuracy = share;
        } else {
            ranks += usize::from(metric["effective_rank"].as_f64().unwrap() > 1.0);
        }
    }
    assert_eq!(perplexities.len(), 4, "{perplexities:?}");
    for (task, values) in &perplexities {
        let (first, last) = (values[0], values[values.len() - 1]);
        assert!(
            last < 0.5 * first,
            "perplexity of {task}: {first} at the start, {last} at the end"
        );
    }
    assert!(
        accuracy > 0.4,
        "inference accuracy {accuracy}; chance is 0.33"
    );
    assert_eq!(ranks, 3, "effective ranks reported");

    let folder = ModelFolder::open(&model).unwrap();
    assert_eq!(folder.weights().hidden_size(), 64);
    assert!(folder.vocabulary().id("the").is_some());
    let svg = std::fs::read_to_string(run.folder().join("curves.svg")).unwrap();
    assert!(svg.contains("loss") && svg.trim_end().ends_with("</svg>"));
}
