//! `gensen similar`, `pairs`, `cluster` and `classify` as a user runs them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::fs;

use ndarray::Array2;
use ndarray_npy::{read_npy, write_npy};
#[cfg(target_os = "linux")]
use program::says_output_is_full;
use program::{Home, ends_quietly, text};

const SENTENCES: &str = "the dog is in the garden\n\na student writes\nthe dog is in the house\n\
                         a student writes\nthe man\n";

/// A home with [`SENTENCES`] in s.txt and their vectors in v.npy.
fn home() -> Home {
    let home = Home::new();
    fs::write(home.path("s.txt"), SENTENCES).unwrap();
    embed(&home, "v.npy", &[]);
    home
}

fn embed(home: &Home, output: &str, more: &[&str]) {
    let arguments = ["embed", "-m", "tiny-1layer", "-i", "s.txt", "-o", output];
    home.run(&[&arguments[..], more].concat(), b"");
}

/// The output of a command on s.txt.
#[track_caller]
fn run(home: &Home, command: &[&str], more: &[&str]) -> String {
    let input = ["-m", "tiny-1layer", "-i", "s.txt"];
    text(&home.run(&[command, &input, more].concat(), b"").stdout)
}

fn json(lines: &str) -> Vec<serde_json::Value> {
    let values = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    values.collect()
}

#[test]
fn saved_vectors_give_what_computing_them_does() {
    let home = home();
    let queries = ["-q", "a student", "-q", "the dog", "--top", "3"];
    let computed = run(&home, &["similar"], &queries);
    assert!(computed.starts_with("# a student\n"), "{computed}");
    assert!(computed.contains("\n\n# the dog\n"), "{computed}");
    assert_eq!(computed.lines().count(), 2 + 2 * 3 + 1);
    let saved = [&queries[..], &["--index", "v.npy"]].concat();
    assert_eq!(run(&home, &["similar"], &saved), computed);

    fs::write(home.path("q.txt"), "a student\n\nthe dog\n").unwrap();
    let from_file = ["--queries", "q.txt", "--top", "3", "--index", "v.npy"];
    assert_eq!(run(&home, &["similar"], &from_file), computed);
    let arguments = [
        "similar",
        "-m",
        "tiny-1layer",
        "-i",
        "s.txt",
        "--queries",
        "-",
        "--top",
        "3",
    ];
    let piped = home.run(&arguments, b"a student\nthe dog\n");
    assert_eq!(text(&piped.stdout), computed);

    let hits = json(&run(
        &home,
        &["similar"],
        &[&saved[..], &["--json"]].concat(),
    ));
    assert_eq!(hits.len(), 6);
    assert_eq!(hits[3]["query"], "the dog");
    assert_eq!(hits[3]["rank"], 1);
    for hit in &hits {
        let line = hit["line"].as_u64().unwrap() as usize;
        assert_eq!(hit["text"], SENTENCES.lines().nth(line - 1).unwrap());
        let row = format!("{:.4}\t{line}\t", hit["cosine"].as_f64().unwrap());
        assert!(computed.contains(&row), "{row} in {computed}");
    }
    // All results, if more are requested.
    let all = run(
        &home,
        &["similar"],
        &["-q", "the dog", "--top", "50", "--index", "v.npy"],
    );
    assert_eq!(all.lines().count(), 5, "the blank line is passed over");
}

#[test]
fn saved_vectors_of_other_numbers_are_searched() {
    let home = home();
    let first = |more: &[&str]| {
        let query = [
            "-q",
            "the dog is in the garden",
            "--index",
            "o.npy",
            "--json",
        ];
        let hits = json(&run(&home, &["similar"], &[&query[..], more].concat()));
        (
            hits[0]["line"].as_u64().unwrap(),
            hits[0]["cosine"].as_f64().unwrap(),
        )
    };
    embed(&home, "o.npy", &["--truncate-dim", "20"]);
    let (line, cosine) = first(&["--truncate-dim", "20"]);
    assert!(line == 1 && cosine > 0.9999, "{line}: {cosine}");

    let calibration = SENTENCES.repeat(30);
    fs::write(home.path("c.txt"), calibration).unwrap();
    home.run(&["calibrate", "tiny-1layer", "-i", "c.txt"], b"");
    embed(&home, "o.npy", &["--output-precision", "int8"]);
    let (line, cosine) = first(&[]);
    assert!(line == 1 && cosine > 0.999, "{line}: {cosine}");
    embed(
        &home,
        "o.npy",
        &[
            "--output-precision",
            "int8",
            "--normalize",
            "--truncate-dim",
            "32",
        ],
    );
    let (line, cosine) = first(&["--normalize", "--truncate-dim", "32"]);
    assert!(line == 1 && cosine > 0.999, "{line}: {cosine}");
}

