//! `gensen eval` as a user runs it, on made-up tasks in SentEval's layout.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ndarray::Array2;
#[cfg(target_os = "linux")]
use program::says_output_is_full;
use program::{ends_quietly, reference, text};
use serde_json::Value;
use tempfile::TempDir;

/// The header of the table of scores.
const HEADER: &str = "task\tencoder\tscore\tmetric\ttime";

/// A folder with a model and tasks.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let file = |suffix| {
            reference()
                .join("tiny-1layer")
                .join(format!("tiny-1layer{suffix}"))
        };
        let convert = home
            .command(&["convert", "--output", "tiny"])
            .arg("--weights")
            .arg(file(".model"))
            .arg("--vocab")
            .arg(file("_vocab.pkl"))
            .output()
            .unwrap();
        assert!(convert.status.success(), "{}", text(&convert.stderr));

        // Words of the model that the classes have in common, and one for each class.
        let vocabulary = fs::read_to_string(home.path("tiny/vocab.txt")).unwrap();
        let words: Vec<&str> = vocabulary.lines().skip(4).take(40).collect();
        let sentence = |class: usize, i: usize| {
            let [a, b, c] = [7, 11, 13].map(|step| words[6 + (i * step + i / 5) % 30]);
            format!("{a} {} {b} {c}", words[class])
        };
        let sentences =
            |class, count| -> String { (0..count).map(|i| sentence(class, i) + "\n").collect() };
        for (class, name) in ["custrev.neg", "custrev.pos"].into_iter().enumerate() {
            home.write(&format!("data/downstream/CR/{name}"), &sentences(class, 60));
        }
        for (class, name) in ["rt-polarity.neg", "rt-polarity.pos"]
            .into_iter()
            .enumerate()
        {
            home.write(
                &format!("data/downstream/MR/{name}"),
                &sentences(class + 2, 80),
            );
        }
        let questions = |count: usize| -> String {
            let line = |i: usize| {
                let class = ["HUM", "LOC", "NUM"][i % 3];
                format!("{class}:other {}\n", sentence(i % 3, i))
            };
            (0..count).map(line).collect()
        };
        home.write("data/downstream/TREC/train_5500.label", &questions(120));
        home.write("data/downstream/TREC/TREC_10.label", &questions(30));
        for set in ["FNWN", "headlines", "OnWN"] {
            let place = |kind| format!("data/downstream/STS/STS13-en-test/STS.{kind}.{set}.txt");
            let pair = |i| format!("{}\t{}\n", sentence(0, i), sentence(i % 2, i + i % 2));
            home.write(&place("input"), &(0..20).map(pair).collect::<String>());
            let score = |i: usize| ["4.5\n", "1.25\n"][i % 2].to_owned();
            home.write(&place("gs"), &(0..20).map(score).collect::<String>());
        }
        home
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gensen"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn eval(&self, more: &[&str]) -> Output {
        let arguments = ["eval", "--model", "tiny", "--data", "data", "--folds", "4"];
        self.command(&[&arguments[..], more].concat())
            .output()
            .unwrap()
    }

    /// Runs an evaluation that must succeed; returns its lines on standard output below the header.
    #[track_caller]
    fn lines(&self, more: &[&str]) -> Vec<String> {
        let output = self.eval(more);
        assert!(
            output.status.success(),
            "{more:?}: {}",
            text(&output.stderr)
        );
        let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        assert_eq!(lines.remove(0), HEADER);
        lines
    }

    #[track_caller]
    fn refused(&self, more: &[&str], code: i32, expected: &[&str]) {
        let output = self.eval(more);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {message}");
        for part in expected {
            assert!(
                message.contains(part),
                "{more:?}: `{part}` is not in: {message}"
            );
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, contents: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

/// Task, encoder and score of each line, without the time.
fn scores(lines: &[String]) -> Vec<String> {
    let cut = |line: &String| line.rsplit_once('\t').unwrap().0.to_owned();
    lines.iter().map(cut).collect()
}

#[test]
fn evaluates_and_reports() {
    let home = Home::new();
    let output = home.eval(&["--baseline", "random", "--output", "out/report.json"]);
    let (found, notes) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{notes}");
    for task in ["MR", "CR", "TREC", "STS13"] {
        for encoder in ["tiny", "tiny, random initialisation"] {
            let start = format!("{task}\t{encoder}\t");
            assert!(
                found.lines().any(|line| line.starts_with(&start)),
                "{start}: {found}"
            );
        }
    }
    assert!(
        notes.contains("skipped SNLI: no files below data (cargo xtask fetch-data senteval)"),
        "{notes}"
    );
    assert!(
        notes.contains("skipped Depth: no files below data (cargo xtask fetch-data probing)"),
        "{notes}"
    );

    let reports = home.json("out/report.json");
    let [model, random] = [&reports[0], &reports[1]];
    assert_eq!(model["embedder"]["role"], "model");
    assert_eq!(random["embedder"]["role"], "random-initialisation");
    assert_ne!(
        model["embedder"]["identity"],
        random["embedder"]["identity"]
    );
    assert_eq!(model["results"][0]["task"], "MR");
    assert_eq!(model["results"][0]["pooling"], "max");
    assert_eq!(model["results"][0]["width"], 64);
    assert_eq!(model["results"][0]["data_hash"].as_str().unwrap().len(), 64);
    assert_eq!(model["results"][2]["pooling"], "last");
    assert!(model["skipped"].as_array().unwrap().len() > 20);
    // One word decides the class, and the states encode it.
    let accuracy = model["results"][2]["scores"]["accuracies"]["test"]
        .as_f64()
        .unwrap();
    assert!(accuracy > 60.0, "TREC, chance is 33: {accuracy}");

    let page = fs::read_to_string(home.path("out/report.md")).unwrap();
    for part in [
        "| **tiny** |",
        "InferSent",
        "tokeniser",
        "lbfgs",
        "report.charts/MR.svg",
        "SNLI",
    ] {
        assert!(page.contains(part), "`{part}` is not in\n{page}");
    }
    let chart = fs::read_to_string(home.path("out/report.charts/MR.svg")).unwrap();
    assert!(chart.contains("tiny, random initialisation"));
}

#[test]
fn scores_have_their_metrics_name_and_come_as_json_too() {
    let home = Home::new();
    let lines = home.lines(&["--tasks", "mr,STS-13"]);
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let found: Vec<Vec<String>> = lines.iter().map(|line| columns(line)).collect();
    let of = |row: usize, column: usize| found[row][column].as_str();
    assert_eq!([of(0, 0), of(0, 1), of(0, 3)], ["MR", "tiny", "accuracy %"]);
    assert_eq!(
        [of(1, 0), of(1, 3)],
        ["STS13", "Pearson/Spearman x100, mean of sets"]
    );
    assert!(of(1, 2).contains('/'), "{found:?}");

    let output = home.eval(&["--tasks", "MR,STS13", "--json"]);
    let output = text(&output.stdout);
    let rows: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2, "{output}");
    assert_eq!([&rows[0]["task"], &rows[0]["encoder"]], ["MR", "tiny"]);
    let accuracy = rows[0]["scores"]["accuracies"]["test"].as_f64().unwrap();
    assert_eq!(rows[0]["main"].as_f64(), Some(accuracy));
    assert_eq!(format!("{accuracy:.1}"), of(0, 2));
    assert_eq!(rows[1]["kept"], true);

    let list = home.command(&["eval", "--list", "--json", "--data", "data"]);
    let list = { list }.output().unwrap();
    let list: Vec<Value> = text(&list.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let task = |name: &str| list.iter().find(|row| row["task"] == name).unwrap();
    assert_eq!(task("MR")["folder"], "data/downstream/MR");
    assert_eq!(task("SNLI")["folder"], Value::Null);
}

#[test]
fn an_interrupted_evaluation_goes_on() {
    let home = Home::new();
    let arguments = ["--tasks", "MR,CR,TREC,STS13", "--classifier", "senteval"];
    let expected = scores(&home.lines(&[&arguments[..], &["--no-cache"]].concat()));
    assert_eq!(expected.len(), 4);
    assert!(!home.path("runs").exists(), "--no-cache keeps nothing");

    let all = ["eval", "--model", "tiny", "--data", "data", "--folds", "4"];
    let mut child = home
        .command(&[&all[..], &arguments[..]].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), HEADER);
    let first = lines.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        first.starts_with("MR\ttiny\t") && first.ends_with(" s"),
        "{first}"
    );

    let resumed = home.lines(&arguments);
    assert!(resumed[0].ends_with("\tkept"), "{resumed:?}");
    assert_eq!(scores(&resumed), expected);
    let again = home.lines(&arguments);
    assert!(
        again.iter().all(|line| line.ends_with("\tkept")),
        "{again:?}"
    );
    // Changed data invalidate the cache.
    home.write(
        "data/downstream/MR/rt-polarity.neg",
        &"other words here\n".repeat(80),
    );
    assert!(home.lines(&arguments)[0].ends_with(" s"));
}

