//! A stopped and resumed run produces the same bytes as an uninterrupted one.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::kinds::{self, KINDS};
use support::{Run, TINY, copy, with_scored_pairs, write_model, write_scored_pairs};

/// A run to interrupt; the name is for messages.
struct Case {
    name: &'static str,
    config: String,
    threads: &'static str,
    /// Writes its inputs into its folder.
    inputs: fn(&Path),
    /// Text expected in the log of an uninterrupted run.
    logged: &'static [&'static str],
}

/// `text` with replacements, each of which must change it.
fn replaced(text: &str, replacements: &[(&str, &str)]) -> String {
    let replace = |text: String, (from, to): &(&str, &str)| {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "`{from}` is not in {text}");
        changed
    };
    replacements.iter().fold(text.to_owned(), replace)
}

/// `config`, of 40 steps, with the other options that training depends on.
fn with_options(config: &str) -> String {
    let options = "steps = 40\nwarmup_steps = 5\nschedule = \"cosine\"\nschedule_steps = 40\n\
                   final_learning_rate = 1e-4\nword_dropout = 0.2\naverage_from = 15\n\
                   exclude_sentences = [\"exclude.txt\"]";
    let best_by = "validate_every = 20\nbest_by = \"scored/spearman\"";
    let config = replaced(
        config,
        &[("steps = 40", options), ("validate_every = 20", best_by)],
    );
    with_scored_pairs(&config)
}

/// Writes the inputs of [`with_options`]: scored pairs, and every tenth sentence of two tasks'
/// training data.
fn write_options(home: &Path) {
    write_scored_pairs(home);
    let sentences = ["train.en-fr.tsv", "train.stories.txt"].map(|name| {
        let text = gensen_data::sample::text(name).unwrap();
        let lines = text.lines().step_by(10);
        let firsts = lines.filter_map(|line| line.split('\t').next());
        firsts.map(|line| format!("{line}\n")).collect::<String>()
    });
    fs::write(home.join("exclude.txt"), sentences.concat()).unwrap();
}

fn cases() -> Vec<Case> {
    let case = |name, config: &str| Case {
        name,
        config: config.to_owned(),
        threads: "2",
        inputs: |_| (),
        logged: &[],
    };
    let kinds = |name, config: &str| Case {
        inputs: kinds::write_inputs,
        ..case(name, config)
    };
    let starts = ("seed = 3", "seed = 3\nstart_from = \"models/english\"");
    let own_steps = [
        starts,
        (
            "name = \"fr-en\"",
            "name = \"fr-en\"\nfrom_step = 7\nbatch_size = 5",
        ),
        (
            "name = \"parsing\"",
            "name = \"parsing\"\nuntil_step = 30\nloss_weight = 0.3",
        ),
        ("name = \"nli\"", "name = \"nli\"\nbatch_words = 90"),
    ];
    let max = [("pooling = \"mean\"", "pooling = \"max\"")];
    let last = [
        starts,
        ("pooling = \"mean\"", "pooling = \"last\""),
        ("word_vectors = \"vectors.txt\"\n", ""),
    ];
    let from_model = |name, config: &str| Case {
        inputs: |home| {
            kinds::write_inputs(home);
            write_options(home);
            write_model(home);
        },
        logged: &[" excluded", "words of ./models/english"],
        ..case(name, &with_options(config))
    };
    vec![
        Case {
            threads: "1",
            ..case("on one thread", TINY)
        },
        case("on two threads", TINY),
        from_model("from a model, with options", &replaced(TINY, &own_steps)),
        kinds("contrast and others by mean", KINDS),
        kinds("contrast and others by max", &replaced(KINDS, &max)),
        from_model(
            "contrast and others by last, from a model, with options",
            &replaced(KINDS, &last),
        ),
    ]
}

#[test]
fn a_run_cut_anywhere_ends_in_the_same_bytes() {
    for case in cases() {
        let whole = cut_anywhere(&case);
        let average = whole.checkpoint(40).join("average.safetensors");
        let averages = case.config.contains("average_from");
        assert_eq!(average.exists(), averages, "{}", case.name);
    }
}

#[test]
fn a_run_in_bf16_cut_anywhere_ends_in_the_same_bytes() {
    if !gensen_model::ops::multiplies_bf16() {
        eprintln!("SKIPPED: the processor does not multiply bf16");
        return;
    }
    let from_model = |case: &Case| case.config.contains("start_from");
    for mut case in cases().into_iter().filter(from_model) {
        let in_bf16 = ("[training]", "[training]\nprecision = \"bf16\"");
        case.config = replaced(&case.config, &[in_bf16]);
        let whole = cut_anywhere(&case);
        // Another number of threads gives the same bytes, too.
        let alone = case.run();
        alone.succeed(&["--threads", "1"]);
        alone.assert_same(&whole, 40, &format!("{}: one thread", case.name));
    }
}

impl Case {
    fn run(&self) -> Run {
        let run = Run::new(&self.config);
        (self.inputs)(run.home.path());
        run
    }
}

