//! Real corpora, as the reference run used them. The folder is named by `GENSEN_CORPORA_DIR`;
//! without it these tests pass with a message.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::io::Write;
use std::path::{Path, PathBuf};

use gensen_data::prepare::{DataOptions, prepare};
use gensen_data::report::InputReport;
use gensen_data::spec::TaskSpec;

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("GENSEN_CORPORA_DIR").map(PathBuf::from);
    if folder.is_none() {
        // Not `eprintln!`, whose output the test harness captures.
        let _ = writeln!(std::io::stderr(), "SKIPPED: GENSEN_CORPORA_DIR is not set");
    }
    folder
}

fn reports(base: &Path, task: serde_json::Value) -> Vec<InputReport> {
    let cache = tempfile::tempdir().unwrap();
    let task: TaskSpec = serde_json::from_value(task).unwrap();
    let options = DataOptions {
        tokenizer: "moses".into(),
        source_words: 20_000,
        target_words: 20_000,
        ..DataOptions::default()
    };
    let data = prepare(&[task], &options, cache.path(), base, &|_| {}).unwrap();
    println!("{}", data.report);
    data.report.inputs
}

/// The counts of the reference run: 724,373 sentences and 494,959 triples of 3 to 40 tokens, the
/// last book left out of the triples. Its splitting rule is known in words, not in code, and its
/// tokeniser is another implementation of Moses: a few sentences in 100,000 may differ.
#[test]
fn novels_give_the_sentences_and_triples_of_the_reference_run() {
    let Some(base) = corpora() else { return };
    let input = |settings: serde_json::Value| {
        let mut input = serde_json::json!({
            "path": "books/english_novels.tar.gz", "sentences": "paragraphs", "min_words": 3, "max_words": 40,
        });
        input
            .as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        input
    };
    let found = reports(
        &base,
        serde_json::json!({
            "name": "novels", "kind": "skip-thought",
            "train": input(serde_json::json!({ "exclude": "Woolf_Years_1937.txt" })),
            "validation": input(serde_json::json!({ "include": "Woolf_Years_1937.txt", "limit": 1014 })),
        }),
    );
    let sentences = found[0].sentences + found[1].sentences;
    assert!(sentences.abs_diff(724_373) <= 20, "{sentences} sentences");
    assert!(
        found[0].kept.abs_diff(494_959) <= 500,
        "{} triples",
        found[0].kept
    );
    assert_eq!(found[1].kept, 1_014);
}

#[test]
fn translations_are_as_many_as_in_the_reference_run() {
    let Some(base) = corpora() else { return };
    for (name, expected) in [("fr", 190_453), ("de", 194_257)] {
        let side = |split: &str, language: &str, end: &str| {
            format!("parallel/multi30k/{split}.{language}{end}")
        };
        let found = reports(
            &base,
            serde_json::json!({
                "name": format!("{name}-en"), "kind": "translation",
                "train": [
                    format!("parallel/tatoeba.en-{name}.tsv.gz"),
                    { "source": side("train", "en", ".gz"), "target": side("train", name, ".gz") },
                ],
                "validation": { "source": side("val", "en", ""), "target": side("val", name, "") },
            }),
        );
        assert_eq!(found[0].kept + found[1].kept, expected);
        assert_eq!(found[2].kept, 1_014);
    }
}

#[test]
fn every_parse_file_is_a_forest() {
    let Some(base) = corpora() else { return };
    let found = reports(
        &base,
        serde_json::json!({
            "name": "parsing", "kind": "parsing",
            "train": ["parse/wsj_sample.train.mrg.gz", "parse/gum.train.mrg.gz", "parse/snli_dev_autoparse.mrg.gz"],
            "validation": "parse/gum.dev.mrg",
        }),
    );
    let read: Vec<_> = found.iter().map(|report| report.read).collect();
    assert_eq!(read, [3_669, 10_224, 13_134, 1_575]);
    assert!(found.iter().all(|report| report.blank <= 5));
}

#[test]
fn inference_corpora_keep_every_labelled_pair() {
    let Some(base) = corpora() else { return };
    let train = [
        "cad_snli.train.tsv",
        "conjnli.train.tsv.gz",
        "litl.train.tsv.gz",
        "mnli_20k.train.tsv.gz",
        "newprotocols.train.tsv.gz",
        "semiauto_wiki.train.tsv.gz",
        "joci.tsv.gz",
    ];
    let found = reports(
        &base,
        serde_json::json!({
            "name": "nli", "kind": "nli",
            "train": train.map(|name| format!("nli/{name}")),
            "validation": "nli/snli.dev.tsv.gz",
        }),
    );
    let kept: Vec<_> = found.iter().map(|report| report.kept).collect();
    assert_eq!(
        kept,
        [8_330, 14_998, 44_958, 20_000, 33_997, 15_103, 34_219, 9_840]
    );
}
