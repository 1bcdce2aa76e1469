//! Runs of pairs, distillation, classification and next sentences: they learn, export their pooling,
//! and report errors.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::Run;
use support::kinds::{self, KINDS};

/// A run with its inputs beside it.
fn run(config: &str) -> Run {
    let run = Run::new(config);
    kinds::write_inputs(run.home.path());
    run
}

fn last(run: &Run, split: &str, task: &str, field: &str) -> Vec<f64> {
    let metrics = run.metrics();
    let of = metrics
        .iter()
        .filter(|m| m["split"] == split && m["task"] == task);
    of.filter_map(|m| m[field].as_f64()).collect()
}

#[test]
fn every_kind_learns_and_tells_what_makes_sense() {
    let run = run(KINDS);
    let output = run.succeed(&[
        "--set",
        "training.steps=300",
        "--set",
        "management.validate_every=300",
    ]);
    for task in [
        "teacher/cosine",
        "teacher/contrast",
        "teacher/matrix",
        "pairs",
        "next",
        "labels",
    ] {
        let losses = last(&run, "validation", task, "loss");
        assert_eq!(losses.len(), 2, "{task}");
        assert!(losses[1] < 0.9 * losses[0], "{task}: {losses:?}");
        let answers = !task.starts_with("teacher");
        assert_eq!(
            last(&run, "validation", task, "accuracy").len(),
            if answers { 2 } else { 0 },
            "{task}"
        );
        assert!(
            last(&run, "validation", task, "perplexity").is_empty(),
            "{task}"
        );
        assert!(last(&run, "train", task, "perplexity").is_empty(), "{task}");
        assert!(!last(&run, "train", task, "loss").is_empty(), "{task}");
        assert!(output.contains(task), "{task}: {output}");
    }
    let accuracies = last(&run, "validation", "pairs", "accuracy");
    assert!(accuracies[1] > accuracies[0] + 0.1, "{accuracies:?}");
    let model = fs::read_to_string(run.folder().join("model/config.json")).unwrap();
    let model: serde_json::Value = serde_json::from_str(&model).unwrap();
    assert_eq!(model["pooling"], "mean");
    let labels = fs::read_to_string(run.folder().join("vocab/labels.labels.txt")).unwrap();
    assert_eq!(labels, "other\nsame\n");
}

/// The source embedding of a checkpoint by word.
fn embedding(run: &Run, step: u64) -> BTreeMap<String, Vec<f32>> {
    let numbers = &run.weights(step)["src_embedding.weight"];
    let words = fs::read_to_string(run.folder().join("vocab/source.txt")).unwrap();
    let rows = numbers.chunks(numbers.len() / words.lines().count());
    let rows = rows.map(<[f32]>::to_vec);
    words.lines().map(str::to_owned).zip(rows).collect()
}

#[test]
fn frozen_embeddings_are_the_scaled_word_vectors() {
    let run = run(KINDS);
    let options = [
        "training.embedding_learning_rate=0",
        "training.steps=5",
        "vocabulary.word_vectors_deviation=0.5",
        "vocabulary.source_words=3000",
    ];
    let options: Vec<&str> = options
        .iter()
        .flat_map(|option| ["--set", option])
        .collect();
    run.succeed(&options);
    let rows = embedding(&run, 5);
    assert!(rows.contains_key("unheard-of"), "the file's words fill up");
    assert!(
        !rows.contains_key("Capital"),
        "but not in capitals, which no sentence has"
    );
    let known: Vec<&Vec<f32>> = ["the", "dog", "cat", "unheard-of"]
        .iter()
        .map(|&w| &rows[w])
        .collect();
    let raw = |k: usize| (0..16).map(move |i| ((i * 7 + k * 5) % 11) as f32 - 5.0);
    let numbers: Vec<f32> = (0..4).flat_map(raw).collect();
    let mean = numbers.iter().sum::<f32>() / 64.0;
    let deviation = (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 64.0).sqrt();
    for (row, k) in known.iter().zip(0..) {
        for (found, x) in row.iter().zip(raw(k)) {
            assert!((found - x * 0.5 / deviation).abs() < 1e-6, "{found}");
        }
    }
    let other = &rows["<unk>"];
    assert!(
        other.iter().all(|x| x.abs() <= 0.1),
        "drawn, and left alone: {other:?}"
    );
}

#[test]
fn what_cannot_be_trained_is_named() {
    for (options, code, expected) in [
        (
            &["--device", "cpu,cpu"][..],
            1,
            "task `teacher` compares each example with its whole batch",
        ),
        (
            &["--set", "model.embedding_size=24"],
            2,
            "vectors.txt: its vectors have 16 numbers, and model.embedding_size = 24",
        ),
        (
            &["--set", "training.batch_size=1"],
            2,
            "training.batch_size = 1, and task `teacher` compares",
        ),
        (&["--set", "model.hidden_size=14"], 2, "widths"),
        (&["--set", "model.pooling=max-padded"], 2, "pooling"),
        (&["--set", "model.pooling=middle"], 2, "middle"),
        (
            &["--set", "training.embedding_learning_rate=-1"],
            2,
            "training.embedding_learning_rate = -1",
        ),
        (
            &["--set", "vocabulary.word_vectors=none.txt"],
            1,
            "none.txt",
        ),
    ] {
        let run = run(KINDS);
        let output = run.train(options);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains(expected), "{options:?}: {log}");
        assert_eq!(output.status.code(), Some(code), "{options:?}: {log}");
        assert!(!run.folder().join("checkpoints").exists(), "{options:?}");
    }
}

#[test]
fn classification_trains_on_several_devices() {
    let alone = KINDS.find("[[task]]").unwrap();
    let labels = KINDS.find("[[task]]\nname = \"labels\"").unwrap();
    let config = format!("{}{}", &KINDS[..alone], &KINDS[labels..]);
    let one = run(&config);
    one.succeed(&["--set", "training.batch_size=32"]);
    let two = run(&config);
    two.succeed(&["--device", "cpu,cpu"]);
    let (one, two) = (embedding(&one, 40), embedding(&two, 40));
    for (word, row) in &one {
        for (a, b) in row.iter().zip(&two[word]) {
            assert!((a - b).abs() < 2e-5, "{word}: {a} and {b}");
        }
    }
}
