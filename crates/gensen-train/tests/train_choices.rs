//! Options of a configuration: schedules, tasks' own steps and batches, word dropout, purging,
//! choosing the best checkpoint, and `check`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use gensen_data::digest::sha256_of_file;
use gensen_data::similarity::{cosine, pearson, spearman};
use gensen_model::model_folder::{ModelFolder, RunDigests};
use gensen_model::{EncodeOptions, SentenceEncoder};
use serde_json::Value;
use support::{Run, TINY, tensors, with_scored_pairs, write_scored_pairs};

fn of<'a>(metrics: &'a [Value], split: &str, task: &str) -> Vec<&'a Value> {
    let wanted = |m: &&Value| m["split"] == split && m["task"] == task;
    metrics.iter().filter(wanted).collect()
}

#[test]
fn the_exported_model_is_the_best_by_the_measure_named() {
    let config = with_scored_pairs(TINY).replace("validate_every = 20", "validate_every = 4");
    for measure in ["scored/pearson", "scored/spearman"] {
        let run = Run::new(&config);
        let pairs = write_scored_pairs(run.home.path());
        let best_by = format!("management.best_by=\"{measure}\"");
        let output = run.succeed(&["--set", &best_by, "--set", "management.keep_checkpoints=20"]);
        assert!(output.contains("Pearson"), "{output}");
        let metrics = run.metrics();
        let measured = of(&metrics, "validation", "scored");
        assert_eq!(measured.len(), 11, "{measured:?}");
        let key = measure.split('/').next_back().unwrap();
        let value = |m: &Value| m[key].as_f64().unwrap();
        // On ties, the earliest step, including step 0.
        let better = |a: &&Value, b: &&Value| value(a).total_cmp(&value(b));
        let best = *measured.iter().rev().max_by(|a, b| better(a, b)).unwrap();
        let named = fs::read_to_string(run.folder().join("best")).unwrap();
        assert_eq!(named.trim(), best["step"].to_string());
        let exported = format!("(step {})", best["step"]);
        assert!(output.contains(&exported), "{output}");
        // Repeats the measurement with the exported model.
        let encoder = SentenceEncoder::load(run.folder().join("model")).unwrap();
        let encode = |which: fn(&(f64, String, String)) -> &String| {
            let sentences: Vec<&String> = pairs.iter().map(which).collect();
            encoder
                .encode(&sentences, &EncodeOptions::default())
                .unwrap()
        };
        let (a, b) = (encode(|p| &p.1), encode(|p| &p.2));
        let cosines = a.rows().into_iter().zip(b.rows());
        let cosines: Vec<f64> = cosines
            .map(|(a, b)| cosine(a.as_slice().unwrap(), b.as_slice().unwrap()))
            .collect();
        let scores: Vec<f64> = pairs.iter().map(|p| p.0).collect();
        for (key, expected) in [
            ("pearson", pearson(&cosines, &scores)),
            ("spearman", spearman(&cosines, &scores)),
        ] {
            let (found, expected) = (best[key].as_f64().unwrap(), expected.unwrap());
            assert!(
                (found - expected).abs() < 1e-5,
                "{key}: expected {expected}, found {found}"
            );
        }
    }
}

#[test]
fn the_untrained_model_is_exported_where_training_made_it_worse() {
    for average in [&[][..], &["--set", "training.average_from=2"]] {
        let run = Run::new(TINY);
        let set = [
            "--set",
            "training.learning_rate=100",
            "--set",
            "training.steps=8",
        ];
        let output = run.train(&[&set, average].concat());
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains("step 0 (exported)"), "{printed}");
        assert!(log.contains("before the first step"), "{log}");
        let best = fs::read_to_string(run.folder().join("best")).unwrap();
        assert_eq!(best.trim(), "0");
        let first = tensors(&run.checkpoint(0).join("model.safetensors"));
        for (name, numbers) in tensors(&run.folder().join("model/model.safetensors")) {
            assert_eq!(numbers, first[&name], "{name}");
        }
    }
}