#[test]
fn vectors_of_bits_are_compared_by_hamming_distance() {
    let home = home();
    fs::write(home.path("q.txt"), "the dog\n").unwrap();
    let (dimensions, precision) = (["--truncate-dim", "20"], ["--output-precision", "ubinary"]);
    let bits = |input: &str, output: &str, precision: &[&str]| {
        let embed = ["embed", "-m", "tiny-1layer", "-i", input, "-o", output];
        home.run(&[&embed[..], &dimensions, precision].concat(), b"");
    };
    bits("q.txt", "q.npy", &precision);
    bits("s.txt", "b.npy", &precision);
    bits("s.txt", "signed.npy", &["--output-precision", "binary"]);
    let query: Array2<u8> = read_npy(home.path("q.npy")).unwrap();
    let rows: Array2<u8> = read_npy(home.path("b.npy")).unwrap();
    let distance = |row: usize| -> u32 {
        let pairs = rows.row(row).into_iter().zip(query.row(0));
        pairs.map(|(a, b)| (a ^ b).count_ones()).sum()
    };
    // Line 2 is blank.
    let mut expected: Vec<(u32, u64)> = [0, 2, 3, 4, 5]
        .map(|row| (distance(row), row as u64 + 1))
        .to_vec();
    expected.sort_unstable();
    let kept = [0, 2, 3, 4, 5];
    let between = |a: usize, b: usize| -> u32 {
        let pairs = rows.row(a).into_iter().zip(rows.row(b));
        pairs.map(|(a, b)| (a ^ b).count_ones()).sum()
    };
    let pairs = kept.into_iter().flat_map(|a| kept.map(|b| (a, b)));
    let closest = pairs
        .filter(|(a, b)| a < b)
        .min_by_key(|&(a, b)| (between(a, b), a, b))
        .map(|(a, b)| [a + 1, b + 1])
        .unwrap();
    for index in ["b.npy", "signed.npy"] {
        let index = ["--index", index, "--binary"];
        let options = [&index[..], &dimensions].concat();
        let similar = [&["-q", "the dog", "--json"], &options[..]].concat();
        let found = json(&run(&home, &["similar"], &similar));
        assert_eq!(found.len(), expected.len());
        for (found, (distance, line)) in found.iter().zip(&expected) {
            let cosine = 1.0 - 2.0 * f64::from(*distance) / 20.0;
            assert_eq!(found["line"], *line, "{found}, expected {expected:?}");
            assert!(
                (found["cosine"].as_f64().unwrap() - cosine).abs() < 1e-6,
                "{found}"
            );
        }
        let pairs = json(&run(
            &home,
            &["pairs"],
            &[&options[..], &["--json", "--top", "1"]].concat(),
        ));
        assert_eq!(pairs[0]["lines"], serde_json::json!(closest), "{index:?}");
    }
}

