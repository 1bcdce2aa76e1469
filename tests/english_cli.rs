//! `gensen` without `--model`: the built-in model.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use ndarray::{Array1, Array2};
use ndarray_npy::read_npy;
use program::{Home, text};

/// The vectors of JSON lines.
fn vectors(output: &[u8], texts: &[&str]) -> Vec<Array1<f32>> {
    let output = text(output);
    let rows: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), texts.len(), "{output}");
    let row = |(k, row): (usize, &serde_json::Value)| {
        assert_eq!(row["line"], k + 1);
        assert_eq!(row["text"], texts[k]);
        let numbers = row["vector"].as_array().unwrap().iter();
        numbers.map(|x| x.as_f64().unwrap() as f32).collect()
    };
    rows.iter().enumerate().map(row).collect()
}

#[test]
fn embeds_the_sentences_of_the_command_line() {
    let home = Home::new();
    let texts = [
        "A man is playing a guitar.",
        "Someone plays the guitar.",
        "Shares fell on Monday.\nAgain.",
    ];
    let arguments = [&["embed", "--normalize"][..], &texts].concat();
    let found = vectors(&home.run(&arguments, b"").stdout, &texts);
    assert!(found.iter().all(|vector| vector.len() == 1024));
    let (near, far) = (found[0].dot(&found[1]), found[0].dot(&found[2]));
    assert!(near > far + 0.1, "{near} to a paraphrase, {far} to another");

    // The same from a file, and to .npy.
    home.run(&[&arguments[..], &["--output", "t.npy"]].concat(), b"");
    let input = texts[..2].join("\n");
    let from_input = ["embed", "--normalize", "--input", "-", "--output", "v.npy"];
    home.run(&from_input, input.as_bytes());
    let of_texts: Array2<f32> = read_npy(home.path("t.npy")).unwrap();
    let of_lines: Array2<f32> = read_npy(home.path("v.npy")).unwrap();
    assert_eq!(of_texts.dim(), (3, 1024));
    for (k, vector) in found.iter().take(2).enumerate() {
        assert_eq!(of_texts.row(k), *vector);
        assert_eq!(of_lines.row(k), *vector);
    }
}

#[test]
fn finds_similar_sentences_and_shows_the_model() {
    let home = Home::new();
    let lines = b"Shares fell on Monday.\nSomeone plays the guitar.\nThe soup was cold.\n";
    let query = "A man is playing a guitar.";
    let arguments = ["similar", "--input", "-", "--query", query, "--top", "1"];
    let output = text(&home.run(&arguments, lines).stdout);
    assert!(
        output.ends_with("\t2\tSomeone plays the guitar.\n"),
        "{output}"
    );
    let output = text(&home.run(&["inspect"], b"").stdout);
    for expected in [
        "words          50004",
        "precision      i8",
        "tokenizer      ptb",
    ] {
        assert!(output.contains(expected), "{output}");
    }
}

#[test]
fn texts_and_a_file_are_refused_together_and_neither_too() {
    let home = Home::new();
    let both = ["embed", "A sentence.", "--input", "-", "--output", "-"];
    home.refused(&both, b"", 2, &["cannot be used with"]);
    home.refused(&["embed"], b"", 2, &["TEXT", "--input"]);
}

#[test]
fn a_file_given_as_a_sentence_is_pointed_out() {
    let home = Home::new();
    std::fs::write(home.path("s.txt"), "A sentence.\n").unwrap();
    let output = home.gensen(&["embed", "s.txt"], b"");
    let message = text(&output.stderr);
    assert!(message.contains("--input s.txt"), "{message}");
    vectors(&output.stdout, &["s.txt"]);
}