#[test]
fn nothing_is_kept_for_another_batch_size_word_list_or_map() {
    let home = Home::new();
    let kept = |more: &[&str]| {
        let lines = home.lines(&[&["--tasks", "MR"], more].concat());
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].ends_with("\tkept")
    };
    let padded = |batch| kept(&["--pool", "max-padded", "--batch-size", batch]);
    assert!(!padded("1"));
    assert!(!padded("32"), "vectors depend on the batch size");
    assert!(padded("1") && padded("32"));
    let max = |batch| kept(&["--pool", "max", "--batch-size", batch]);
    assert!(!max("1"));
    assert!(max("32"), "vectors do not depend on the batch size");

    // The word list of a matrix, in its default file.
    let words = ["the", "a", "man", "dog"];
    let matrix = Array2::from_shape_fn((4, 3), |(i, j)| (i * 3 + j * j) as f32 / 7.0);
    ndarray_npy::write_npy(home.path("v.npy"), &matrix).unwrap();
    home.write("v.txt", &words.join("\n"));
    let vectors = || kept(&["--vectors", "v.npy", "--ridge", "1"]);
    assert!(!vectors());
    assert!(vectors());
    home.write("v.txt", "a\nthe\ndog\nman\n");
    assert!(!vectors(), "the word list changed");
}

