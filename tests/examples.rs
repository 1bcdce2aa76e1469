//! Runs the examples that need no data, with the commands on their pages.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::fs;

use program::{Home, path, reference};

#[allow(dead_code, reason = "a program's `main`")]
#[cfg(feature = "english")]
#[path = "../crates/gensen/examples/encode.rs"]
mod encode;
#[allow(dead_code, reason = "a program's `main`")]
#[path = "../crates/gensen/examples/evaluate.rs"]
mod evaluate;
#[allow(dead_code, reason = "a program's `main`")]
#[path = "../crates/gensen/examples/expand.rs"]
mod expand;

#[cfg(feature = "english")]
#[test]
fn encode_puts_sentences_about_one_thing_first() {
    let sentences = ["A cat is asleep.", "The kitten sleeps.", "Shares fell."];
    let owned = sentences.map(str::to_owned);
    let pairs = encode::similarities(&owned).unwrap();
    assert_eq!(pairs.len(), 3);
    let (cosine, first, second) = pairs[0];
    assert_eq!([first, second], [sentences[0], sentences[1]], "{pairs:?}");
    assert!(cosine > pairs[1].0 + 0.1, "{pairs:?}");
}

#[test]
fn expand_finds_neighbours_of_words_that_the_model_did_not_know() {
    let home = Home::new();
    let model = home.path("tiny-1layer");
    let own = fs::read_to_string(model.join("vocab.txt")).unwrap();
    let vectors = reference().join("glove-tiny.txt");
    let rows = fs::read_to_string(&vectors).unwrap();
    let words = rows.lines().filter_map(|row| row.split(' ').next());
    let new = words
        .filter(|word| own.lines().all(|own| own != *word))
        .map(str::to_owned)
        .next()
        .unwrap();
    let words = [new.clone(), "no-such-word".to_owned()];
    let found = expand::expand(&model, &vectors, &words).unwrap();
    assert_eq!(found[0].0, new);
    assert_eq!(found[0].1.len(), 5, "{found:?}");
    assert_eq!(found[1], ("no-such-word".to_owned(), Vec::new()));
}

#[test]
fn evaluate_scores_an_encoder_of_ones_own() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("downstream/MR");
    fs::create_dir_all(&folder).unwrap();
    let lines =
        |what: &str| -> String { (0..60).map(|k| format!("film {k} is {what}\n")).collect() };
    fs::write(folder.join("rt-polarity.pos"), lines("good")).unwrap();
    fs::write(folder.join("rt-polarity.neg"), lines("bad")).unwrap();
    let page = evaluate::report(path(home.path()), &["MR"]).unwrap();
    assert!(page.contains("| **hashed words** | 100.0 |"), "{page}");
}

/// Runs the commands at the head of an example's page, in a folder with a copy of the example.
#[cfg(all(unix, feature = "burn", feature = "english"))]
fn run_page(folder: &str) -> String {
    use program::text;
    use std::path::Path;
    use std::process::Command;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join(folder);
    fs::create_dir_all(&copy).unwrap();
    for file in fs::read_dir(root.join(folder)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let page = fs::read_to_string(copy.join("README.md")).unwrap();
    let block = page.split("```sh\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let program = env!("CARGO_BIN_EXE_gensen");
    let commands = block.replace("cargo run --release -p gensen --", program);
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &commands]).current_dir(home.path());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[cfg(all(unix, feature = "burn", feature = "english"))]
#[test]
fn your_own_task_trains_an_encoder() {
    let printed = run_page("examples/train-your-task");
    let near = printed.lines().rev().take(3).collect::<Vec<_>>();
    assert!(near.iter().all(|line| line.contains("card")), "{printed}");
}

#[cfg(all(unix, feature = "burn", feature = "english"))]
#[test]
fn a_student_learns_from_its_teacher() {
    let printed = run_page("examples/distil");
    let near = printed.lines().rev().take(3).collect::<Vec<_>>();
    assert!(
        near.iter().all(|line| line.contains("read a letter")),
        "{printed}"
    );
}
