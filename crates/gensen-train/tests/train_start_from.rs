//! A run that starts from a trained model.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gensen_expand::{
    EmbeddingTable, FitOptions, ReadOptions, VocabularyMap, WordSelection, WordVectors,
};
use gensen_model::model_folder::ModelFolder;
use ndarray::Array2;
use support::{Run, TINY, write_model};

/// A learning rate too small to change any weight.
const STILL: [&str; 4] = [
    "--set",
    "training.steps=1",
    "--set",
    "training.learning_rate=1e-30",
];

fn starting(config: &str) -> Run {
    let run = Run::new(&config.replace("seed = 3", "seed = 3\nstart_from = \"models/english\""));
    write_model(run.home.path());
    run
}

/// The model's words and their vectors.
fn table(model: &ModelFolder) -> (Vec<String>, Array2<f32>) {
    let words = model.vocabulary().words().map(Into::into).collect();
    let embedding = model.weights().embedding();
    let shape = (embedding.shape()[0], embedding.shape()[1]);
    let values = embedding.values().into_owned();
    (words, Array2::from_shape_vec(shape, values).unwrap())
}

#[test]
fn encoder_and_words_are_the_models_and_new_words_follow() {
    let run = starting(TINY);
    run.succeed(&STILL);
    let model = ModelFolder::open(&run.home.path().join("models/english")).unwrap();
    let (own, embedding) = table(&model);
    assert_eq!(own.len(), 64);
    let words = fs::read_to_string(run.folder().join("vocab/source.txt")).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(words.len(), 304);
    assert!(words.iter().zip(&own).all(|(a, b)| a == b));

    let found = run.weights(1);
    for (name, tensor) in model.weights().tensors() {
        if name.starts_with("encoder.") {
            assert_eq!(found[name], *tensor.values(), "{name}");
        }
    }
    let (known, new) = found["src_embedding.weight"].split_at(64 * 16);
    assert_eq!(known, embedding.as_slice().unwrap());
    // As in a run without a model.
    let afresh = Run::new(TINY);
    afresh.succeed(&STILL);
    let initial = &afresh.weights(1)["src_embedding.weight"];
    assert_eq!(initial.len(), 304 * 16);
    assert_eq!(new, &initial[64 * 16..]);
}

#[test]
fn new_words_come_through_the_linear_map_where_there_are_vectors() {
    let config = TINY.replace(
        "source_words = 300",
        "source_words = 300\nword_vectors = \"vectors.txt\"",
    );
    let run = starting(&config);
    let afresh = Run::new(TINY);
    afresh.succeed(&STILL);
    // Vectors of every other word of the corpora.
    let words = fs::read_to_string(afresh.folder().join("vocab/source.txt")).unwrap();
    let row = |(k, word): (usize, &str)| {
        let x = |m: usize| ((k * m) % 17) as f32 / 17.0 - 0.5;
        format!("{word} {} {} {}\n", x(3), x(5), x(11))
    };
    let rows = words.lines().enumerate().skip(4).step_by(2).map(row);
    let path = run.home.path().join("vectors.txt");
    fs::write(&path, rows.collect::<String>()).unwrap();
    run.succeed(&STILL);

    let model = ModelFolder::open(&run.home.path().join("models/english")).unwrap();
    let (own, embedding) = table(&model);
    let own_table = EmbeddingTable::new(&own, embedding.view()).unwrap();
    let vectors = WordVectors::read(&path, &WordSelection::all(), &ReadOptions::default()).unwrap();
    let map = VocabularyMap::fit_tables(&own_table, &vectors, &FitOptions::default()).unwrap();
    let words = fs::read_to_string(run.folder().join("vocab/source.txt")).unwrap();
    let expansion = map.expand_table(&own_table, words.lines().skip(4)).unwrap();
    let found = &run.weights(1)["src_embedding.weight"];
    let initial = &afresh.weights(1)["src_embedding.weight"];
    let (mut mapped, mut drawn) = (0, 0);
    for (id, word) in words.lines().enumerate().skip(64) {
        let row = &found[id * 16..][..16];
        if vectors.position(word).is_some() {
            mapped += 1;
            let expected = expansion.embedding.row(id);
            for (found, expected) in row.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{word}: {found} {expected}"
                );
            }
        } else {
            drawn += 1;
            assert_eq!(row, &initial[id * 16..][..16], "{word}");
        }
    }
    assert!(mapped > 80 && drawn > 80, "{mapped} {drawn}");
}