#[test]
fn word_vectors_extend_the_vocabulary_and_make_baselines() {
    let home = Home::new();
    let vectors = reference().join("glove-tiny.txt");
    let vectors = vectors.to_str().unwrap();
    // A word with a word vector that is not in the model's vocabulary.
    let known = fs::read_to_string(home.path("tiny/vocab.txt")).unwrap();
    let file = fs::read_to_string(vectors).unwrap();
    let mut others = file.lines().filter_map(|line| line.split(' ').next());
    let is_new = |word: &&str| {
        word.is_ascii() && word.to_lowercase() == *word && !known.lines().any(|k| k == *word)
    };
    let word = others.find(is_new).unwrap();
    home.write(
        "data/downstream/MR/rt-polarity.neg",
        &format!("{word}\n").repeat(80),
    );
    home.write("data/downstream/MR/rt-polarity.pos", &"<unk>\n".repeat(80));

    let accuracy = |line: &str| line.split('\t').nth(2).unwrap().parse::<f64>().unwrap();
    let without = home.lines(&["--tasks", "MR"]);
    assert!(
        accuracy(&without[0]) < 60.0,
        "both classes are one unknown word: {without:?}"
    );
    let with = home.lines(&[
        "--tasks",
        "MR",
        "--vectors",
        vectors,
        "--baseline",
        "bow,borep",
        "--output",
        "r.json",
    ]);
    assert_eq!(accuracy(&with[0]), 100.0, "{with:?}");
    let names: Vec<&str> = with
        .iter()
        .map(|line| line.split('\t').nth(1).unwrap())
        .collect();
    assert_eq!(names[..2], ["tiny", "bag of glove-tiny.txt"]);
    assert!(names[2].contains("random projection to 4096"), "{names:?}");
    let details = &home.json("r.json")[0]["embedder"]["details"];
    assert!(
        details["word vectors"]
            .as_str()
            .unwrap()
            .starts_with("glove-tiny.txt, SHA-256 ")
    );

    // The same vectors as a NumPy array with a word list, and a regularised map.
    let row = |line: &'_ str| -> Option<(String, Vec<f32>)> {
        let (word, row) = line.split_once(' ')?;
        let row: Vec<f32> = row
            .split(' ')
            .map(|x| x.parse().ok())
            .collect::<Option<_>>()?;
        (word.is_ascii() && row.len() > 1).then(|| (word.to_owned(), row))
    };
    let table: BTreeMap<String, Vec<f32>> = file.lines().filter_map(row).collect();
    let (words, rows): (Vec<String>, Vec<Vec<f32>>) = table.into_iter().unzip();
    let matrix = Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j]);
    ndarray_npy::write_npy(home.path("v.npy"), &matrix).unwrap();
    home.write("words.list", &words.join("\n"));
    let arguments = ["--tasks", "MR", "--vectors", "v.npy", "--vector-words"];
    let others = ["words.list", "--ridge", "0.5", "--output", "n.json"];
    let with = home.lines(&[&arguments[..], &others[..]].concat());
    assert_eq!(accuracy(&with[0]), 100.0, "{with:?}");
    let details = &home.json("n.json")[0]["embedder"]["details"];
    let source = details["word vectors"].as_str().unwrap();
    assert!(source.starts_with("v.npy, ") && source.ends_with(", ridge 0.5"));
}

