//! Tasks from files to report, on small data of our own in SentEval's layout.
//!
//! `GENSEN_SENTEVAL_DIR` may name a folder with SentEval's real files; without it the test that
//! reads them is skipped with a message.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use gensen_eval::baselines::BagOfVectors;
use gensen_eval::linear::SentEvalOptions;
use gensen_eval::protocol::Classifier;
use gensen_eval::tasks::{KeptTasks, Pooling, TASKS, TaskData, select};
use gensen_eval::{
    Embedder, EmbedderError, EmbedderInfo, EvalError, EvalEvent, EvalOptions, Report, Role, Scores,
    evaluate, labelled_vectors, markdown, read_json, write_report,
};
use ndarray::Array2;
use tempfile::TempDir;

/// Hashed bags of words: each word's dimension is a hash of its bytes.
struct Hashed {
    role: Role,
    calls: Cell<usize>,
}

impl Hashed {
    fn new() -> Self {
        Self {
            role: Role::Model,
            calls: Cell::new(0),
        }
    }
}

impl Embedder for Hashed {
    fn info(&self) -> EmbedderInfo {
        let name = format!("hashed {:?}", self.role);
        EmbedderInfo {
            identity: name.clone(),
            name,
            role: self.role,
            ..EmbedderInfo::default()
        }
    }