#[test]
fn another_measure_chooses_anew() {
    let run = Run::new(&with_scored_pairs(TINY));
    write_scored_pairs(run.home.path());
    run.succeed(&["--set", "training.steps=20"]);
    let output = run.train(&["--set", "management.best_by=nli/accuracy"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("management.best_by has changed"), "{log}");
    let best = fs::read_to_string(run.folder().join("best")).unwrap();
    assert_eq!(best.trim(), "40", "the only validation since");
}

#[test]
fn a_schedule_and_own_steps_are_seen_in_the_metrics() {
    let config = TINY
        .replace(
            "steps = 40",
            "steps = 40\nwarmup_steps = 10\nschedule = \"linear\"",
        )
        .replace("monitor_every = 6", "monitor_every = 5")
        .replace("name = \"parsing\"", "name = \"parsing\"\nuntil_step = 10")
        .replace(
            "name = \"fr-en\"",
            "name = \"fr-en\"\nfrom_step = 10\nbatch_size = 3",
        )
        .replace("name = \"nli\"", "name = \"nli\"\nloss_weight = 0.25");
    let run = Run::new(&config);
    run.succeed(&[]);
    let metrics = run.metrics();
    for metric in metrics.iter().filter(|m| m["split"] == "train") {
        let step = metric["step"].as_f64().unwrap();
        let expected = match step {
            ..=10.0 => 2e-3 * step / 10.0,
            // The schedule counts completed steps.
            _ => 2e-3 * (1.0 - (step - 1.0 - 10.0) / 30.0),
        };
        let found = metric["learning_rate"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{metric}");
    }
    let steps = |task: &str| -> Vec<u64> {
        let train = of(&metrics, "train", task);
        train.iter().map(|m| m["step"].as_u64().unwrap()).collect()
    };
    assert!(steps("parsing").iter().all(|&step| step <= 10));
    assert!(!steps("parsing").is_empty());
    assert!(steps("fr-en").iter().all(|&step| step > 10));
    assert!(!steps("fr-en").is_empty());
}

#[test]
fn a_loss_weight_weighs_gradients_and_not_the_loss_that_is_told() {
    let only_nli = TINY.split("[[task]]").next().unwrap().to_owned()
        + "[[task]]\nname = \"nli\"\nkind = \"nli\"\n"
        + "train = { path = \"sample:train.nli.tsv\", limit = 500 }\n";
    let first = |weight: &str| {
        let run = Run::new(&format!("{only_nli}{weight}"));
        run.succeed(&[
            "--set",
            "training.steps=1",
            "--set",
            "management.monitor_every=1",
        ]);
        let metrics = run.metrics();
        let metric = of(&metrics, "train", "nli")[0].clone();
        (
            metric["loss"].as_f64().unwrap(),
            metric["gradient_norm"].as_f64().unwrap(),
        )
    };
    let (loss, norm) = first("");
    let (weighted_loss, weighted_norm) = first("loss_weight = 0.25\n");
    assert_eq!(loss, weighted_loss);
    assert!(
        (weighted_norm - norm / 4.0).abs() < 1e-6 * norm,
        "{norm} {weighted_norm}"
    );
}

#[test]
fn the_exported_model_tells_its_run() {
    let run = Run::new(TINY);
    run.succeed(&[]);
    let model = ModelFolder::open(&run.folder().join("model")).unwrap();
    let provenance = &model.config().provenance;
    let digest = |path: &Path| sha256_of_file(path).unwrap().0;
    let step = provenance.steps.unwrap();
    let expected = RunDigests {
        configuration: digest(&run.folder().join("config.toml")),
        checkpoint: digest(&run.checkpoint(step).join("manifest.json")),
    };
    assert_eq!(provenance.run, Some(expected));
}

#[test]
fn the_mean_of_the_last_weights_is_validated_and_exported() {
    let config = TINY
        .replace("steps = 40", "steps = 20\naverage_from = 12")
        .replace("checkpoint_every = 5", "checkpoint_every = 1")
        .replace("keep_checkpoints = 3", "keep_checkpoints = 20");
    let run = Run::new(&config);
    run.succeed(&[]);
    let average = |step| run.checkpoint(step).join("average.safetensors");
    assert!(!average(12).exists());
    for last in [13, 16, 20] {
        let steps = 13..=last;
        let count = steps.clone().count() as f64;
        let mut sums: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for step in steps {
            let weights = tensors(&run.checkpoint(step).join("model.safetensors"));
            for (name, numbers) in weights {
                let sum = sums.entry(name).or_insert_with(|| vec![0.0; numbers.len()]);
                sum.iter_mut()
                    .zip(numbers)
                    .for_each(|(s, x)| *s += f64::from(x));
            }
        }
        let found = tensors(&average(last));
        assert!(found.keys().eq(sums.keys()));
        for (name, sum) in &sums {
            for (found, sum) in found[name].iter().zip(sum) {
                let off = (f64::from(*found) - sum / count).abs();
                assert!(off < 1e-6, "{name} at {last}: {off}");
            }
        }
    }
    let exported = tensors(&run.folder().join("model/model.safetensors"));
    let (mean, last) = (
        tensors(&average(20)),
        tensors(&run.checkpoint(20).join("model.safetensors")),
    );
    for (name, numbers) in &exported {
        assert_eq!(numbers, &mean[name], "{name}");
    }
    assert_ne!(
        exported["src_embedding.weight"],
        last["src_embedding.weight"]
    );
    // Validation reports the loss of the mean.
    let without = Run::new(&config.replace("average_from = 12", ""));
    without.succeed(&[]);
    let loss = |run: &Run| {
        let metrics = run.metrics();
        let validated = of(&metrics, "validation", "fr-en");
        let last = validated.iter().find(|m| m["step"] == 20).unwrap();
        last["loss"].as_f64().unwrap()
    };
    assert_ne!(loss(&run), loss(&without));
    let weights = |run: &Run| fs::read(run.checkpoint(20).join("model.safetensors")).unwrap();
    assert!(
        weights(&run) == weights(&without),
        "training does not see the mean"
    );
}

#[test]
fn sentences_that_are_measured_on_are_not_trained_on() {
    let run = Run::new(&TINY.replace(
        "nli_every = 4",
        "nli_every = 4\nexclude_sentences = [\"test.tsv\"]",
    ));
    let path = run.home.path().join("test.tsv");
    // Every tenth source sentence, with other case and punctuation.
    let pairs = gensen_data::sample::text("train.en-fr.tsv").unwrap();
    let source = |line: &str| line.split('\t').next().unwrap().to_uppercase();
    let lines: Vec<String> = pairs.lines().take(2000).step_by(10).map(source).collect();
    fs::write(&path, lines.join(" !\n")).unwrap();
    let output = run.train(&["--set", "training.steps=1"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let line = log.lines().find(|line| line.contains("fr-en train"));
    assert!(line.unwrap().contains(" excluded"), "{log}");
    let line = log.lines().find(|line| line.contains("fr-en validation"));
    assert!(!line.unwrap().contains(" excluded"), "{log}");
    // With other excluded sentences the data changes, and the run does not resume.
    fs::write(&path, "no sentence of the corpora at all\n").unwrap();
    let shards = || fs::read_dir(run.folder().join("shards")).unwrap().flatten();
    let prepared = || {
        shards()
            .filter(|e| !e.file_name().to_string_lossy().starts_with('.'))
            .count()
    };
    let before = prepared();
    run.train(&["--set", "training.steps=2"]);
    assert_eq!(
        prepared(),
        before + 1,
        "shards are kept by the contents of the files"
    );
    let missing = run.train(&["--set", "training.exclude_sentences=[\"absent.txt\"]"]);
    let log = String::from_utf8_lossy(&missing.stderr);
    assert!(
        !missing.status.success() && log.contains("absent.txt"),
        "{log}"
    );
}

#[test]
fn a_check_says_what_a_run_would_take_and_writes_nothing() {
    let run = Run::new(&with_scored_pairs(TINY));
    write_scored_pairs(run.home.path());
    let files = || {
        let entries = fs::read_dir(run.home.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    let scratch = tempfile::tempdir().unwrap();
    let check = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gensen-train"));
        command
            .current_dir(run.home.path())
            .env_remove("RUST_LOG")
            .env("TMPDIR", scratch.path());
        command
            .args(["check", "run.toml"])
            .args(options)
            .output()
            .unwrap()
    };
    let output = check(&["--device", "cpu,cpu"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "fr-en train: sample:train.en-fr.tsv: ",
        "source vocabulary: 304 words",
        "parameters: ",
        "src_embedding 4864",
        " MB for weights",
        "nli: 10 steps of 32 sentences, 0.16 passes over 2000 examples",
        // Before the first step, at 20 and at 40.
        "validation: 3 times, ",
        " for all steps and validations",
    ] {
        assert!(text.contains(expected), "`{expected}` is not in: {text}");
    }
    assert_eq!(files(), before);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    let output = check(&["--set", "training.steps=0"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn word_dropout_changes_training_and_not_validation() {
    let metrics = |rate: &str| {
        let run = Run::new(TINY);
        run.succeed(&["--set", "training.steps=6", "--set", rate]);
        run.metrics()
    };
    let (without, with) = (
        metrics("training.word_dropout=0"),
        metrics("training.word_dropout=0.5"),
    );
    let first = |metrics: &[Value], split: &str| {
        let wanted = |m: &&Value| m["split"] == split && m["task"] == "fr-en";
        metrics.iter().find(wanted).unwrap()["loss"]
            .as_f64()
            .unwrap()
    };
    assert_eq!(first(&without, "validation"), first(&with, "validation"));
    assert_ne!(first(&without, "train"), first(&with, "train"));
}

#[test]
fn a_check_refuses_and_counts_what_a_run_does() {
    let config = "[model]\nembedding_size = 3\nhidden_size = 8\ninference_hidden_size = 4\n\
                  [vocabulary]\nsource_words = 9\nword_vectors = \"v.txt\"\n\
                  [training]\nsteps = 4\nbatch_size = 2\n\
                  [[task]]\nname = \"p\"\nkind = \"pairs\"\ntrain = \"p.tsv\"\n";
    let run = Run::new(config);
    let write = |name: &str, text: &str| fs::write(run.home.path().join(name), text).unwrap();
    write("p.tsv", "a b\tb c\nc d\td a\n");
    write("v.txt", "a 1 0 2\nx 0 1 1\ny 2 1 0\n");
    let check = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gensen-train"));
        let command = command.current_dir(run.home.path());
        command
            .args(["check", "run.toml"])
            .args(options)
            .output()
            .unwrap()
    };
    let output = check(&["--device", "cpu"]);
    let (printed, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    // Four special words, four words of the pairs, two more of the vectors.
    assert!(
        printed.contains("source vocabulary: 10 words"),
        "{printed}{log}"
    );
    let output = check(&["--device", "cpu,cpu"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{log}");
    assert!(
        log.contains("task `p` compares each example with its whole batch"),
        "{log}"
    );
}