#[test]
fn standard_output_may_be_closed_or_full() {
    let home = Home::new();
    let eval = ["eval", "--model", "tiny", "--data", "data", "--folds", "4"];
    let eval = [&eval[..], &["--tasks", "MR,CR", "--output", "r.json"]].concat();
    let list = ["eval", "--list"];
    ends_quietly(&mut home.command(&list));
    ends_quietly(&mut home.command(&eval));
    // The report has results whose output was never read.
    assert_eq!(home.json("r.json")[0]["results"][1]["task"], "CR");
    #[cfg(target_os = "linux")]
    {
        says_output_is_full(&mut home.command(&list));
        fs::remove_file(home.path("r.json")).unwrap();
        says_output_is_full(&mut home.command(&eval));
        assert!(home.path("r.json").exists());
    }
}

#[test]
fn models_of_runs_are_named_after_the_run() {
    let home = Home::new();
    fs::create_dir_all(home.path("runs/sample")).unwrap();
    fs::rename(home.path("tiny"), home.path("runs/sample/model")).unwrap();
    let name = |folder: &str, model: &str| {
        let data = home.path("data");
        let arguments = ["eval", "--model", model, "--tasks", "STS13", "--data"];
        let mut command = home.command(&arguments);
        let output = command.arg(data).current_dir(home.path(folder)).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let found = text(&output.stdout);
        let row = found.lines().nth(1).unwrap();
        row.split('\t').nth(1).unwrap().to_owned()
    };
    assert_eq!(name(".", "runs/sample/model"), "sample");
    assert_eq!(name("runs/sample", "model/"), "sample");
    fs::rename(home.path("runs/sample/model"), home.path("runs/other")).unwrap();
    assert_eq!(name(".", "runs/other"), "other");
}

#[test]
fn draws_maps_and_prints_neighbours() {
    let home = Home::new();
    let lines = home.lines(&[
        "--tasks",
        "TREC,STS13",
        "--map",
        "trec.svg",
        "--neighbours",
        "2",
    ]);
    let map = fs::read_to_string(home.path("trec.svg")).unwrap();
    assert_eq!(
        map.matches("<circle").count(),
        150 + 3,
        "sentences and classes"
    );
    assert!(map.contains("HUM") && map.contains("LOC"), "{map}");
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("  ")).count(),
        6,
        "{lines:?}"
    );
    home.refused(
        &[
            "--tasks",
            "TREC,STS13",
            "--map",
            "x.svg",
            "--map-task",
            "STS13",
        ],
        2,
        &["STS13 has no single sentences"],
    );
    home.refused(
        &["--tasks", "STS13", "--map", "x.svg"],
        2,
        &["--map and --neighbours: need a task of single sentences"],
    );
    home.refused(
        &["--tasks", "TREC", "--map", "x.svg", "--map-task", "MR"],
        2,
        &["MR is not among --tasks"],
    );
}