#[test]
fn saved_vectors_that_are_of_something_else_are_refused() {
    let home = home();
    let refused = |more: &[&str], code, expected: &[&str]| {
        let similar = ["similar", "-m", "tiny-1layer", "-i", "s.txt"];
        home.refused(&[&similar[..], more].concat(), b"", code, expected);
    };
    let index = |more: &'static [&str]| [&["-q", "the dog", "--index"], more].concat();
    fs::write(home.path("more.txt"), format!("{SENTENCES}one more\n")).unwrap();
    let other = [
        "similar",
        "-m",
        "tiny-1layer",
        "-i",
        "more.txt",
        "-q",
        "x",
        "--index",
        "v.npy",
    ];
    let expected = ["more.txt has 7 lines", "v.npy has 6 vectors"];
    home.refused(&other, b"", 1, &expected);

    embed(&home, "short.npy", &["--truncate-dim", "20"]);
    let expected = [
        "short.npy",
        "vectors of 20 numbers, the model's have 64",
        "--truncate-dim 20",
    ];
    refused(&index(&["short.npy"]), 1, &expected);
    embed(&home, "bits.npy", &["--output-precision", "binary"]);
    refused(
        &index(&["bits.npy"]),
        1,
        &["vectors of 8 numbers", "add --binary"],
    );
    refused(
        &index(&["v.npy", "--binary"]),
        1,
        &["--binary: v.npy holds floats"],
    );
    let short = ["--output-precision", "ubinary", "--truncate-dim", "20"];
    embed(&home, "bytes.npy", &short);
    refused(
        &index(&["bytes.npy", "--binary"]),
        1,
        &["vectors of 3 bytes, the model's have 8", "--truncate-dim N"],
    );
    refused(
        &index(&["v.npy", "--truncate-dim", "65"]),
        2,
        &["--truncate-dim: 65 dimensions"],
    );
    refused(&index(&["s.txt"]), 1, &["s.txt: not a .npy file"]);
    refused(&index(&["nothing.npy"]), 1, &["nothing.npy"]);
    fs::write(home.path("empty.npy"), "").unwrap();
    refused(&index(&["empty.npy"]), 1, &["empty.npy: an empty file"]);
    let mut vectors: Array2<f32> = read_npy(home.path("v.npy")).unwrap();
    vectors[[3, 5]] = f32::NAN;
    write_npy(home.path("nan.npy"), &vectors).unwrap();
    refused(
        &index(&["nan.npy"]),
        1,
        &["nan.npy", "line 4", "not finite"],
    );
    refused(&["--truncate-dim", "3", "-q", "x"], 2, &["--index"]);
    refused(&[], 2, &["--query"]);
    fs::write(home.path("blank.txt"), "\n \n").unwrap();
    refused(
        &["--queries", "blank.txt"],
        1,
        &["--queries blank.txt: no sentence"],
    );
    let both = ["similar", "-m", "tiny-1layer", "-i", "-", "--queries", "-"];
    home.refused(&both, b"x\n", 2, &["standard input"]);
}

#[test]
fn pairs_are_the_closest_sentences() {
    let home = home();
    let found = run(&home, &["pairs"], &["--top", "2"]);
    let first = "1.0000\t3\t5\ta student writes\ta student writes";
    let mut lines = found.lines();
    assert_eq!(lines.next(), Some(first));
    assert!(lines.next().unwrap().contains("\t1\t4\tthe dog"), "{found}");
    assert_eq!(lines.next(), None);
    assert_eq!(
        run(&home, &["pairs"], &["--top", "2", "--index", "v.npy"]),
        found
    );

    let all = json(&run(&home, &["pairs"], &["--json"]));
    assert_eq!(all.len(), 10, "five sentences");
    assert_eq!(all[0]["lines"], serde_json::json!([3, 5]));
    assert_eq!(all[0]["texts"][0], "a student writes");
    let distinct = json(&run(
        &home,
        &["pairs"],
        &["--json", "--skip-equal", "--index", "v.npy"],
    ));
    assert_eq!(distinct.len(), 6, "four distinct sentences");
    assert_eq!(distinct[0]["lines"], serde_json::json!([1, 4]));
    let bar = all[1]["cosine"].as_f64().unwrap();
    let near = run(
        &home,
        &["pairs"],
        &["--threshold", &format!("{:.4}", bar - 1e-3)],
    );
    assert!((2..10).contains(&near.lines().count()), "{near}");
    assert!(near.starts_with(&found), "{near}");

    let pairs = ["pairs", "-m", "tiny-1layer", "-i", "-"];
    home.refused(&pairs, b"\n\n", 1, &["no sentence"]);
    home.refused(
        &[&pairs[..], &["--threshold", "2"]].concat(),
        b"x\n",
        2,
        &["--threshold 2"],
    );
    let one = home.run(&pairs, b"the dog\n");
    assert_eq!(text(&one.stdout), "");
}