/// Trains without interruption, and in two parts; both must produce the same bytes.
fn cut_anywhere(case: &Case) -> Run {
    let threads = ["--threads", case.threads];
    let whole = case.run();
    let output = whole.train(&threads);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {log}", case.name);
    for part in case.logged {
        assert!(log.contains(part), "{}: no `{part}` in {log}", case.name);
    }
    for cut in ["1", "7", "19", "20", "33"] {
        let run = case.run();
        let steps = format!("training.steps={cut}");
        run.succeed(&[&threads[..], &["--set", &steps]].concat());
        // Ignores the final validation and test of the shorter run, which the longer run does not
        // have.
        let text = fs::read_to_string(run.folder().join("metrics.jsonl")).unwrap();
        let last: u64 = cut.parse().unwrap();
        let kept: String = text
            .lines()
            .filter(|line| {
                let metric: serde_json::Value = serde_json::from_str(line).unwrap();
                let ending = metric["step"] == last && metric["split"] == "validation";
                metric["split"] != "test" && (!ending || last.is_multiple_of(20))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(run.folder().join("metrics.jsonl"), kept).unwrap();
        run.succeed(&threads);
        run.assert_same(&whole, 40, &format!("{}, cut at {cut}", case.name));
        // The validation where the shorter run ended may be the best.
        let best = |run: &Run| fs::read_to_string(run.folder().join("best")).unwrap();
        let found = best(&run);
        assert!(
            found == best(&whole) || found.trim() == cut,
            "{}, cut at {cut}: best {found}",
            case.name
        );
    }
    whole
}

/// `GENSEN_KILLS` is the number of kills; four by default.
#[test]
fn a_run_killed_at_random_moments_ends_in_the_same_bytes() {
    let kills: u64 = std::env::var("GENSEN_KILLS").map_or(4, |n| n.parse().unwrap());
    let whole = Run::new(TINY);
    let started = Instant::now();
    whole.succeed(&[]);
    let duration = started.elapsed();
    let run = Run::new(TINY);
    let mut survived = 0;
    for kill in 0..kills {
        let mut child = run.start(&[]);
        // Golden-ratio steps spread the moments over the run.
        let share = (kill as f64 * 0.618_034 + 0.3).fract();
        sleep(duration.mul_f64(share * 0.8));
        if child.try_wait().unwrap().is_some() {
            survived += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if survived > 0 {
            // The run has finished: starts afresh, so that every kill hits a run in progress.
            fs::remove_dir_all(run.folder()).unwrap();
            survived = 0;
        }
    }
    run.succeed(&[]);
    run.assert_same(&whole, 40, &format!("after {kills} kills"));
}

#[test]
fn a_damaged_checkpoint_is_reported_and_the_one_before_is_used() {
    let whole = Run::new(TINY);
    whole.succeed(&[]);
    let before = Run::new(TINY);
    before.succeed(&["--set", "training.steps=30"]);
    for file in [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
        "manifest.json",
    ] {
        for damage in ["truncated", "flipped", "missing"] {
            let run = Run::new(TINY);
            copy(&before.folder(), &run.folder());
            let path = run.checkpoint(30).join(file);
            let mut bytes = fs::read(&path).unwrap();
            match damage {
                "truncated" => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                "missing" => fs::remove_file(&path).unwrap(),
                _ => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 4;
                    fs::write(&path, bytes).unwrap();
                }
            }
            let output = run.train(&[]);
            let log = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{damage} {file}: {log}");
            assert!(
                log.contains("step-00000030"),
                "{damage} {file} is not reported: {log}"
            );
            assert!(
                log.contains("step-00000025"),
                "{damage} {file}: resumed elsewhere: {log}"
            );
            run.assert_same(&whole, 40, &format!("{damage} {file}"));
        }
    }
}

#[test]
fn a_signal_writes_a_checkpoint_and_ends_the_run_cleanly() {
    let whole = Run::new(TINY);
    whole.succeed(&[
        "--set",
        "training.steps=400",
        "--set",
        "management.validate_every=400",
    ]);
    for signal in ["INT", "TERM"] {
        let run = Run::new(TINY);
        let options = [
            "--set",
            "training.steps=400",
            "--set",
            "management.validate_every=400",
        ];
        let mut child = run.start(&options);
        let started = Instant::now();
        while !run.checkpoint(10).exists() && started.elapsed() < Duration::from_secs(120) {
            sleep(Duration::from_millis(5));
        }
        let sent = std::process::Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "SIG{signal}");
        run.succeed(&options);
        run.assert_same(&whole, 400, &format!("SIG{signal}"));
    }
}

fn assert_refused(run: &Run, options: &[&str], expected: &str) {
    let output = run.train(options);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{options:?}: {log}");
    assert!(log.contains(expected), "{options:?}: {log}");
}

#[test]
fn another_configuration_is_refused_and_never_overwrites() {
    let run = Run::new(TINY);
    run.succeed(&["--set", "training.steps=5"]);
    let refused = |options: &[&str], expected| assert_refused(&run, options, expected);
    let hidden = "model.hidden_size is 64, and was 32 in the run's own configuration";
    refused(&["--set", "model.hidden_size=64"], hidden);
    refused(&["--set", "run.seed=4"], "run.seed");
    refused(&["--resume", "never"], "holds a run already");
    refused(&["--resume", "nowhere"], "auto, never, or a folder");
    assert!(run.checkpoint(5).join("manifest.json").exists());
    // Refused before any data is prepared.
    let without_data = Run::new(&TINY.replace("sample:train", "absent"));
    assert_refused(
        &without_data,
        &["--resume", "nowhere"],
        "auto, never, or a folder",
    );
    // Another folder has no configuration, but the checkpoint has the seed.
    let path = run.checkpoint(5).display().to_string();
    let other = Run::new(TINY);
    assert_refused(
        &other,
        &["--resume", &path, "--set", "run.seed=4"],
        "run.seed",
    );
}

#[test]
fn what_only_the_export_reads_may_change() {
    let run = Run::new(TINY);
    run.succeed(&["--set", "training.steps=5"]);
    let config = || fs::read_to_string(run.folder().join("model/config.json")).unwrap();
    let spelling = "\"unknown_words\": \"spelling\"";
    assert!(!config().contains(spelling), "{}", config());
    run.succeed(&["--set", "vocabulary.unknown_words=spelling"]);
    assert!(config().contains(spelling), "{}", config());
    assert!(run.checkpoint(40).exists());
}

#[test]
fn what_a_run_has_written_is_not_lost_by_going_back() {
    let run = Run::new(TINY);
    run.succeed(&["--set", "training.steps=10"]);
    let metrics = || fs::read_to_string(run.folder().join("metrics.jsonl")).unwrap();
    let before = metrics();
    let older = run.checkpoint(5).display().to_string();
    assert_refused(&run, &["--resume", &older], "checkpoints up to step 10");
    assert_eq!(metrics(), before);
    let other = Run::new(TINY);
    other.succeed(&["--resume", &older]);

    // A run whose checkpoints are all damaged is not overwritten.
    for step in [5, 10] {
        fs::write(run.checkpoint(step).join("state.json"), "{}").unwrap();
    }
    assert_refused(&run, &[], "none of its checkpoints is whole");
    assert_eq!(metrics(), before);
}

#[test]
fn data_of_other_words_is_refused() {
    let run = Run::new("");
    let data = run.home.path().join("pairs.tsv");
    let row = |k: u32| format!("the {} sleeps\ta {} dreams\tneutral\n", k % 7, k % 5);
    let rows: String = (0..200).map(row).collect();
    fs::write(&data, &rows).unwrap();
    let task = format!(
        "[[task]]\nname = \"nli\"\nkind = \"nli\"\ntokenizer = \"nltk\"\ntrain = {{ path = {:?} }}\n",
        data.display().to_string()
    );
    let rest = TINY.split("[[task]]").next().unwrap();
    fs::write(run.home.path().join("run.toml"), format!("{rest}{task}")).unwrap();
    run.succeed(&["--set", "training.steps=5"]);
    // The model has its tasks' tokeniser.
    let card = fs::read_to_string(run.folder().join("model/config.json")).unwrap();
    assert!(card.contains("\"tokenizer\": \"nltk\""), "{card}");

    let source = run.folder().join("vocab/source.txt");
    let words = fs::read_to_string(&source).unwrap();
    fs::write(&data, rows.replace("sleeps", "zebra")).unwrap();
    let changed = "and was `sleeps`";
    assert_refused(&run, &["--set", "training.steps=9"], changed);
    assert_refused(&run, &["--resume", "never"], "holds a run already");
    assert_eq!(fs::read_to_string(&source).unwrap(), words);
    fs::write(&data, rows).unwrap();
    run.succeed(&["--set", "training.steps=9"]);
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let run = Run::new(TINY);
    let mut first = run.start(&["--set", "training.steps=100000"]);
    let started = Instant::now();
    while !run.checkpoint(5).exists() && started.elapsed() < Duration::from_secs(120) {
        sleep(Duration::from_millis(5));
    }
    let options = ["--set", "training.steps=100000"];
    assert_refused(&run, &options, "another process is training in it");
    first.kill().unwrap();
    first.wait().unwrap();
    run.succeed(&["--set", "training.steps=10"]);
}

#[test]
fn the_best_checkpoint_is_found_again_after_a_crash_between_it_and_its_name() {
    let run = Run::new(TINY);
    run.succeed(&["--set", "training.steps=10"]);
    let best = run.folder().join("best");
    assert_eq!(fs::read_to_string(&best).unwrap().trim(), "10");
    fs::remove_file(&best).unwrap();
    // A high learning rate makes validation worse from here on.
    let worse = "training.learning_rate=10";
    run.succeed(&["--set", "training.steps=15", "--set", worse]);
    assert_eq!(fs::read_to_string(&best).unwrap().trim(), "10");
}