#[test]
fn lists_the_tasks() {
    let home = Home::new();
    let output = home
        .command(&["eval", "--list", "--data", "data"])
        .output()
        .unwrap();
    let found = text(&output.stdout);
    assert!(
        found.contains("MR\tdownstream\tmax\tdata/downstream/MR\n"),
        "{found}"
    );
    assert!(
        found.contains("SNLI\tdownstream\tlast\tabsent (cargo xtask fetch-data senteval)\n"),
        "{found}"
    );
    assert!(
        found.contains("Tense\tprobing\tlast\tabsent (cargo xtask fetch-data probing)\n"),
        "{found}"
    );
    assert!(found.contains("Quora\t"), "{found}");
}

#[test]
fn wrong_input_is_named() {
    let home = Home::new();
    home.refused(
        &["--tasks", "MRR"],
        2,
        &["unknown task MRR", "STSBenchmark"],
    );
    home.refused(&["--baseline", "bow"], 2, &["--vectors"]);
    home.refused(&["--output", "report.md"], 2, &[".json"]);
    home.refused(
        &["--tasks", "SNLI"],
        1,
        &["data", "cargo xtask fetch-data senteval"],
    );
    if !cfg!(feature = "english") {
        let none = home.command(&["eval", "--data", "data"]).output().unwrap();
        assert_eq!(none.status.code(), Some(2), "{}", text(&none.stderr));
    }
    for name in ["custrev.neg", "custrev.pos"] {
        home.write(&format!("data/downstream/CR/{name}"), "one\ntwo\nthree\n");
    }
    home.refused(
        &["--tasks", "CR"],
        1,
        &["CR (data/downstream/CR)", "4 folds", "has 3"],
    );
    home.write(
        "data/downstream/TREC/TREC_10.label",
        "HUM:x who\nWHO:x what\n",
    );
    home.refused(&["--tasks", "TREC"], 1, &["TREC_10.label:2", "WHO", "HUM"]);
    home.write("data/downstream/STS/STS13-en-test/STS.gs.OnWN.txt", "1\n");
    home.refused(
        &["--tasks", "STS13"],
        1,
        &["STS.gs.OnWN.txt has 1:", "STS.input.OnWN.txt has 20 lines"],
    );
    fs::remove_file(home.path("data/downstream/MR/rt-polarity.neg")).unwrap();
    home.refused(&["--tasks", "MR"], 1, &["rt-polarity.neg", "missing"]);
}

#[test]
fn a_faulty_task_costs_only_itself() {
    let home = Home::new();
    fs::remove_file(home.path("data/downstream/CR/custrev.neg")).unwrap();
    home.write("data/downstream/TREC/TREC_10.label", "WHO:x what\n");
    let found = home.eval(&["--tasks", "CR,MR,TREC", "--output", "report.json"]);
    assert_eq!(found.status.code(), Some(1));
    let above = format!("{HEADER}\nMR\t");
    assert!(text(&found.stdout).starts_with(&above), "{found:?}");
    let message = text(&found.stderr);
    for part in ["failed TREC: ", "CR was not scored: ", "and 1 more"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    let report = &home.json("report.json")[0];
    assert_eq!(report["results"][0]["task"], "MR");
    assert_eq!(report["failed"][1]["task"], "TREC");
    let page = fs::read_to_string(home.path("report.md")).unwrap();
    assert!(page.contains("Failed:\n\n- CR: "), "{page}");

    // The tasks' words choose word vectors.
    let vectors = reference().join("glove-tiny.txt");
    let vectors = ["--vectors", vectors.to_str().unwrap()];
    let found = home.eval(&[&["--tasks", "CR,MR"], &vectors[..]].concat());
    assert_eq!(found.status.code(), Some(1));
    assert!(text(&found.stdout).starts_with(&above), "{found:?}");
}