#[test]
fn clusters_hold_every_sentence_and_are_told() {
    let home = home();
    let more = ["--clusters", "2", "--output", "g.tsv", "--map", "m.svg"];
    let found = run(&home, &["cluster"], &more);
    let rows: Vec<Vec<&str>> = found
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 2, "{found}");
    let sizes: usize = rows
        .iter()
        .map(|row| row[1].parse::<usize>().unwrap())
        .sum();
    assert_eq!(sizes, 5);
    let groups = fs::read_to_string(home.path("g.tsv")).unwrap();
    let groups: Vec<(&str, &str)> = groups
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .collect();
    assert_eq!(groups.len(), 5);
    assert_eq!((groups[1], groups[0].0), (groups[3], groups[2].0));
    assert_ne!(groups[0].0, groups[1].0, "dogs and students");
    let map = fs::read_to_string(home.path("m.svg")).unwrap();
    assert_eq!(map.matches("<circle").count(), 5 + 2);

    let objects = json(&run(
        &home,
        &["cluster"],
        &["--clusters", "2", "--json", "--index", "v.npy"],
    ));
    for (object, row) in objects.iter().zip(&rows) {
        assert_eq!(object["size"].to_string(), row[1]);
        assert_eq!(object["representative"]["line"].to_string(), row[3]);
        assert_eq!(object["representative"]["text"], row[4]);
        assert_eq!(
            object["lines"].as_array().unwrap().len().to_string(),
            row[1]
        );
    }
    let one = run(&home, &["cluster"], &["--clusters", "1"]);
    assert!(one.starts_with("1\t5\t"), "{one}");
    let communities = ["--threshold", "0.999", "--smallest", "2", "--json"];
    let communities = json(&run(&home, &["cluster"], &communities));
    assert_eq!(communities[0]["lines"], serde_json::json!([3, 5]));
    assert_eq!(communities.len(), 1);
    let with = |more: &[&'static str]| {
        let cluster = ["cluster", "-m", "tiny-1layer", "-i", "s.txt"];
        [&cluster[..], more].concat()
    };
    let none = home.gensen(&with(&["--threshold", "1", "--output", "n.tsv"]), b"");
    assert!(
        text(&none.stderr).contains("no communities"),
        "{}",
        text(&none.stderr)
    );
    let none = fs::read_to_string(home.path("n.tsv")).unwrap();
    assert!(none.lines().all(|line| line.starts_with("0\t")), "{none}");
    let few = home.gensen(&with(&["--clusters", "5"]), b"");
    assert!(
        text(&few.stderr).contains("4 clusters instead of 5"),
        "{}",
        text(&few.stderr)
    );

    for (more, code, expected) in [
        (
            &["--clusters", "6"][..],
            1,
            "s.txt has 5 sentences, expected 1 to 5",
        ),
        (&["--clusters", "0"], 1, "--clusters 0"),
        (&[], 2, "--clusters"),
        (&["--clusters", "2", "--threshold", "0.5"], 2, "--threshold"),
        (&["--threshold", "1.5"], 2, "--threshold 1.5"),
        (&["--clusters", "2", "--map", "m.png"], 2, ".svg"),
        (
            &["--clusters", "2", "--output", "s.txt"],
            2,
            "the same place as --input",
        ),
        (
            &["--clusters", "2", "--output", "nowhere/g.tsv"],
            2,
            "no such folder",
        ),
    ] {
        home.refused(&with(more), b"", code, &[expected]);
    }
}

/// Sentences about dogs and about students.
fn labelled(count: usize) -> String {
    let places = ["garden", "house", "street", "city", "school"];
    let line = |k: usize| {
        let place = places[k % 5];
        match k % 2 {
            0 => format!("dogs\tthe dog is in the {place}\n"),
            _ => format!("students\ta student writes in a {place} {}\n", k / 10),
        }
    };
    (0..count).map(line).collect()
}

