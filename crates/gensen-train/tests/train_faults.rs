//! Errors of invalid input name file and line or key, and no run starts.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::fs;

use support::Run;

const TRANSLATION: &str = "[[task]]\nname = \"fr-en\"\nkind = \"translation\"\n";
const NLI: &str = "[[task]]\nname = \"nli\"\nkind = \"nli\"\n";
const PARSING: &str = "[[task]]\nname = \"parsing\"\nkind = \"parsing\"\n";

/// Runs with a configuration and files; the message must contain all of `expected`.
#[track_caller]
fn refused(config: &str, files: &[(&str, &[u8])], options: &[&str], expected: &[&str]) {
    let run = Run::new(config);
    for (name, contents) in files {
        fs::write(run.home.path().join(name), contents).unwrap();
    }
    let output = run.train(options);
    let message = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(matches!(code, Some(1 | 2)), "exit code {code:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(
        !run.folder().join("checkpoints").exists(),
        "a run was begun"
    );
    assert!(
        !run.folder().join("metrics.jsonl").exists(),
        "a run was begun"
    );
}

#[test]
fn corpora_are_checked_line_by_line() {
    let pair = format!("{TRANSLATION}train = {{ source = \"a.en\", target = \"a.fr\" }}\n");
    refused(
        &pair,
        &[("a.en", b"a\nb\n"), ("a.fr", b"c\n")],
        &[],
        &["a.en", "a.fr", "2", "1"],
    );
    refused(&pair, &[("a.en", b"a\n")], &[], &["a.fr"]);
    let tsv = format!("{TRANSLATION}train = \"a.tsv\"\n");
    refused(
        &tsv,
        &[("a.tsv", b"a\tb\n\xff\xfe\tc\n")],
        &[],
        &["a.tsv", "line 2", "UTF-8"],
    );
    refused(&tsv, &[("a.tsv", b"")], &[], &["a.tsv", "empty"]);
    refused(
        &tsv,
        &[("a.tsv", b"a\tb\nc d\n")],
        &[],
        &["a.tsv", "line 2", "columns"],
    );
    refused(
        &tsv,
        &[("a.tsv", b"a\0\tb\n")],
        &[],
        &["a.tsv", "line 1", "NUL"],
    );
    let nli = format!("{NLI}train = \"a.tsv\"\n");
    refused(
        &nli,
        &[("a.tsv", b"a\tb\tneutral\na\tb\tmaybe\n")],
        &[],
        &["a.tsv", "line 2", "maybe"],
    );
    let trees = format!("{PARSING}train = \"a.mrg\"\n");
    let unbalanced = b"(S (NP (NN dog)) (VP (VB runs)))\n(S (NP (NN dog)\n";
    refused(&trees, &[("a.mrg", unbalanced)], &[], &["a.mrg", "line"]);
}

#[test]
fn configurations_are_checked_key_by_key() {
    let task = format!("{TRANSLATION}train = \"a.tsv\"\n");
    let with = |text: &str| format!("{text}\n{task}");
    let files: &[(&str, &[u8])] = &[("a.tsv", b"a\tb\n")];
    refused(
        &with("[training]\nbatch_sise = 3"),
        files,
        &[],
        &["run.toml", "batch_sise", "line 2"],
    );
    refused(
        &with("[training]\nbatch_size = -3"),
        files,
        &[],
        &["-3", "line 2"],
    );
    refused(
        &with("[model]\nhidden_size = 33"),
        files,
        &[],
        &["hidden_size = 33", "even"],
    );
    refused(
        &with("[vocabulary]\ntokenizer = \"spacy\""),
        files,
        &[],
        &["tokenizer", "spacy"],
    );
    refused(
        &task,
        files,
        &["--set", "model.layers=none"],
        &["--set model.layers=none"],
    );
    refused(&task, files, &["--device", "abacus"], &["abacus", "cpu"]);
    refused(&task, files, &["--device", "cpu,abacus"], &["`abacus`"]);
    refused(
        &with("[training]\nbatch_size = 8\nbatch_words = 500"),
        files,
        &[],
        &["training.batch_size = 8", "training.batch_words = 500"],
    );
    let refused_here = match gensen_model::ops::multiplies_bf16() {
        true => &["f16"][..],
        false => &["bf16", "f16"],
    };
    for precision in refused_here {
        refused(
            &with(&format!("[training]\nprecision = \"{precision}\"")),
            files,
            &["--device", "cpu"],
            &["training.precision", precision, "the CPU trains in f32"],
        );
    }
    if !cfg!(feature = "cuda") {
        let expected = ["`cuda:1`", "--features cuda"];
        refused(&task, files, &["--device", "cuda:1"], &expected);
    }
    refused(&task, files, &["--config", "nowhere.toml"], &["--config"]);
    refused(
        &task.replace("translation", "parsing?"),
        files,
        &[],
        &["parsing?", "line"],
    );
}

