//! Early stopping.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use support::{Run, TINY};

/// A learning rate so high that the first validation is the best.
const WORSE: [&str; 8] = [
    "--set",
    "training.learning_rate=1",
    "--set",
    "management.validate_every=2",
    "--set",
    "management.early_stopping_patience=5",
    "--set",
    "training.batch_size=4",
];

#[test]
fn a_run_that_no_longer_improves_stops() {
    let run = Run::new(TINY);
    let printed = run.succeed(&WORSE);
    // Patience ends at step 5; the next validation is at step 6.
    assert!(printed.contains("stopped at step 6"), "{printed}");
    assert!(run.checkpoint(6).join("manifest.json").exists());
    let steps = |run: &Run, split: &str| -> Vec<u64> {
        let metrics = run.metrics();
        let of_split = metrics.iter().filter(|metric| metric["split"] == split);
        let mut steps: Vec<u64> = of_split.map(|m| m["step"].as_u64().unwrap()).collect();
        steps.dedup();
        steps
    };
    assert_eq!(steps(&run, "validation"), [0, 2, 4, 6]);
    // The best was before the first step.
    assert_eq!(steps(&run, "test"), [0]);

    // The same command again has nothing left to do.
    let before = run.metrics();
    let printed = run.succeed(&WORSE);
    assert!(printed.contains("stopped at step 6"), "{printed}");
    assert_eq!(run.metrics(), before);
    assert!(!run.checkpoint(7).exists());

    // With more patience the run continues.
    let mut patient = WORSE;
    patient[5] = "management.early_stopping_patience=9";
    let printed = run.succeed(&patient);
    assert!(printed.contains("stopped at step 10"), "{printed}");
}

#[test]
fn what_is_tested_is_what_is_exported() {
    let run = Run::new(TINY);
    run.succeed(&["--set", "training.steps=20"]);
    // A high learning rate makes validation worse from here on.
    let printed = run.succeed(&[
        "--set",
        "training.steps=40",
        "--set",
        "training.learning_rate=1",
    ]);
    assert!(
        printed.contains("test of nli (step 20): loss "),
        "{printed}"
    );
    let card = std::fs::read_to_string(run.folder().join("model/config.json")).unwrap();
    assert!(card.contains("nli (test)"), "{card}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_model_is_exported_though_nothing_can_be_printed() {
    let run = Run::new(TINY);
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = run.command(&["--set", "training.steps=5"]);
    let output = command.stdout(full.unwrap()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(
        log.contains("standard output") && !log.contains("panicked"),
        "{log}"
    );
    assert!(run.folder().join("model/model.safetensors").exists());
}

#[test]
fn a_run_that_improves_does_not_stop() {
    let run = Run::new(TINY);
    let printed = run.succeed(&[
        "--set",
        "management.validate_every=10",
        "--set",
        "management.early_stopping_patience=10",
    ]);
    assert!(printed.contains("finished 40 steps"), "{printed}");
}
