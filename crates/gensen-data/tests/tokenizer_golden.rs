//! Agreement with the original programs, whose output for each line is recorded.
//!
//! Environment variables: `GENSEN_TOKENIZER_CASES` for another file in the same format,
//! `GENSEN_NONBREAKING_PREFIXES` for a folder with Moses's prefix lists.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use gensen_data::tokenizer::{Resources, Tokenizer, Tokens, by_name, lowercase};
use serde_json::Value;

/// A line, and the output of each program by the name of its column.
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

/// Compares the words of a tokeniser with a column. A column of text is split into words by
/// `split`.
fn compare_words(name: &str, column: &str, resources: &Resources, split: fn(char) -> bool) {
    let cases: Vec<Case> = cases()
        .into_iter()
        .filter(|c| c.contains_key(column))
        .collect();
    assert!(!cases.is_empty(), "no case has {column}");
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
            format!("{:?}", tokens.iter().collect::<Vec<_>>())
        },
        |case| {
            let words: Vec<&str> = match &case[column] {
                Value::Array(words) => words.iter().map(|word| word.as_str().unwrap()).collect(),
                line => {
                    let words = line.as_str().unwrap().split(split);
                    words.filter(|word| !word.is_empty()).collect()
                }
            };
            format!("{words:?}")
        },
    );
}

/// Compares Moses, which returns a line of white space unchanged.
fn compare_moses(resources: &Resources) {
    let white_space = char::is_whitespace;
    compare_words("moses", "moses", resources, white_space);
    compare_words("moses+no-escape", "moses_noescape", resources, white_space);
    compare_words(
        "moses+aggressive",
        "moses_aggressive",
        resources,
        white_space,
    );
}

#[test]
fn tokenizer_moses_with_the_shipped_lists() {
    compare_moses(&Resources::default());
}

#[test]
fn tokenizer_moses_with_the_lists_of_moses() {
    let Some(folder) = std::env::var_os("GENSEN_NONBREAKING_PREFIXES") else {
        // Not `eprintln!`, whose output the test harness captures.
        let line = "SKIPPED: GENSEN_NONBREAKING_PREFIXES names no folder of Moses prefix lists\n";
        let _ = std::io::stderr().write_all(line.as_bytes());
        return;
    };
    compare_moses(&Resources {
        nonbreaking_prefixes: Some(PathBuf::from(folder)),
        ..Resources::default()
    });
}

#[test]
fn tokenizer_nltk_without_punkt() {
    compare_words("nltk", "nltk", &Resources::default(), char::is_whitespace);
}

#[test]
fn tokenizer_ptb() {
    // sed does not split at a non-breaking space, nor does `split` in the reference
    // implementation.
    compare_words("ptb", "ptb_sed", &Resources::default(), |c| {
        c.is_ascii_whitespace()
    });
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
