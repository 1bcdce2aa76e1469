//! The program `gensen` as a user runs it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::fs;
use std::io::Write;

use ndarray::{Array1, Array2, Array3, Axis, concatenate, s};
use ndarray_npy::read_npy;
#[cfg(target_os = "linux")]
use program::says_output_is_full;
use program::{EMBED, Home, close, ends_quietly, golden, path, reference, sentences, text};

#[test]
fn converts_and_embeds_what_the_reference_did() {
    let home = Home::new();
    let input = sentences().join("\n");
    let arguments = [
        "--hidden-states",
        "h.npy",
        "--lengths",
        "l.npy",
        "--batch-size",
        "7",
    ];
    let vectors = home.embed(input.as_bytes(), &arguments);
    close(
        &vectors,
        &golden("tiny-1layer/expected/base_ht_last.npy"),
        2e-6,
    );
    let states: Array3<f32> = read_npy(home.path("h.npy")).unwrap();
    let expected: Array3<f32> =
        read_npy(reference().join("tiny-1layer/expected/base_h.npy")).unwrap();
    assert_eq!(states.dim(), expected.dim());
    assert!(
        states
            .iter()
            .zip(&expected)
            .all(|(a, b)| (a - b).abs() <= 2e-6)
    );
    let lengths: Array1<i64> = read_npy(home.path("l.npy")).unwrap();
    for (sentence, length) in sentences().iter().zip(&lengths) {
        assert_eq!(
            sentence.split_ascii_whitespace().count() as i64 + 2,
            *length
        );
    }
    let padded = home.embed(
        input.as_bytes(),
        &["--pool", "max-padded", "--batch-size", "64"],
    );
    close(
        &padded,
        &golden("tiny-1layer/expected/base_ht_max.npy"),
        2e-6,
    );
    let both = home.embed(
        input.as_bytes(),
        &["--model", "tiny-2layer", "--threads", "1"],
    );
    close(&both, &golden("concat/base_ht_last.npy"), 2e-6);
}

