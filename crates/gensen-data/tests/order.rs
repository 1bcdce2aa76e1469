//! The order of batches, and loading them ahead.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gensen_data::batch::{Batch, BatchSize, Seq2SeqBatch};
use gensen_data::dataset::Dataset;
use gensen_data::loader::Loader;
use gensen_data::order::{BatchOrder, OrderOptions};
use gensen_data::prepare::{DataOptions, prepare};
use gensen_data::spec::TaskSpec;

/// Pairs whose source has between 1 and 13 words, and inference pairs.
fn datasets(folder: &Path, examples: usize) -> Vec<Dataset> {
    let rows: String = (0..examples)
        .map(|i| format!("{}\tt{i}\n", format!("s{i} ").repeat(1 + i * 7 % 13)))
        .collect();
    fs::write(folder.join("a.tsv"), rows).unwrap();
    let rows: String = (0..examples)
        .map(|i| format!("{}\th{i}\tneutral\n", "p ".repeat(1 + i % 5)))
        .collect();
    fs::write(folder.join("n.tsv"), rows).unwrap();
    let task = |text: &str| serde_json::from_str::<TaskSpec>(text).unwrap();
    let tasks = [
        task(r#"{"name": "a", "kind": "translation", "train": "a.tsv"}"#),
        task(r#"{"name": "n", "kind": "nli", "train": "n.tsv"}"#),
    ];
    let data = prepare(
        &tasks,
        &DataOptions::default(),
        &folder.join("cache"),
        folder,
        &|_| {},
    )
    .unwrap();
    data.tasks.into_iter().map(|task| task.train).collect()
}

fn order(dataset: &Dataset, seed: u64, task: &str, bucket_batches: u64) -> BatchOrder {
    BatchOrder::new(dataset, 8, seed, task, OrderOptions { bucket_batches })
}

#[test]
fn an_epoch_holds_every_example_once() {
    let folder = tempfile::tempdir().unwrap();
    for dataset in datasets(folder.path(), 1_003) {
        for bucket_batches in [1, 10, 1_000_000] {
            let order = order(&dataset, 1, "a", bucket_batches);
            assert_eq!(order.batches_per_epoch(), 126);
            let mut epochs = Vec::new();
            for epoch in 0..3 {
                let batches: Vec<_> = (0..126).map(|k| order.indices(epoch * 126 + k)).collect();
                assert_eq!(batches.iter().filter(|batch| batch.len() == 8).count(), 125);
                assert_eq!(batches.iter().map(Vec::len).min(), Some(3));
                let all: BTreeSet<u64> = batches.iter().flatten().copied().collect();
                assert!(all.into_iter().eq(0..1_003));
                epochs.push(batches);
            }
            assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
        }
    }
}

#[test]
fn buckets_hold_sentences_of_about_one_length() {
    let folder = tempfile::tempdir().unwrap();
    let datasets = datasets(folder.path(), 1_000);
    let spread = |dataset: &Dataset, bucket_batches| {
        let order = order(dataset, 1, "a", bucket_batches);
        let spread = |k| {
            let lengths: Vec<_> = order
                .indices(k)
                .iter()
                .map(|i| dataset.source_length(*i).unwrap())
                .collect();
            lengths.iter().max().unwrap() - lengths.iter().min().unwrap()
        };
        (0..125).map(spread).sum::<u32>()
    };
    assert!(
        spread(&datasets[0], 25) <= 125,
        "at most about one word a batch"
    );
    assert!(spread(&datasets[0], 1) > 125 * 5, "mixed lengths");
    // Batches are not visited in order of length.
    let order = order(&datasets[0], 1, "a", 125);
    let lengths: Vec<_> = (0..125)
        .map(|k| datasets[0].source_length(order.indices(k)[0]).unwrap())
        .collect();
    let rising = lengths.windows(2).filter(|pair| pair[0] <= pair[1]).count();
    assert!((45..85).contains(&rising), "{rising} of 124 rise");
}

#[test]
fn the_order_is_a_function_of_seed_task_and_position() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = &datasets(folder.path(), 1_000)[0];
    let replay: Vec<_> = {
        let order = order(dataset, 1, "a", 10);
        (0..400).map(|k| order.indices(k)).collect()
    };
    for k in [399, 0, 124, 125, 126, 251] {
        assert_eq!(
            order(dataset, 1, "a", 10).indices(k),
            replay[k as usize],
            "a seek to {k}"
        );
    }
    assert_ne!(order(dataset, 2, "a", 10).indices(0), replay[0]);
    assert_ne!(order(dataset, 1, "b", 10).indices(0), replay[0]);
}

#[test]
fn batches_of_words_are_full_and_hold_every_example_once() {
    let folder = tempfile::tempdir().unwrap();
    for dataset in datasets(folder.path(), 1_003) {
        let words = |batch: &[u64]| -> u64 {
            let Batch::Seq2Seq(Seq2SeqBatch { source, targets }) = (match dataset.batch_of(batch) {
                Ok(Batch::Nli(batch)) => Batch::Seq2Seq(Seq2SeqBatch {
                    source: batch.premises,
                    targets: vec![batch.hypotheses],
                }),
                batch => batch.unwrap(),
            }) else {
                panic!("another kind of batch");
            };
            source.ids.len() as u64 + targets.iter().map(|t| t.ids.len() as u64).sum::<u64>()
        };
        // The longest example has more than 10 words.
        for limit in [10, 100, 1_000_000] {
            let order = BatchOrder::new(
                &dataset,
                BatchSize::Words(limit),
                1,
                "a",
                OrderOptions::default(),
            );
            let batches = order.batches_per_epoch();
            let mut epochs = Vec::new();
            let mut total = 0;
            for epoch in 0..2 {
                let epoch: Vec<_> = (0..batches)
                    .map(|k| order.indices(epoch * batches + k))
                    .collect();
                total = epoch.iter().map(|batch| words(batch)).sum();
                for batch in &epoch {
                    let held = words(batch);
                    assert!(
                        held <= limit || batch.len() == 1,
                        "{held} words in {} examples, {limit} allowed",
                        batch.len()
                    );
                }
                let mut all: Vec<u64> = epoch.iter().flatten().copied().collect();
                all.sort_unstable();
                assert!(all.into_iter().eq(0..1_003));
                epochs.push(epoch);
            }
            assert_ne!(epochs[0], epochs[1]);
            let fewest = total.div_ceil(limit);
            assert!(
                limit == 10 || batches <= fewest + fewest / 5,
                "{batches} batches of {limit}, {fewest} would do"
            );
        }
    }
}

#[test]
fn batches_of_words_are_a_function_of_seed_task_and_position() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = &datasets(folder.path(), 1_000)[0];
    let order = |seed, task| {
        let options = OrderOptions::default();
        BatchOrder::new(dataset, BatchSize::Words(90), seed, task, options)
    };
    let one = order(1, "a");
    let epoch = one.batches_per_epoch();
    let replay: Vec<_> = (0..3 * epoch).map(|k| one.indices(k)).collect();
    for k in [3 * epoch - 1, 0, epoch - 1, epoch, 2 * epoch + 1] {
        let sought = order(1, "a").indices(k);
        assert_eq!(sought, replay[k as usize], "a seek to {k}");
    }
    assert_ne!(order(2, "a").indices(0), replay[0]);
    assert_ne!(order(1, "b").indices(0), replay[0]);
    // Batches of short and long examples alternate, and each epoch groups examples differently.
    let rising = |k: &usize| dataset.words(replay[*k][0]) <= dataset.words(replay[*k + 1][0]);
    let rising = (0..epoch as usize - 1).filter(rising).count() as u64;
    assert!(
        (epoch / 3..epoch * 2 / 3).contains(&rising),
        "{rising} of {epoch} rise"
    );
    let batch_with = |epochs: u64, example: u64| {
        let batches = &replay[(epochs * epoch) as usize..((epochs + 1) * epoch) as usize];
        let found = batches.iter().find(|batch| batch.contains(&example));
        found.unwrap().iter().copied().collect::<BTreeSet<u64>>()
    };
    assert_ne!(batch_with(0, 500), batch_with(1, 500));
}