#[test]
fn choices_are_checked_before_any_work() {
    let task = format!("{TRANSLATION}train = \"a.tsv\"\n");
    let with = |text: &str| format!("{text}\n{task}");
    let of_task = |text: &str| format!("{task}{text}\n");
    let pairs = "[[validation]]\nname = \"sts\"\nkind = \"similarity\"\npath = \"sts.tsv\"";
    let best_by = "[management]\nbest_by = \"sts/loss\"";
    let files: &[(&str, &[u8])] = &[("a.tsv", b"a\tb\n"), ("sts.tsv", b"1\ta\tb\n2\tc\n")];
    for (config, expected) in [
        (
            with("[training]\nschedule = \"step\""),
            &["step", "line 2"][..],
        ),
        (
            with("[training]\nfinal_learning_rate = 1e-5"),
            &["training.final_learning_rate", "training.schedule"],
        ),
        (with("[training]\nword_dropout = 1"), &["word_dropout = 1"]),
        (
            with("[training]\nexclude_sentences = [\"absent.tsv\"]"),
            &["absent.tsv"],
        ),
        (
            of_task("until_step = 9"),
            &["after 9 of 100000 steps", "until_step"],
        ),
        (
            of_task("loss_weight = -1"),
            &["loss_weight = -1", "`fr-en`"],
        ),
        (with(pairs), &["sts.tsv, line 2", "2 tab-separated"]),
        (
            with(&pairs.replace("sts.tsv", "absent.tsv")),
            &["absent.tsv"],
        ),
        (
            with(&pairs.replace("\"sts\"", "\"fr-en\"")),
            &["[[validation]]", "fr-en", "taken"],
        ),
        (
            with(&format!("{pairs}\ntokenizer = \"spacy\"")),
            &["`sts`", "spacy"],
        ),
        (
            with(&format!("{best_by}\n{pairs}")),
            &["sts/loss", "sts/pearson, sts/spearman"],
        ),
        (with(best_by), &["sts/loss", "there is none"]),
        (with("[run]\nstart_from = \"absent\""), &["absent"]),
        (
            with("[vocabulary]\nword_vectors = \"glove.txt\""),
            &["vocabulary.word_vectors", "glove.txt", "does not exist"],
        ),
    ] {
        refused(&config, files, &[], expected);
    }
}

#[test]
fn left_out_lines_are_counted_and_long_ones_cut() {
    let config = format!(
        "[model]\nembedding_size = 8\nhidden_size = 8\ntarget_embedding_size = 8\n\
         [training]\nsteps = 2\n{TRANSLATION}train = \"a.tsv\"\n{NLI}train = \"n.tsv\"\n"
    );
    let run = Run::new(&config);
    let long = "word ".repeat(100_000);
    let pairs = format!("a dog\tun chien\n\t\n{long}\tun mot\n\tvide\na cat\tun chat\n");
    fs::write(run.home.path().join("a.tsv"), pairs).unwrap();
    let pairs = "a dog\ta cat\tneutral\na dog\ta cat\t-\n\n";
    fs::write(run.home.path().join("n.tsv"), pairs).unwrap();
    run.succeed(&[]);
    let log = fs::read_to_string(run.folder().join("log.txt")).unwrap();
    for expected in ["5 read, 3 kept, 2 blank", "1 truncated", "1 unlabelled"] {
        assert!(log.contains(expected), "`{expected}` is not in: {log}");
    }
}

