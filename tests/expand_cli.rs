//! `gensen expand` and `gensen embed --vectors` as a user runs them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::collections::BTreeSet;
use std::fs;

use ndarray::Array2;
use ndarray_npy::read_npy;
use program::{Home, close, golden, path, reference, sentences, text};

/// The tolerance of vectors after vocabulary expansion.
const TOLERANCE: f32 = 1e-5;

fn task_words() -> Vec<String> {
    serde_json::from_slice(&fs::read(reference().join("task_vocab.json")).unwrap()).unwrap()
}

/// Runs `gensen expand`; returns its output.
#[track_caller]
fn expand(home: &Home, model: &str, words: &[String], output: &str) -> String {
    let vectors = reference().join("glove-tiny.txt");
    let arguments = ["expand", "--model", model, "--vectors", path(&vectors)];
    let arguments = [&arguments[..], &["--words", "-", "--output", output]].concat();
    let found = home.gensen(&arguments, words.join("\n").as_bytes());
    assert!(found.status.success(), "{}", text(&found.stderr));
    text(&found.stdout)
}

#[test]
fn expanded_folders_encode_as_the_reference_did() {
    let home = Home::new();
    let input = sentences().join("\n");
    let embed = |models: &[&str]| -> Array2<f32> {
        let mut arguments = vec!["embed", "--input", "-", "--output", "v.npy"];
        models
            .iter()
            .for_each(|&m| arguments.extend(["--model", m]));
        home.run(&arguments, input.as_bytes());
        read_npy(home.path("v.npy")).unwrap()
    };
    let printed = expand(&home, "tiny-1layer", &task_words(), "one");
    for part in [
        "300 of the encoder's 504",
        "318 words kept, 267 mapped, 37 unknown",
        "\n182 of the model's own 500 words left out, as --words does not list them\none\n",
    ] {
        assert!(printed.contains(part), "`{part}` is not in: {printed}");
    }
    let first = embed(&["one"]);
    close(
        &first,
        &golden("tiny-1layer/expected/exp_ht_last.npy"),
        TOLERANCE,
    );

    let vocabulary = fs::read_to_string(home.path("one/vocab.txt")).unwrap();
    let words: Vec<&str> = vocabulary.lines().collect();
    let id2word = fs::read(reference().join("task_id2word.json")).unwrap();
    assert_eq!(
        words,
        serde_json::from_slice::<Vec<String>>(&id2word).unwrap()
    );

    // Expanding the new folder uses its map, so that mapped words get the same embeddings again.
    expand(&home, "one", &task_words()[..100], "again");
    let second = embed(&["again"]);
    let second = second.slice(ndarray::s![..12, ..]).to_owned();
    close(
        &second,
        &golden("tiny-1layer/expected/exp2_ht_last.npy"),
        TOLERANCE,
    );

    expand(&home, "tiny-2layer", &task_words(), "two");
    let both = embed(&["one", "two"]);
    close(&both, &golden("concat/exp_ht_last.npy"), TOLERANCE);

    let shown = text(&home.run(&["inspect", "one"], b"").stdout);
    assert!(shown.contains("300 of the encoder's 504"), "{shown}");
    let card = fs::read_to_string(home.path("one/README.md")).unwrap();
    assert!(card.contains("glove-tiny.txt"), "{card}");
}

#[test]
fn embed_with_vectors_expands_to_the_words_of_its_input() {
    let home = Home::new();
    let input = sentences().join("\n");
    let words: BTreeSet<String> = input.split_ascii_whitespace().map(str::to_owned).collect();
    expand(
        &home,
        "tiny-1layer",
        &words.into_iter().collect::<Vec<_>>(),
        "one",
    );
    let common = ["embed", "--input", "-", "--output", "v.npy"];
    home.run(
        &[&common[..], &["--model", "one"]].concat(),
        input.as_bytes(),
    );
    let expected: Array2<f32> = read_npy(home.path("v.npy")).unwrap();

    fs::write(home.path("input.txt"), &input).unwrap();
    let vectors = reference().join("glove-tiny.txt");
    for from in ["-", "input.txt"] {
        let mut arguments = vec!["embed", "--input", from, "--output", "w.npy"];
        arguments.extend(["--model", "tiny-1layer", "--vectors", path(&vectors)]);
        let output = home.gensen(&arguments, input.as_bytes());
        let message = text(&output.stderr);
        assert!(output.status.success(), "{message}");
        assert!(message.contains("words kept"), "{message}");
        let found: Array2<f32> = read_npy(home.path("w.npy")).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn faults_are_named_and_leave_nothing() {
    let home = Home::new();
    let vectors = reference().join("glove-tiny.txt");
    let few = home.path("few.txt");
    fs::write(&few, "zebra 1 2 3\nyak 4 5 6\n").unwrap();
    let wrong = home.path("wrong.txt");
    fs::write(&wrong, "zebra 1 2 3\nyak 4 5\nox 7 8 9\n").unwrap();
    let arguments = |vectors| {
        [
            "expand",
            "--model",
            "tiny-1layer",
            "--vectors",
            vectors,
            "--words",
            "-",
            "--output",
            "new",
        ]
    };
    let vectors = arguments(path(&vectors));
    home.refused(&vectors, b"", 1, &["standard input", "empty"]);
    home.refused(&vectors, b"yak\n\nzebra\n", 1, &["line 2", "empty"]);
    home.refused(
        &arguments(path(&few)),
        b"zebra\n",
        1,
        &[
            "few.txt",
            "only 0 of the encoder's 504 words",
            "need at least 4",
        ],
    );
    home.refused(&arguments(path(&wrong)), b"zebra\n", 1, &["wrong.txt:2"]);
    home.refused(&arguments("none.txt"), b"zebra\n", 1, &["none.txt"]);

    // Expanding in place would overwrite the model.
    let mut in_place = vectors;
    in_place[8] = "./tiny-1layer";
    let expected = ["--output ./tiny-1layer", "--model tiny-1layer"];
    home.refused(&in_place, b"zebra\n", 2, &expected);

    // Before the word vectors are read.
    fs::create_dir(home.path("mine")).unwrap();
    fs::write(home.path("mine/notes.txt"), "precious").unwrap();
    let mut mine = arguments("none.txt");
    mine[8] = "mine";
    home.refused(
        &mine,
        b"zebra\n",
        1,
        &["mine", "it holds `notes.txt`", "not overwritten"],
    );

    expand(&home, "tiny-1layer", &task_words(), "one");
    let mut other = arguments(path(&few));
    other[2] = "one";
    home.refused(
        &other,
        b"zebra\n",
        1,
        &["map.safetensors", "few.txt", "20", "3"],
    );
}