#[test]
fn held_out_batches_of_words_follow_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = &datasets(folder.path(), 50)[0];
    let (mut next, mut before) = (0, 0);
    for batch in dataset.sequential(BatchSize::Words(40)) {
        let examples = batch.unwrap().len() as u64;
        let words: u64 = (next..next + examples)
            .map(|i| dataset.words(i).unwrap())
            .sum();
        assert!(words <= 40, "{words} words");
        let first = dataset.words(next).unwrap();
        assert!(next == 0 || before + first > 40, "example {next} had room");
        (next, before) = (next + examples, words);
    }
    assert_eq!(next, 50);
    assert_eq!(dataset.words(50), None);
}

fn load(
    datasets: &[Dataset],
    first: u64,
    threads: usize,
    ahead: usize,
    steps: usize,
) -> Vec<(u64, usize, Batch)> {
    let tasks = datasets
        .iter()
        .map(|dataset| (dataset.clone(), order(dataset, 5, "a", 10)))
        .collect();
    let loader = Loader::new(
        tasks,
        |step| ((step % 3 / 2) as usize, step / 2),
        first,
        threads,
        ahead,
    );
    loader
        .take(steps)
        .map(|loaded| (loaded.step, loaded.task, loaded.batch.unwrap()))
        .collect()
}

#[test]
fn any_number_of_threads_loads_the_same_batches_and_seeking_equals_replaying() {
    let folder = tempfile::tempdir().unwrap();
    let datasets = datasets(folder.path(), 1_003);
    let expected = load(&datasets, 0, 1, 1, 600);
    assert!(
        expected
            .iter()
            .enumerate()
            .all(|(i, (step, ..))| *step == i as u64)
    );
    for threads in [1, 2, 8] {
        assert_eq!(
            load(&datasets, 0, threads, 16, 600),
            expected,
            "{threads} threads"
        );
        assert_eq!(
            load(&datasets, 437, threads, 5, 163),
            expected[437..],
            "a seek with {threads} threads"
        );
    }
}

#[test]
fn a_loader_can_be_dropped_at_any_time_and_ends_when_its_schedule_fails() {
    let folder = tempfile::tempdir().unwrap();
    let datasets = datasets(folder.path(), 50);
    for steps in 0..20 {
        load(&datasets, 0, 4, 3, steps);
    }
    let tasks = || vec![(datasets[0].clone(), order(&datasets[0], 5, "a", 10))];
    let missing = Loader::new(tasks(), |step| (usize::from(step >= 10), 0), 0, 2, 4);
    assert_eq!(missing.count(), 10);
}

#[test]
fn missing_examples_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = &datasets(folder.path(), 50)[0];
    let error = dataset.batch_of(&[3, 50]).unwrap_err().to_string();
    assert!(
        error.contains("no example 50") && error.contains("has 50"),
        "{error}"
    );
    assert_eq!(dataset.source_length(50), None);
    assert_eq!(dataset.sequential(8).count(), 7);
}