#[test]
fn an_exploding_run_stops_and_keeps_its_last_checkpoint() {
    // The first exploding step corrupts the weights; the loss is not finite from the second on.
    // That is detected after the next step has been queued, and before its checkpoint.
    for checkpoint_every in ["1", "5"] {
        let run = Run::new(support::TINY);
        run.succeed(&["--set", "training.steps=5"]);
        let output = run.train(&[
            "--set",
            "training.learning_rate=1e30",
            "--set",
            &format!("management.checkpoint_every={checkpoint_every}"),
        ]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(" of task `skip-thought` is "), "{message}");
        assert!(message.contains(" at step 7;"), "{message}");
        assert!(run.checkpoint(5).join("manifest.json").exists());
        for step in 7..=40 {
            assert!(
                !run.checkpoint(step).exists(),
                "a checkpoint of step {step}"
            );
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_leaves_older_checkpoints_alone() {
    let run = Run::new(support::TINY);
    run.succeed(&["--set", "training.steps=5"]);
    // A file in place of the next checkpoint simulates a full disk; a read-only folder would not
    // stop root.
    fs::write(run.checkpoint(10), "in the way").unwrap();
    let output = run.train(&["--set", "training.steps=10"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("step-00000010"), "{message}");
    assert!(run.checkpoint(5).join("manifest.json").exists());
}

#[test]
fn a_configuration_that_no_run_wrote_is_never_rewritten() {
    let run = Run::new(support::TINY);
    fs::create_dir(run.folder()).unwrap();
    let own = run.folder().join("config.toml");
    let text = format!("# Mine.\n{}", support::TINY);
    fs::write(&own, &text).unwrap();
    for config in ["run/config.toml", "run.toml"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gensen-train"));
        let command = command.current_dir(run.home.path());
        let options = ["--config", config, "--set", "run.folder=run"];
        let output = command.args(options).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("run/config.toml"), "{message}");
        assert_eq!(fs::read_to_string(&own).unwrap(), text);
    }
    assert_eq!(
        fs::read_dir(run.folder()).unwrap().count(),
        1,
        "a run was begun"
    );
    // A file written by a run is replaced.
    fs::remove_file(&own).unwrap();
    run.succeed(&["--set", "training.steps=1"]);
    run.succeed(&["--set", "training.steps=2"]);
    assert!(fs::read_to_string(&own).unwrap().contains("steps = 2"));
}

#[test]
fn sizes_that_cannot_be_allocated_are_refused_with_key_and_bytes() {
    for value in ["9223372036854775806", "20000000"] {
        let set = format!("model.hidden_size={value}");
        let expected = [&set.replace('=', " = ")[..], " bytes ("];
        refused(support::TINY, &[], &["--set", &set], &expected);
    }
    for set in [
        "model.embedding_size=9223372036854775806",
        "model.layers=9223372036854775806",
        "model.target_embedding_size=9223372036854775806",
        "model.inference_hidden_size=9223372036854775806",
    ] {
        let expected = [&set.replace('=', " = ")[..], " bytes ("];
        refused(support::TINY, &[], &["--set", set], &expected);
    }
}

#[test]
fn what_is_missing_or_empty_is_told_before_the_run_folder_is_made() {
    let task = |train: &str| format!("{TRANSLATION}train = {train}\n");
    let nmt = "{ source = \"nmt/fr-en/train.en\", target = \"nmt/fr-en/train.fr\" }";
    for (config, options, expected, code) in [
        (
            task(nmt),
            &["--set", "run.data=data"][..],
            "`cargo xtask fetch-data nmt`",
            1,
        ),
        (
            task("\"absent.tsv\""),
            &[],
            "`fr-en`, train: ./absent.tsv does not exist",
            1,
        ),
        (
            task("\"sample:train.en-fr.tsv\""),
            &["--set", "run.folder="],
            "run.folder=",
            2,
        ),
        (
            task("\"sample:train.en-fr.tsv\""),
            &["--set", "run.folder=\"\""],
            "run.folder = \"\"",
            2,
        ),
    ] {
        let run = Run::new(&config);
        let output = run.train(options);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains(expected), "{message}");
        let files = fs::read_dir(run.home.path()).unwrap();
        assert_eq!(files.count(), 1, "nothing but the configuration: {message}");
    }
}

#[test]
fn a_configuration_that_is_not_there_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gensen-train"));
    let command = command.current_dir(home.path());
    let output = command.args(["--config", "missing.toml"]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("missing.toml"), "{message}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn json_is_told_by_what_is_in_the_file() {
    let run = Run::new("\u{feff}{\"training\": {\"lrate\": 1}}");
    for name in ["X.JSON", "x.toml"] {
        fs::copy(run.home.path().join("run.toml"), run.home.path().join(name)).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gensen-train"));
        let command = command.current_dir(run.home.path());
        let output = command.args(["--config", name]).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("missing field `batch_size`"), "{message}");
    }
}

#[test]
fn stray_names_among_the_checkpoints_stop_no_run() {
    let run = Run::new(support::TINY);
    run.succeed(&["--set", "training.steps=5"]);
    support::copy(&run.checkpoint(5), &run.folder().join("checkpoints/step-5"));
    support::copy(&run.checkpoint(5), &run.folder().join("checkpoints/step-3"));
    fs::write(run.folder().join("checkpoints/step-00000002"), "a file").unwrap();
    fs::write(run.folder().join("checkpoints/.DS_Store"), "").unwrap();
    run.succeed(&[
        "--set",
        "training.steps=20",
        "--set",
        "management.keep_checkpoints=1",
    ]);
    assert!(run.checkpoint(20).join("manifest.json").exists());
    for name in ["step-3", "step-5", "step-00000002"] {
        assert!(
            run.folder().join("checkpoints").join(name).exists(),
            "{name}"
        );
    }
}

#[test]
fn hidden_files_in_the_model_folder_stop_no_export_and_stay() {
    let run = Run::new(support::TINY);
    run.succeed(&["--set", "training.steps=1"]);
    for name in [".DS_Store", "._config.json", ".gitattributes"] {
        fs::write(run.folder().join("model").join(name), name).unwrap();
    }
    let printed = run.succeed(&["--set", "training.steps=2"]);
    assert!(printed.contains("exported model"), "{printed}");
    for name in [".DS_Store", "._config.json", ".gitattributes"] {
        let kept = fs::read_to_string(run.folder().join("model").join(name));
        assert_eq!(kept.unwrap(), name);
    }
    // Other files belong to the user and are kept; results are still printed.
    fs::write(run.folder().join("model/notes.txt"), "").unwrap();
    let output = run.train(&["--set", "training.steps=3"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed.contains("finished 3 steps"), "{printed}");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("notes.txt"), "{message}");
}