#[test]
fn classifiers_are_trained_kept_and_used() {
    let home = home();
    fs::write(home.path("train.tsv"), labelled(600)).unwrap();
    let train = [
        "classify",
        "train",
        "-m",
        "tiny-1layer",
        "-i",
        "train.tsv",
        "-o",
        "c.json",
    ];
    let predict = [
        "classify",
        "predict",
        "-m",
        "tiny-1layer",
        "-c",
        "c.json",
        "-i",
        "-",
    ];
    for kind in ["lbfgs", "senteval"] {
        let told = home.run(&[&train[..], &["--kind", kind]].concat(), b"");
        let told = text(&told.stdout);
        assert!(
            told.starts_with("dogs\t300\nstudents\t300\naccuracy "),
            "{told}"
        );
        assert!(
            told.contains("50.0 % for always the most frequent label"),
            "{told}"
        );
        let input = b"the dog is in the school\na student writes\n";
        let found = text(&home.run(&predict, input).stdout);
        let rows: Vec<Vec<&str>> = found
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!((rows[0][0], rows[1][0]), ("dogs", "students"), "{found}");
        assert_eq!(rows[0][2], "the dog is in the school");
        let objects = json(&text(
            &home
                .run(&[&predict[..], &["--json"]].concat(), input)
                .stdout,
        ));
        for (object, row) in objects.iter().zip(&rows) {
            let probability = object["probability"].as_f64().unwrap();
            assert_eq!(format!("{probability:.4}"), row[1]);
            let all = object["probabilities"].as_object().unwrap();
            let sum: f64 = all.values().map(|p| p.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-5 && all.len() == 2);
        }
    }
    let file = fs::read_to_string(home.path("c.json")).unwrap();
    let with = |from: &str, to: &str| {
        let changed = file.replace(from, to);
        assert_ne!(changed, file);
        fs::write(home.path("c.json"), changed).unwrap();
    };
    let refused = |expected: &str| home.refused(&predict, b"the dog\n", 1, &["c.json", expected]);
    with("\"format_version\":1", "\"format_version\":2");
    refused("format version 2, expected 1");
    with("\"students\"", "\"dogs\"");
    refused("labels of a classifier");
    with("\"width\":64", "\"width\":63");
    refused("weights of a classifier");
    fs::write(home.path("c.json"), &file[..file.len() / 2]).unwrap();
    refused("not a classifier of `gensen classify train`");
    fs::write(home.path("c.json"), "").unwrap();
    refused("not a classifier of `gensen classify train`");
    fs::write(home.path("c.json"), &file).unwrap();
    let other = [
        "classify",
        "predict",
        "-m",
        "tiny-2layer",
        "-c",
        "c.json",
        "-i",
        "-",
    ];
    home.refused(&other, b"x\n", 1, &["c.json", "another model", "--model"]);
    let pooled = [&predict[..], &["--pool", "max"]].concat();
    home.refused(&pooled, b"x\n", 1, &["c.json", "other options"]);
}

#[test]
fn wrong_labelled_input_is_named() {
    let home = home();
    let train = [
        "classify",
        "train",
        "-m",
        "tiny-1layer",
        "-i",
        "-",
        "-o",
        "c.json",
    ];
    let few = labelled(6);
    for (input, expected) in [
        (
            "dogs\tthe dog\nno tab\n",
            "line 2: no tab, expected `label TAB sentence`",
        ),
        ("dogs\tthe dog\n\n", "line 2: no tab"),
        ("dogs\t \n", "line 1: an empty label or sentence"),
        ("\tthe dog\n", "line 1: an empty label"),
        (
            "dogs\tthe dog\ndogs\ta dog\n",
            "all lines have the label `dogs`, expected two labels or more",
        ),
        ("", "standard input: no line"),
        (&few, "--folds 5"),
    ] {
        home.refused(&train, input.as_bytes(), 1, &[expected]);
    }
    fs::write(home.path("t.tsv"), labelled(60)).unwrap();
    let same = [
        "classify",
        "train",
        "-m",
        "tiny-1layer",
        "-i",
        "t.tsv",
        "-o",
        "t.tsv",
    ];
    home.refused(&same, b"", 2, &["the same place as --input"]);
}

#[test]
fn closed_and_full_outputs_are_told_apart() {
    let home = home();
    for arguments in [
        &[
            "similar",
            "-m",
            "tiny-1layer",
            "-i",
            "s.txt",
            "-q",
            "the dog",
        ][..],
        &["pairs", "-m", "tiny-1layer", "-i", "s.txt", "--json"],
        &[
            "cluster",
            "-m",
            "tiny-1layer",
            "-i",
            "s.txt",
            "--clusters",
            "2",
        ],
    ] {
        ends_quietly(&mut home.command(arguments));
        #[cfg(target_os = "linux")]
        says_output_is_full(&mut home.command(arguments));
    }
}