    fn embed(&mut self, sentences: &[String], _: Pooling) -> Result<Array2<f32>, EmbedderError> {
        self.calls.set(self.calls.get() + 1);
        let mut vectors = Array2::zeros((sentences.len(), 64));
        for (i, sentence) in sentences.iter().enumerate() {
            for word in sentence.split(' ') {
                let hash = word
                    .bytes()
                    .fold(7u32, |h, b| h.wrapping_mul(31) ^ u32::from(b));
                // The upper bits, in which the words that decide a class do not collide with
                // others.
                vectors[(i, (hash.wrapping_mul(2_654_435_761) >> 26) as usize)] += 1.0;
            }
        }
        Ok(vectors)
    }
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Sentences of one of two classes, which differ by one word.
fn sentences(word: &str, count: usize) -> String {
    let fillers = ["the", "a", "some", "this", "that"];
    (0..count)
        .map(|i| {
            format!(
                "{} {word} {}\n",
                fillers[i % 5],
                ["thing", "matter", "point"][i % 3]
            )
        })
        .collect()
}

fn root() -> TempDir {
    root_of(1)
}

/// Writes all tasks, with `size` times the usual number of examples for classification.
fn root_of(size: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(
        root,
        "downstream/MR/rt-polarity.pos",
        &sentences("Good", 30 * size),
    );
    write(
        root,
        "downstream/MR/rt-polarity.neg",
        &sentences("bad", 30 * size),
    );
    let trec: String = (0..60 * size)
        .map(|i| {
            let (class, word) = [("HUM", "who"), ("LOC", "where"), ("NUM", "many")][i % 3];
            format!("{class}:x {word} is it {}\n", i % 7)
        })
        .collect();
    write(root, "downstream/TREC/train_5500.label", &trec);
    write(root, "downstream/TREC/TREC_10.label", &trec);
    for split in ["train", "dev", "test"] {
        let rows: String = (0..40 * size)
            .map(|i| {
                format!(
                    "{} film {}\t{}\n",
                    ["fine", "dull"][i % 2],
                    i % 5,
                    1 - i % 2
                )
            })
            .collect();
        write(
            root,
            &format!("downstream/SST/binary/sentiment-{split}"),
            &rows,
        );
        let pairs: String = (0..50)
            .map(|i| {
                let (score, second) = [(5.0, "a cat sits"), (0.2, "no dog ran")][i % 2];
                format!("g\tf\ty\t{i}\t{score}\ta cat sits {i}\t{second} {i}\n")
            })
            .collect();
        write(
            root,
            &format!("downstream/STS/STSBenchmark/sts-{split}.csv"),
            &pairs,
        );
    }
    for set in ["FNWN", "headlines", "OnWN"] {
        let (mut input, mut gold) = (String::new(), String::new());
        for i in 0..20 {
            let second = if i % 2 == 0 {
                "one two three"
            } else {
                "four five six"
            };
            input += &format!("one two three {i}\t{second} {i}\n");
            gold +=
                &["4.5\n", "1.0\n", "\n", "0.5\n"][i % 4].replace("4.5", &format!("4.{}", i % 9));
        }
        write(
            root,
            &format!("downstream/STS/STS13-en-test/STS.input.{set}.txt"),
            &input,
        );
        write(
            root,
            &format!("downstream/STS/STS13-en-test/STS.gs.{set}.txt"),
            &gold,
        );
    }
    let probing: String = ["tr", "va", "te"]
        .iter()
        .flat_map(|split| {
            (0..30).map(move |i| {
                format!(
                    "{split}\t{}\tit {} {i}\n",
                    ["PAST", "PRES"][i % 2],
                    ["was", "is"][i % 2]
                )
            })
        })
        .collect();
    write(root, "probing/past_present.txt", &probing);
    for split in ["train", "dev", "test"] {
        let rows: String = (0..1200)
            .map(|i| {
                format!(
                    "q {} x\tq {} x\t{}\n",
                    i % 2,
                    (i / 2) % 2,
                    u8::from(i % 2 == (i / 2) % 2)
                )
            })
            .collect();
        write(root, &format!("Quora/{split}.tsv"), &rows);
    }
    folder
}

fn run(root: &Path, names: &[&str], embedder: &mut dyn Embedder) -> Result<Report, EvalError> {
    let options = EvalOptions::new(root, select(names).unwrap());
    evaluate(embedder, &options, &|_| ())
}

fn test_accuracy(report: &Report, task: &str) -> f64 {
    match &report.result(task).unwrap().scores {
        Scores::Accuracy { accuracies, .. } => accuracies.test,
        other => panic!("{task}: {other:?}"),
    }
}

#[test]
fn every_kind_of_task_runs_from_its_files() {
    let folder = root();
    let report = run(folder.path(), &["all"], &mut Hashed::new()).unwrap();
    for task in ["MR", "TREC", "SST2", "Tense"] {
        assert!(
            test_accuracy(&report, task) > 95.0,
            "{task}: {:?}",
            report.result(task)
        );
    }
    let Scores::Similarity(sts) = &report.result("STS13").unwrap().scores else {
        panic!()
    };
    assert_eq!(
        sts.sets.iter().map(|set| set.1).collect::<Vec<_>>(),
        [15, 15, 15],
        "unscored pairs"
    );
    assert!(sts.pearson.mean.unwrap() > 0.9, "{sts:?}");
    let Scores::Relatedness(sts_b) = &report.result("STSBenchmark").unwrap().scores else {
        panic!()
    };
    assert!(
        sts_b.pearson.unwrap() > 0.95,
        "{:?} {:?}",
        sts_b.pearson,
        sts_b.epochs
    );
    let cosine = sts_b.cosine.unwrap();
    assert!(cosine.dev.pearson.unwrap() > 0.9, "{cosine:?}");
    assert!(cosine.test.spearman.unwrap() > 0.9, "{cosine:?}");
    let Scores::LowResource { sizes } = &report.result("Quora").unwrap().scores else {
        panic!()
    };
    assert_eq!(sizes.iter().map(|s| s.0).collect::<Vec<_>>(), [1000, 1200]);

    assert_eq!(report.results.len() + report.skipped.len(), TASKS.len());
    let skipped = report
        .skipped
        .iter()
        .find(|skipped| skipped.task == "SNLI")
        .unwrap();
    assert!(
        skipped.reason.contains("cargo xtask fetch-data senteval"),
        "{}",
        skipped.reason
    );
}

#[test]
fn senteval_classifier_runs_too() {
    // Enough steps between validations that early stopping cannot end training too soon.
    let folder = root_of(100);
    let mut options = EvalOptions::new(folder.path(), select(&["MR", "TREC", "SST2"]).unwrap());
    options.classifier = Classifier::SentEval(SentEvalOptions::default());
    options.folds = 5;
    let report = evaluate(&mut Hashed::new(), &options, &|_| ()).unwrap();
    for task in ["MR", "TREC", "SST2"] {
        assert!(
            test_accuracy(&report, task) > 99.0,
            "{task}: {:?}",
            report.result(task)
        );
    }
}

#[test]
fn sentences_are_in_sentevals_order() {
    let folder = root();
    let task = select(&["MR"]).unwrap()[0];
    let Some(TaskData::Nested { data, .. }) = task.load(folder.path()).unwrap() else {
        panic!()
    };
    let keys: Vec<(usize, u32)> = data
        .sentences
        .iter()
        .map(|s| s.split(' ').count())
        .zip(data.labels.iter().copied())
        .collect();
    assert!(keys.is_sorted(), "by length, then label");
    assert_eq!(
        data.sentences
            .iter()
            .zip(&data.labels)
            .filter(|(s, l)| s.contains("Good") == (**l == 1))
            .count(),
        60
    );
}

#[test]
fn wrong_files_are_named_with_their_lines() {
    let check = |file: &str, text: Option<&str>, task: &str, expected: &[&str]| {
        let folder = root();
        match text {
            Some(text) => write(folder.path(), file, text),
            None => fs::remove_file(folder.path().join(file)).unwrap(),
        }
        let other = if task == "MR" { "TREC" } else { "MR" };
        let report = run(folder.path(), &[task, other], &mut Hashed::new()).unwrap();
        assert_eq!(report.failed.len(), 1, "{task}: {report:?}");
        assert_eq!(report.failed[0].task, *select(&[task]).unwrap()[0].name);
        assert_eq!(report.results.len(), 1, "the other task: {report:?}");
        let error = &report.failed[0].reason;
        for part in expected {
            assert!(
                error.contains(part),
                "{task}: {error:?} does not say {part:?}"
            );
        }
    };
    check(
        "downstream/MR/rt-polarity.neg",
        None,
        "MR",
        &["rt-polarity.neg", "missing"],
    );
    check(
        "downstream/MR/rt-polarity.neg",
        Some(""),
        "MR",
        &["rt-polarity.neg", "none"],
    );
    check(
        "downstream/TREC/TREC_10.label",
        Some("HUM:x who\nFOO:x what\n"),
        "TREC",
        &["TREC_10.label:2", "FOO", "ABBR"],
    );
    check(
        "downstream/SST/binary/sentiment-dev",
        Some("fine\t1\nfine\t2\n"),
        "SST2",
        &["sentiment-dev:2", "0 to 1", "\"2\""],
    );
    check(
        "downstream/STS/STS13-en-test/STS.gs.OnWN.txt",
        Some("1\n2\n"),
        "STS13",
        &["STS.gs.OnWN.txt has 2", "STS.input.OnWN.txt has 20"],
    );
    check(
        "downstream/STS/STSBenchmark/sts-dev.csv",
        Some("g\tf\ty\t1\t7\ta\tb\n"),
        "STS-B",
        &["sts-dev.csv:1", "0 to 5", "7"],
    );
    check(
        "probing/past_present.txt",
        Some("tr\tA\tx\nva\tB\tx\n"),
        "Tense",
        &["txt:2", "\"B\""],
    );
    assert!(matches!(
        select(&["MRR"]),
        Err(EvalError::UnknownTask { .. })
    ));
}

#[test]
fn a_row_longer_than_its_header_is_named_instead_of_read_by_wrong_columns() {
    for (task, files, header) in [
        (
            "MRPC",
            [
                "MRPC/msr_paraphrase_train.txt",
                "MRPC/msr_paraphrase_test.txt",
            ]
            .as_slice(),
            "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String",
        ),
        (
            "SICKRelatedness",
            &[
                "SICK/SICK_train.txt",
                "SICK/SICK_trial.txt",
                "SICK/SICK_test_annotated.txt",
            ],
            "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment",
        ),
    ] {
        let folder = root();
        for file in files {
            let text = format!("{header}\n1\t2\t3\t4\tNEUTRAL\tmore\n");
            write(folder.path(), &format!("downstream/{file}"), &text);
        }
        let report = run(folder.path(), &[task], &mut Hashed::new()).unwrap();
        let message = &report.failed[0].reason;
        let place = format!("{}:2", files[0]);
        for part in [&*place, "6 columns", "header line has 5"] {
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_sentence() {
    let folder = root();
    let sentences = |marked: bool| {
        for file in ["rt-polarity.pos", "rt-polarity.neg"] {
            let path = folder.path().join("downstream/MR").join(file);
            let text = fs::read_to_string(&path).unwrap();
            let mark = if marked { "\u{feff}" } else { "" };
            fs::write(&path, format!("{mark}{text}")).unwrap();
        }
        let task = select(&["MR"]).unwrap()[0];
        match task.load(folder.path()).unwrap() {
            Some(TaskData::Nested { data, .. }) => data.sentences,
            _ => panic!("MR has nested folds"),
        }
    };
    assert_eq!(sentences(false), sentences(true));
}

#[test]
fn folds_that_would_be_empty_are_refused() {
    let folder = root();
    for file in ["rt-polarity.pos", "rt-polarity.neg"] {
        let few = sentences("some", 9);
        write(folder.path(), &format!("downstream/MR/{file}"), &few);
    }
    let report = run(folder.path(), &["MR"], &mut Hashed::new()).unwrap();
    let message = &report.failed[0].reason;
    for part in ["MR (", "downstream/MR)", "10 folds", "has 9"] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn kept_tasks_are_read_once() {
    let folder = root();
    let mut options = EvalOptions::new(folder.path(), select(&["MR", "STS13"]).unwrap());
    options.kept = Some(KeptTasks::default());
    let all = |options: &EvalOptions| evaluate(&mut Hashed::new(), options, &|_| ()).unwrap();
    let first = all(&options);
    fs::remove_dir_all(folder.path()).unwrap();
    let again = all(&options);
    let scores = |report: &Report| -> Vec<Scores> {
        report.results.iter().map(|r| r.scores.clone()).collect()
    };
    assert_eq!(scores(&again), scores(&first));
    assert_eq!(scores(&first).len(), 2);
    options.kept = None;
    assert_eq!(all(&options).skipped.len(), 2);
}

#[test]
fn labelled_sentences_have_their_vectors_and_classes() {
    let folder = root();
    let options = EvalOptions::new(folder.path(), select(&["TREC", "STS13"]).unwrap());
    let get = |task, limit| labelled_vectors(&mut Hashed::new(), task, &options, limit, &|_| ());
    let found = get(options.tasks[0], 1000).unwrap();
    assert_eq!((found.vectors.nrows(), found.labels.len()), (120, 120));
    for (sentence, label) in found.sentences.iter().zip(&found.labels) {
        let expected = match label.as_str() {
            "HUM" => "who",
            "LOC" => "where",
            "NUM" => "many",
            other => panic!("{other}"),
        };
        assert!(sentence.starts_with(expected), "{sentence}: {label}");
    }
    let own = Hashed::new()
        .embed(&found.sentences, Pooling::Last)
        .unwrap();
    assert_eq!(found.vectors, own);
    assert_eq!(get(options.tasks[0], 50).unwrap().sentences.len(), 40);
    let error = get(options.tasks[1], 50).unwrap_err().to_string();
    assert!(error.contains("STS13"), "{error}");
}

#[test]
fn constant_vectors_have_no_correlation() {
    struct Constant;
    impl Embedder for Constant {
        fn info(&self) -> EmbedderInfo {
            EmbedderInfo::default()
        }
        fn embed(&mut self, s: &[String], _: Pooling) -> Result<Array2<f32>, EmbedderError> {
            Ok(Array2::ones((s.len(), 3)))
        }
    }
    let folder = root();
    let report = run(folder.path(), &["STS13", "STS-B"], &mut Constant).unwrap();
    for result in &report.results {
        assert_eq!(result.scores.main(), None, "{result:?}");
        let numbers = result.scores.to_string().replace("undefined", "-");
        let expected = match &*result.task {
            "STS13" => "-/-",
            _ => "-/- (-/-, -/-)",
        };
        assert_eq!(numbers, expected);
    }
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<Report>(&json).unwrap().results.len(),
        2
    );
}

#[test]
fn an_interrupted_evaluation_goes_on_where_it_was() {
    let folder = root();
    let cache = TempDir::new().unwrap();
    let mut options = EvalOptions::new(folder.path(), select(&["MR", "TREC", "SNLI"]).unwrap());
    options.cache = Some(cache.path().to_owned());
    let mut first = Hashed::new();
    let expected = evaluate(&mut first, &options, &|_| ()).unwrap();
    assert_eq!(first.calls.get(), 2, "once a task");

    let log = Mutex::new(Vec::new());
    let mut second = Hashed::new();
    let found = evaluate(&mut second, &options, &|event| {
        if let EvalEvent::Finished { result, cached } = event {
            log.lock().unwrap().push((result.task.clone(), cached));
        }
    })
    .unwrap();
    assert_eq!(found, expected);
    assert_eq!(second.calls.get(), 0);
    assert_eq!(
        log.into_inner().unwrap(),
        [("MR".to_owned(), true), ("TREC".to_owned(), true)]
    );

    // Another classifier needs no new vectors; other data needs new ones.
    options.classifier = Classifier::SentEval(SentEvalOptions::default());
    evaluate(&mut second, &options, &|_| ()).unwrap();
    assert_eq!(second.calls.get(), 0);
    write(
        folder.path(),
        "downstream/MR/rt-polarity.neg",
        &sentences("awful", 30),
    );
    evaluate(&mut second, &options, &|_| ()).unwrap();
    assert_eq!(second.calls.get(), 1);
}

#[test]
fn reports_stand_beside_the_papers() {
    let folder = root();
    let mut untrained = Hashed {
        role: Role::RandomInitialisation,
        ..Hashed::new()
    };
    let reports = [
        run(folder.path(), &["MR", "STS-B", "STS13"], &mut Hashed::new()).unwrap(),
        run(folder.path(), &["MR", "STS-B"], &mut untrained).unwrap(),
    ];
    let page = markdown(&reports);
    for part in [
        "| MR |",
        "**hashed Model**",
        "78.6/84.4",
        "STS13",
        "No better than",
        "pooled",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let out: PathBuf = folder.path().join("out");
    write_report(&reports, &out.join("report.json")).unwrap();
    let json = |reports: &[Report]| serde_json::to_value(reports).unwrap();
    let read = read_json(&out.join("report.json")).unwrap();
    assert_eq!(json(&read), json(&reports));
    let svg = fs::read_to_string(out.join("report.charts/MR.svg")).unwrap();
    assert!(
        svg.contains("InferSent") && svg.contains("hashed Model"),
        "{svg}"
    );
    assert_eq!(
        fs::read_dir(&out).unwrap().count(),
        3,
        "no scratch files are left"
    );
}

#[test]
fn baselines_pool_their_words() {
    let words = ["a", "b", "c"].map(String::from).to_vec();
    let vectors = ndarray::array![[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]];
    let mut bag = BagOfVectors::new("bag", "hash", words, vectors);
    let sentences = ["a b".to_owned(), "x".to_owned(), "c x a".to_owned()];
    let mut pooled = |pooling| bag.embed(&sentences, pooling).unwrap();
    assert_eq!(
        pooled(Pooling::Mean),
        ndarray::array![[0.5, 1.0], [0.0, 0.0], [2.0, 1.5]]
    );
    assert_eq!(
        pooled(Pooling::Max),
        ndarray::array![[1.0, 2.0], [0.0, 0.0], [3.0, 3.0]]
    );
    assert_eq!(
        pooled(Pooling::Last),
        ndarray::array![[0.0, 2.0], [0.0, 0.0], [1.0, 0.0]]
    );
    let identity = bag.info().identity;
    let projected = bag.project(7, 1);
    assert_ne!(projected.info().identity, identity);
}

#[test]
fn the_real_files_load() {
    let Ok(root) = std::env::var("GENSEN_SENTEVAL_DIR") else {
        // Not `eprintln!`, whose output the test harness captures.
        let line = "SKIPPED: GENSEN_SENTEVAL_DIR does not name SentEval's data\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        return;
    };
    let mut loaded = Vec::new();
    for task in TASKS {
        if let Some(data) = task.load(Path::new(&root)).unwrap() {
            let count = match data {
                TaskData::Nested { data, .. } => data.labels.len(),
                TaskData::CrossValidated { train, test, .. } => {
                    train.labels.len() + test.labels.len()
                }
                TaskData::Split {
                    train, valid, test, ..
                } => train.labels.len() + valid.labels.len() + test.labels.len(),
                TaskData::Similarity { sets } => sets.iter().map(|(_, s)| s.scores.len()).sum(),
                TaskData::Relatedness { train, dev, test } => {
                    train.scores.len() + dev.scores.len() + test.scores.len()
                }
                _ => 0,
            };
            loaded.push((task.name, count));
        }
    }
    let expected = [
        ("MR", 10662),
        ("CR", 3775),
        ("SUBJ", 10000),
        ("SST2", 67349 + 872 + 1821),
        ("SST5", 8544 + 1101 + 2210),
        ("MRPC", 4076 + 1725),
        ("STSBenchmark", 5749 + 1500 + 1379),
        ("STS12", 3108),
        ("STS13", 1500),
        ("STS14", 3750),
    ];
    assert!(!loaded.is_empty(), "no task below {root}");
    for (task, count) in expected {
        if let Some((_, found)) = loaded.iter().find(|(name, _)| *name == task) {
            assert_eq!(*found, count, "{task}");
        }
    }
    eprintln!("loaded {loaded:?}");
}