#[test]
fn rows_are_lines() {
    let home = Home::new();
    let expected = home.embed(b"the dog\n\na man .\n", &[]);
    assert_eq!(expected.dim(), (3, 64));
    assert_eq!(
        home.embed(b"the dog\n\na man .", &[]),
        expected,
        "no final newline"
    );
    assert_eq!(
        home.embed(b"the dog\r\n\r\na man .\r\n", &[]),
        expected,
        "CRLF"
    );
    assert_eq!(
        home.embed(b"the dog\n\na man .\n\n", &[]).nrows(),
        4,
        "blank last line"
    );
    assert_eq!(home.embed(b"", &[]).dim(), (0, 64));
    let marked = home.embed(b"\xef\xbb\xbfthe dog\n\na man .\n", &[]);
    assert_eq!(marked, expected, "byte-order mark");
    let many = "a man\nthe dog\n\n".repeat(300);
    let vectors = home.embed(many.as_bytes(), &["--batch-size", "2"]);
    assert_eq!(vectors.nrows(), 900);
    assert_eq!(vectors.slice(s![..3, ..]), vectors.slice(s![897.., ..]));
    let normalized = home.embed(b"the dog\na man\n", &["--normalize"]);
    for row in normalized.rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_parts_record_holds_the_hash_and_lines_of_its_input() {
    let home = Home::new();
    let lines = sentences().join("\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines.as_bytes()).unwrap();
    for (input, bytes) in [
        ("in.txt", lines.clone().into_bytes()),
        ("in.gz", packed.finish().unwrap()),
    ] {
        fs::write(home.path(input), &bytes).unwrap();
        let vectors = reference().join("glove-tiny.txt");
        let embed = [
            "embed",
            "--model",
            "tiny-1layer",
            "--input",
            input,
            "--part",
            "2/3",
        ];
        let output = ["--output", "v.npy", "--vectors", path(&vectors)];
        let output = home.gensen(&[&embed[..], &output].concat(), b"");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let record = fs::read(home.path("v.npy.part.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["input_sha256"], gensen_data::digest::sha256(&bytes));
        assert_eq!(record["input_lines"], sentences().len());
    }
}

#[test]
fn parts_end_to_end_are_the_whole() {
    let home = Home::new();
    fs::write(home.path("in.txt"), sentences().join("\n")).unwrap();
    let embed = |output: &str, more: &[&str]| {
        let model = ["embed", "--model", "tiny-1layer", "--input", "in.txt"];
        home.run(&[&model[..], &["--output", output], more].concat(), b"");
        read_npy::<_, Array2<f32>>(home.path(output)).unwrap()
    };
    let parts = [("a.npy", "1/3"), ("b.npy", "2/3"), ("c.npy", "3/3")];
    let found = parts.map(|(output, part)| embed(output, &["--part", part]));
    let found = found.each_ref().map(|part| part.view());
    let whole = embed("whole.npy", &[]);
    assert_eq!(concatenate(Axis(0), &found).unwrap(), whole);

    let inspect = |files: &[&str]| home.run(&[&["inspect"], files].concat(), b"");
    let told = String::from_utf8(inspect(&["c.npy", "a.npy", "b.npy"]).stdout).unwrap();
    let size = format!("{} vectors of {} numbers", whole.nrows(), whole.ncols());
    assert!(
        told.contains("3 parts that fit together") && told.contains(&size),
        "{told}"
    );
    assert!(told.ends_with("a.npy\nb.npy\nc.npy\n"), "{told}");

    let refused = |files: &[&str], words: &[&str]| {
        home.refused(&[&["inspect"], files].concat(), b"", 1, words);
    };
    refused(&["a.npy", "c.npy"], &["2/3", "missing"]);
    refused(&["a.npy", "b.npy", "b.npy", "c.npy"], &["2/3", "2 times"]);
    refused(&["a.npy", "whole.npy"], &["whole.npy.part.json"]);
    embed("d.npy", &["--part", "2/3", "--normalize"]);
    refused(&["a.npy", "d.npy", "c.npy"], &["d.npy", "options"]);
    embed("e.npy", &["--part", "1/2"]);
    refused(
        &["a.npy", "e.npy"],
        &["a.npy", "e.npy", "different numbers of parts"],
    );
    let mut bytes = fs::read(home.path("b.npy")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(home.path("b.npy"), &bytes).unwrap();
    let expected = ["b.npy", "changed", "b.npy.part.json"];
    refused(&["a.npy", "b.npy", "c.npy"], &expected);
    fs::write(home.path("b.npy"), &bytes[..bytes.len() - 4]).unwrap();
    refused(&["a.npy", "b.npy", "c.npy"], &["b.npy", "does not hold"]);
    fs::write(home.path("in.txt"), "other sentences\n".repeat(9)).unwrap();
    embed("b.npy", &["--part", "2/3"]);
    refused(&["a.npy", "b.npy", "c.npy"], &["b.npy", "inputs"]);

    embed("b.npy", &[]);
    assert!(!home.path("b.npy.part.json").exists(), "b.npy is no part");
    refused(&["a.npy", "b.npy", "c.npy"], &["b.npy.part.json"]);
}

#[test]
fn json_lines() {
    let home = Home::new();
    let expected = home.embed(b"the \"dog\"\n\n", &[]);
    let arguments = [
        "embed",
        "--model",
        "tiny-1layer",
        "--format",
        "jsonl",
        "--input",
        "-",
        "--output",
    ];
    let output = home.run(&[&arguments[..], &["-"]].concat(), b"the \"dog\"\n\n");
    let rows: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["line"], &rows[0]["text"]),
        (&1.into(), &"the \"dog\"".into())
    );
    for (row, expected) in rows.iter().zip(expected.rows()) {
        let vector: Vec<f32> = serde_json::from_value(row["vector"].clone()).unwrap();
        assert_eq!(expected.to_vec(), vector);
    }
    home.run(&[&arguments[..], &["v.jsonl"]].concat(), b"the \"dog\"\n\n");
    assert_eq!(fs::read(home.path("v.jsonl")).unwrap(), output.stdout);
}

#[test]
fn a_format_is_what_the_outputs_name_says() {
    let home = Home::new();
    let embed = |output: &str, more: &[&str]| {
        let model = ["embed", "--model", "tiny-1layer", "--input", "-"];
        home.gensen(
            &[&model[..], &["--output", output], more].concat(),
            b"a man\n",
        )
    };
    let printed = text(&embed("-", &[]).stdout);
    embed("v.jsonl", &[]);
    assert_eq!(fs::read_to_string(home.path("v.jsonl")).unwrap(), printed);
    // Values have no more digits than single precision.
    let row: serde_json::Value = serde_json::from_str(&printed).unwrap();
    embed("v.npy", &[]);
    let vector: Array2<f32> = read_npy(home.path("v.npy")).unwrap();
    for (number, x) in row["vector"].as_array().unwrap().iter().zip(&vector) {
        assert_eq!(number.to_string().parse(), Ok(*x));
        assert!(number.to_string().len() <= 15, "{number}");
    }
    embed("vectors", &["--format", "npy"]);
    assert_eq!(
        read_npy::<_, Array2<f32>>(home.path("vectors")).unwrap(),
        vector
    );
    for (output, format) in [("v.jsonl", "npy"), ("v.npy", "jsonl")] {
        let refused = embed(output, &["--format", format]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains(output));
    }

    // The format of parts is detected from their contents, not their names.
    fs::write(home.path("in.txt"), "a man\nthe dog\n").unwrap();
    for (output, format) in [("part.bin", "npy"), ("part.txt", "jsonl")] {
        let part = [
            "embed",
            "--model",
            "tiny-1layer",
            "--input",
            "in.txt",
            "--part",
            "1/1",
        ];
        home.run(
            &[&part[..], &["--output", output, "--format", format]].concat(),
            b"",
        );
        let told = home.run(&["inspect", output], b"");
        assert!(text(&told.stdout).contains("2 vectors of 64 numbers"));
    }
}

#[test]
fn places_that_cannot_be_written_are_refused_before_any_work() {
    let home = Home::new();
    fs::create_dir(home.path("folder.npy")).unwrap();
    for (output, problem) in [
        ("folder.npy", "is a folder"),
        ("absent/v.npy", "no such folder"),
    ] {
        // The output is checked before the model is opened.
        let embed = [
            "embed", "--model", "nowhere", "--input", "-", "--output", output,
        ];
        home.refused(&embed, b"a man\n", 2, &[output, problem]);
    }
    let vectors = ["--vectors", "absent.vec"];
    home.refused(&[&EMBED[..], &vectors].concat(), b"", 1, &["absent.vec"]);
}

#[test]
fn a_closed_standard_error_costs_no_vectors() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    fs::write(home.path("in.txt"), "a man\n").unwrap();
    let vectors = reference().join("glove-tiny.txt");
    // This command reports the number of mapped words.
    let embed = [
        "embed",
        "--model",
        "tiny-1layer",
        "--vectors",
        path(&vectors),
    ];
    let files = ["--input", "in.txt", "--output", "v.npy"];
    let mut command = home.command(&[&embed[..], &files].concat());
    assert!(command.stderr(writer).status().unwrap().success());
    assert!(home.path("v.npy").is_file());
}

#[test]
fn similar_sentences() {
    let home = Home::new();
    let input = "the dog is in the garden\n\na student writes\nthe dog is in the garden\n";
    let arguments = [
        "similar",
        "--model",
        "tiny-1layer",
        "--input",
        "-",
        "--top",
        "2",
        "--query",
    ];
    let output = home.run(
        &[&arguments[..], &["the dog is in the garden"]].concat(),
        input.as_bytes(),
    );
    let expected = "1.0000\t1\tthe dog is in the garden\n1.0000\t4\tthe dog is in the garden\n";
    assert_eq!(text(&output.stdout), expected);
    let marked = format!("\u{feff}{input}");
    let query = [&arguments[..], &["the dog is in the garden"]].concat();
    let output = home.run(&query, marked.as_bytes());
    assert_eq!(text(&output.stdout), expected, "byte-order mark");
}

#[test]
fn inspects_folders_and_files() {
    let home = Home::new();
    let inspect = |path: &str| text(&home.run(&["inspect", path], b"").stdout);
    let model = inspect("tiny-2layer");
    assert!(
        model.contains("hidden size    64") && model.contains("layers         2"),
        "{model}"
    );
    assert!(
        inspect("tiny-1layer/model.safetensors").contains("src_embedding.weight\t[504, 24]\tf32")
    );
    let torch = reference().join("tiny-1layer/tiny-1layer.model");
    assert!(inspect(path(&torch)).contains("src_embedding.weight\t[504, 24]"));
    let vocabulary = reference().join("tiny-1layer/tiny-1layer_vocab.pkl");
    assert!(inspect(path(&vocabulary)).contains("504 words"));
    let vectors = reference().join("glove-tiny.txt");
    // Repeated words cause a warning.
    let output = home.gensen(&["inspect", path(&vectors)], b"");
    assert!(output.status.success() && text(&output.stderr).contains("2 repeated words"));
    assert!(text(&output.stdout).contains("of 20 dimensions"));
}

#[test]
fn faults_have_a_message_an_exit_code_and_no_output() {
    let home = Home::new();
    let with = |more: &[&'static str]| [&EMBED[..], more].concat();
    home.refused(
        &with(&[]),
        b"good\n\xff\n",
        1,
        &["standard input, line 2", "UTF-8"],
    );
    home.refused(&with(&[]), b"a\0b\n", 1, &["line 1", "NUL"]);
    home.refused(
        &with(&["--no-start-end"]),
        b"a\n\n",
        1,
        &["sentence 1", "no word", "line 1"],
    );
    home.refused(&with(&["--hidden-states", "h.npy"]), b"\xff", 1, &["UTF-8"]);
    home.refused(&with(&["--model", "absent"]), b"", 1, &["absent"]);
    home.refused(
        &with(&["--tokenizer", "mosses"]),
        b"",
        2,
        &["mosses", "moses"],
    );
    home.refused(&with(&["--device", "tpu"]), b"", 2, &["tpu", "cpu"]);
    home.refused(&with(&["--part", "1/2"]), b"", 2, &["--part"]);
    home.refused(&with(&["--part", "3/2"]), b"", 2, &["3/2"]);
    fs::write(home.path("in.txt"), "a\nb\n").unwrap();
    let padded = [
        &["embed", "--model", "tiny-1layer", "--input", "in.txt"][..],
        &["--output", "v.npy", "--part", "1/2", "--pool", "max-padded"],
    ];
    home.refused(&padded.concat(), b"", 2, &["--part", "max-padded"]);
    home.refused(
        &with(&["--pool", "median"]),
        b"",
        2,
        &["median", "max-padded"],
    );
    home.refused(&with(&["--batch-size", "0"]), b"", 2, &["--batch-size"]);
    if !cfg!(feature = "english") {
        home.refused(
            &["embed", "--input", "-", "--output", "v.npy"],
            b"",
            2,
            &["--model"],
        );
    }
    let to_terminal = [
        "embed",
        "--model",
        "tiny-1layer",
        "--input",
        "-",
        "--output",
        "-",
        "--format",
        "npy",
    ];
    home.refused(&to_terminal, b"", 2, &["jsonl"]);
    let file = [
        "embed",
        "--model",
        "tiny-1layer",
        "--input",
        "absent.txt",
        "--output",
        "v.npy",
    ];
    home.refused(&file, b"", 1, &["absent.txt"]);
    let weights = reference().join("tiny-1layer/tiny-1layer.model");
    let convert = [
        "convert",
        "--weights",
        path(&weights),
        "--output",
        "m",
        "--vocab",
    ];
    home.refused(
        &[&convert[..], &[path(&weights)]].concat(),
        b"",
        1,
        &["tiny-1layer.model"],
    );
    home.refused(&["inspect", "absent"], b"", 1, &["absent"]);
    for command in ["embed", "convert", "similar", "inspect"] {
        let help = text(&home.run(&[command, "--help"], b"").stdout);
        assert!(help.contains("Example"), "{command}");
    }
}

#[test]
fn outputs_are_neither_the_input_nor_each_other() {
    let home = Home::new();
    fs::write(home.path("s.txt"), "the dog\n").unwrap();
    fs::create_dir(home.path("sub")).unwrap();
    let with = |more: &[&'static str]| {
        let common = ["embed", "--model", "tiny-1layer", "--input", "s.txt"];
        [&common[..], more].concat()
    };
    for (output, more, expected) in [
        ("s.txt", &[][..], ["--output s.txt", "--input s.txt"]),
        (
            "sub/../s.txt",
            &[],
            ["--output sub/../s.txt", "--input s.txt"],
        ),
        (
            "a.npy",
            &["--lengths", "a.npy"],
            ["--lengths a.npy", "--output a.npy"],
        ),
        (
            "a.npy",
            &["--hidden-states", "./a.npy"],
            ["--hidden-states ./a.npy", "--output a.npy"],
        ),
        (
            "a.npy",
            &["--hidden-states", "new/b.npy", "--lengths", "new/b.npy"],
            ["--lengths new/b.npy", "--hidden-states new/b.npy"],
        ),
        (
            "a.npy",
            &["--lengths", "s.txt"],
            ["--lengths s.txt", "--input s.txt"],
        ),
    ] {
        let arguments = with(&[&["--output", output], more].concat());
        home.refused(&arguments, b"", 2, &expected);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("s.txt", home.path("link.txt")).unwrap();
        let expected = ["--output link.txt", "--input s.txt"];
        home.refused(&with(&["--output", "link.txt"]), b"", 2, &expected);
    }
    assert_eq!(fs::read(home.path("s.txt")).unwrap(), b"the dog\n");
}

#[test]
fn standard_output_may_be_closed_or_full() {
    let home = Home::new();
    fs::write(home.path("in.txt"), "the dog\na man\n").unwrap();
    let read = ["--model", "tiny-1layer", "--input", "in.txt"];
    let similar = [&["similar", "--query", "a man"], &read[..]].concat();
    let json = ["embed", "--output", "-", "--format", "jsonl"];
    let json = [&json[..], &read].concat();
    for arguments in [
        &["inspect", "tiny-1layer"][..],
        &["embed", "--device", "list"],
        &similar,
        &json,
    ] {
        ends_quietly(&mut home.command(arguments));
        #[cfg(target_os = "linux")]
        says_output_is_full(&mut home.command(arguments));
    }
}

#[test]
fn a_training_runs_folder_leads_to_its_model() {
    let home = Home::new();
    fs::create_dir_all(home.path("runs/a/checkpoints")).unwrap();
    fs::create_dir_all(home.path("runs/b")).unwrap();
    fs::write(home.path("runs/b/config.toml"), "").unwrap();
    fs::rename(home.path("tiny-2layer"), home.path("runs/b/model")).unwrap();
    let export = "`gensen train export --run runs/a --output DIR`";
    for (run, hint) in [("runs/a", export), ("runs/b", "its model is runs/b/model")] {
        let expected = [run, "training run", hint];
        let shown = text(&home.run(&["inspect", run], b"").stdout);
        assert!(expected.iter().all(|part| shown.contains(part)), "{shown}");
        let embed = ["embed", "--input", "-", "--output", "v.npy", "--model", run];
        home.refused(&embed, b"a\n", 1, &expected);
    }
    home.run(&["inspect", "runs/b/model"], b"");
}

#[test]
fn narrower_weights_give_nearly_the_same_vectors() {
    let home = Home::new();
    let input = sentences().join("\n");
    let exact = home.embed(input.as_bytes(), &[]);
    for (precision, least) in [
        ("f32", 1.0 - 1e-6),
        ("f16", 0.999_99),
        ("bf16", 0.999_9),
        ("i8", 0.999),
    ] {
        let found = home.embed(input.as_bytes(), &["--precision", precision]);
        assert_eq!(found == exact, precision == "f32", "{precision}");
        for (a, b) in found.rows().into_iter().zip(exact.rows()) {
            let cosine = a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt();
            assert!(cosine >= least, "{precision}: cosine {cosine}");
        }
    }
    let arguments = [&EMBED[..], &["--precision", "i4"]].concat();
    home.refused(
        &arguments,
        b"",
        2,
        &["i4", "[possible values: f32, f16, bf16, i8]"],
    );
}

#[test]
fn devices_are_listed_and_what_is_not_there_is_refused() {
    let home = Home::new();
    for arguments in [
        &["embed", "--device", "list"][..],
        &["eval", "--device=list"],
    ] {
        let list = text(&home.run(arguments, b"").stdout);
        let works: Vec<&str> = list.lines().filter(|line| !line.contains(" - ")).collect();
        assert!(works.iter().any(|line| line.starts_with("cpu ")), "{list}");
        let auto = works.iter().filter(|line| line.ends_with(" (auto)"));
        assert_eq!(auto.count(), 1, "{list}");
    }
    let with = |device| [&EMBED[..], &["--device", device]].concat();
    home.refused(&with("tpu"), b"", 2, &["`tpu`", "auto, ", "cpu"]);
    home.refused(&with("cpu:1"), b"", 2, &["`cpu:1`", "only one"]);
    if !cfg!(feature = "cuda") {
        let expected = ["`cuda`", "not compiled in", "--features cuda"];
        home.refused(&with("cuda"), b"", 2, &expected);
    }
}

#[test]
fn calibrate_puts_ranges_into_the_model_folder() {
    let home = Home::new();
    let config = || fs::read_to_string(home.path("tiny-1layer/config.json")).unwrap();
    let before = config();
    fs::write(home.path("text.txt"), sentences().join("\n").repeat(3)).unwrap();
    let calibrate = ["calibrate", "tiny-1layer", "--input", "text.txt"];
    let output = home.run(&calibrate, b"");
    assert_eq!(text(&output.stdout).trim(), "tiny-1layer/config.json");
    let calibrated = config();
    assert!(calibrated.starts_with(before.trim_end_matches("\n}\n")));
    assert!(calibrated.contains(r#""pooling":"last","text":"text.txt","#));
    home.run(&calibrate, b"");
    assert_eq!(config(), calibrated);

    let few = home.gensen(&["calibrate", "tiny-1layer", "-i", "-"], b"the dog\n\n");
    assert!(few.status.success());
    let said = text(&few.stderr);
    assert!(said.contains("ranges of 1 sentences are rough"), "{said}");
    for (arguments, input, expected) in [
        (
            &["tiny-1layer", "-i", "-"][..],
            &b"\n \n"[..],
            "no sentence",
        ),
        (
            &["hf://a/b", "-i", "text.txt"],
            b"",
            "copy its folder first",
        ),
        (&["nowhere", "-i", "text.txt"], b"", "nowhere"),
        (&["tiny-1layer", "-i", "nothing.txt"], b"", "nothing.txt"),
    ] {
        let output = home.gensen(&[&["calibrate"], arguments].concat(), input);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