#[test]
fn another_architecture_is_refused_with_both() {
    let run = starting(TINY);
    for (key, now, of_model) in [
        ("embedding_size", "20", "16"),
        ("hidden_size", "64", "32"),
        ("layers", "2", "1"),
        ("bidirectional", "false", "true"),
    ] {
        let output = run.train(&["--set", &format!("model.{key}={now}")]);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{log}");
        let expected = format!("model.{key} is {now}, and {of_model} in the model");
        assert!(log.contains(&expected), "{log}");
        assert!(log.contains("models/english"), "{log}");
    }
    let output = run.train(&["--set", "run.start_from=nowhere"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && log.contains("nowhere"), "{log}");
    assert!(!run.folder().join("checkpoints").exists());
}

#[test]
fn a_run_does_not_go_on_with_another_start() {
    let run = starting(TINY);
    run.succeed(&STILL);
    let output = run.train(&["--set", "run.start_from=elsewhere"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{log}");
}

/// Runs the example under this heading of docs/training.md on small data, with reduced sizes and steps.
#[track_caller]
fn run_example(heading: &str, data: &str, set: &[&str], write: impl Fn(&Path)) {
    let text = include_str!("../../../docs/training.md");
    let section = text.split(heading).nth(1).unwrap();
    let example = section.split("```toml\n").nth(1).unwrap();
    let run = Run::new(example.split("```").next().unwrap());
    let folder = run.home.path().join(data);
    fs::create_dir_all(&folder).unwrap();
    write(&folder);
    let small = [
        "model.embedding_size=16",
        "model.hidden_size=32",
        "vocabulary.tokenizer=whitespace",
        "training.steps=10",
        "training.batch_size=8",
        "management.validate_every=5",
    ];
    let options = small.iter().chain(set).flat_map(|set| ["--set", set]);
    let output = run.succeed(&options.collect::<Vec<_>>());
    assert!(output.contains("finished 10 steps"), "{output}");
    assert!(run.folder().join("model/model.safetensors").is_file());
}

fn sample(name: &str) -> String {
    gensen_data::sample::text(name).unwrap()
}

/// Sentences of the sample, with arbitrary scores.
fn write_similarity(folder: &Path) {
    let row = |(k, line): (usize, &str)| format!("{}\t{line}", k % 6);
    let pairs = sample("validation.en-fr.tsv");
    let rows: Vec<String> = pairs.lines().take(90).enumerate().map(row).collect();
    fs::write(folder.join("similarity.tsv"), rows.join("\n")).unwrap();
}

/// A vector of this many numbers for each word.
fn write_vectors<'w>(folder: &Path, words: impl Iterator<Item = &'w str>, dimensions: usize) {
    let row = |(k, word): (usize, &str)| {
        let numbers = (0..dimensions).map(|d| (k * (d + 3) % (d + 5)).to_string());
        format!("{word} {}\n", numbers.collect::<Vec<_>>().join(" "))
    };
    let rows: String = words.enumerate().map(row).collect();
    fs::write(folder.join("glove.txt"), rows).unwrap();
}

#[test]
fn the_documented_distillation_runs() {
    run_example("### Distil a teacher", "data/student", &[], |folder| {
        write_similarity(folder);
        let stories = sample("validation.stories.txt");
        let sentences: Vec<&str> = stories.lines().filter(|line| !line.is_empty()).collect();
        fs::write(folder.join("sentences.txt"), sentences.join("\n")).unwrap();
        let number = |(row, column)| ((row + 1) as f32 * (column + 2) as f32).sin();
        let teacher = Array2::from_shape_fn((sentences.len(), 6), number);
        ndarray_npy::write_npy(folder.join("sentences.npy"), &teacher).unwrap();
        let words: BTreeSet<&str> = stories.split_whitespace().collect();
        write_vectors(folder, words.into_iter(), 16);
    });
}

#[test]
fn the_documented_mix_of_tasks_runs() {
    let set = ["model.target_embedding_size=16"];
    run_example("### Several tasks", "data/mix", &set, |folder| {
        let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        write("stories.txt", sample("validation.stories.txt"));
        write("en-fr.tsv", sample("validation.en-fr.tsv"));
        write("pairs.tsv", sample("validation.en-fr.tsv"));
        write("nli.tsv", sample("validation.nli.tsv"));
    });
}

#[test]
fn the_documented_adaptation_to_a_domain_runs() {
    let set = ["model.target_embedding_size=16"];
    run_example("### Adapt a model", ".", &set, |home| {
        write_model(home);
        write_similarity(home);
        fs::write(home.join("reports.txt"), sample("train.stories.txt")).unwrap();
        let vocabulary = fs::read_to_string(home.join("models/english/vocab.txt")).unwrap();
        write_vectors(home, vocabulary.lines().skip(4), 2);
    });
}
