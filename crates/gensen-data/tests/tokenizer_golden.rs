//! Agreement with the programs the tokenisers follow, on lines that were put through them.
//!
//! `GENSEN_TOKENIZER_CASES` names another file of the same form,
//! `GENSEN_NONBREAKING_PREFIXES` a folder with the Moses prefix lists.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gensen_data::tokenizer::{Resources, Tokenizer, Tokens, by_name, lowercase};
use serde_json::Value;

/// One line, with what the programs made of it under the names of their columns.
type Case = serde_json::Map<String, Value>;

fn cases() -> Vec<Case> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference/tokenizers/tokenizers.jsonl");
    let path = std::env::var_os("GENSEN_TOKENIZER_CASES").map_or(shipped, PathBuf::from);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let cases: Vec<Case> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(!cases.is_empty(), "{} holds no case", path.display());
    cases
}

fn text<'a>(case: &'a Case, column: &str) -> &'a str {
    case[column].as_str().unwrap()
}

/// Compares every case and shows the first ones that differ.
fn compare(
    column: &str,
    cases: &[Case],
    mut actual: impl FnMut(&Case) -> String,
    expected: impl Fn(&Case) -> String,
) {
    let mut differing = 0;
    for case in cases {
        let (found, wanted) = (actual(case), expected(case));
        if found != wanted {
            differing += 1;
            if differing <= 20 {
                eprintln!(
                    "{column} {} {}: {:?}\n  expected {wanted:?}\n  found    {found:?}",
                    case["id"],
                    text(case, "lang"),
                    text(case, "raw"),
                );
            }
        }
    }
    assert_eq!(
        differing,
        0,
        "{column}: {differing} of {} lines differ",
        cases.len()
    );
}

/// Compares the words of a tokeniser with a column of words separated by white space.
fn compare_words(name: &str, column: &str, resources: &Resources) {
    let cases: Vec<Case> = cases()
        .into_iter()
        .filter(|c| c.contains_key(column))
        .collect();
    let mut tokenizers: HashMap<String, Box<dyn Tokenizer>> = HashMap::new();
    let mut tokens = Tokens::default();
    compare(
        column,
        &cases,
        |case| {
            let language = text(case, "lang");
            let tokenizer = tokenizers
                .entry(language.to_owned())
                .or_insert_with(|| by_name(name, language, resources).unwrap());
            tokenizer.tokenize(text(case, "raw"), &mut tokens);
            tokens.iter().collect::<Vec<_>>().join(" ")
        },
        |case| match &case[column] {
            Value::Array(words) => words
                .iter()
                .map(|w| w.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(" "),
            // A line that is all white space passes through Moses as it is.
            other => other
                .as_str()
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        },
    );
}

#[test]
fn tokenizer_moses() {
    compare_words("moses", "moses", &Resources::default());
}

#[test]
fn tokenizer_moses_without_escaping() {
    compare_words("moses+no-escape", "moses_noescape", &Resources::default());
}

#[test]
fn tokenizer_moses_aggressive() {
    compare_words(
        "moses+aggressive",
        "moses_aggressive",
        &Resources::default(),
    );
}

#[test]
fn tokenizer_moses_with_the_lists_of_moses() {
    let Some(folder) = std::env::var_os("GENSEN_NONBREAKING_PREFIXES") else {
        eprintln!("skipped: GENSEN_NONBREAKING_PREFIXES names no folder of Moses prefix lists");
        return;
    };
    let resources = Resources {
        nonbreaking_prefixes: Some(PathBuf::from(folder)),
    };
    compare_words("moses", "moses", &resources);
    compare_words("moses+no-escape", "moses_noescape", &resources);
    compare_words("moses+aggressive", "moses_aggressive", &resources);
}

#[test]
fn tokenizer_lower_caser() {
    let mut lowered = String::new();
    for (from, to) in [("moses", "moses_lower"), ("raw", "raw_lower")] {
        compare(
            to,
            &cases(),
            |case| {
                lowercase(text(case, from), &mut lowered);
                lowered.clone()
            },
            |case| text(case, to).to_owned(),
        );
    }
}
