//! Exports to other programs (ONNX, sentence-transformers), and `inspect` on outputs of `embed` and
//! `eval`. `scripts/check_exports.py` checks that other programs compute the same vectors.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::fs;

use program::{EMBED, Home, text};
use serde_json::Value;

fn inspect(home: &Home, path: &str) -> String {
    text(&home.run(&["inspect", path], b"").stdout)
}

#[test]
fn an_onnx_file_says_what_it_takes_and_gives() {
    let home = Home::new();
    let export = [
        "export-onnx",
        "--model",
        "tiny-2layer",
        "--output",
        "tiny.onnx",
    ];
    assert_eq!(text(&home.run(&export, b"").stdout), "tiny.onnx\n");
    let shown = inspect(&home, "tiny.onnx");
    for part in [
        "ONNX file, ",
        "input\tinput_ids [batch, time]",
        "input\tattention_mask [batch, time]",
        "output\tsentence_embedding [batch, 64]",
        "pooling\tlast",
        "tokenizer\twhitespace",
        "vocabulary\t504 lines",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    home.run(&[&export[..], &["--pool", "max"]].concat(), b"");
    assert!(inspect(&home, "tiny.onnx").contains("pooling\tmax\n"));

    let to = |output| ["export-onnx", "--model", "tiny-2layer", "--output", output];
    home.refused(&to("tiny.pt"), b"", 2, &["tiny.pt", ".onnx"]);
    home.refused(&to("none/tiny.onnx"), b"", 2, &["none/tiny.onnx", "folder"]);
    home.refused(&to("-"), b"", 2, &["--output"]);
    let absent = ["export-onnx", "--model", "absent", "--output", "x.onnx"];
    home.refused(&absent, b"", 1, &["absent"]);
}

#[test]
fn a_folder_for_sentence_transformers_is_a_model_folder() {
    let home = Home::new();
    let model = "tiny-1layer";
    let export = [
        "export-sentence-transformers",
        "--model",
        model,
        "--output",
        "st",
    ];
    assert_eq!(text(&home.run(&export, b"").stdout), "st\n");
    let modules: Value =
        serde_json::from_slice(&fs::read(home.path("st/modules.json")).unwrap()).unwrap();
    let class = modules[0]["type"].as_str().unwrap();
    let (module, class) = class.split_once('.').unwrap();
    let code = fs::read_to_string(home.path(&format!("st/{module}.py"))).unwrap();
    assert!(code.contains(&format!("\nclass {class}(")), "{code}");
    let card = fs::read_to_string(home.path("st/README.md")).unwrap();
    assert!(card.contains("trust_remote_code=True"), "{card}");
    for file in ["config.json", "vocab.txt", "model.safetensors"] {
        let [new, old] =
            ["st", model].map(|folder| fs::read(home.path(folder).join(file)).unwrap());
        assert!(new == old, "{file}");
    }
    // Our own programs read and rewrite it.
    let expected = home.embed(b"the dog\n", &[]);
    assert_eq!(
        home.embed(b"the dog\n", &["--model", "st"]).ncols(),
        2 * expected.ncols()
    );
    home.run(&export, b"");
    let shorter = [&export[..], &["--precision", "i8"]].concat();
    home.run(&shorter, b"");
    assert!(inspect(&home, "st").contains("precision      i8"));

    // A tokeniser that the Python module does not support.
    let config = fs::read_to_string(home.path("tiny-2layer/config.json")).unwrap();
    let moses = config.replace("\"whitespace\"", "\"moses\"");
    fs::write(home.path("tiny-2layer/config.json"), moses).unwrap();
    let export = [
        "export-sentence-transformers",
        "--model",
        "tiny-2layer",
        "--output",
        "st2",
    ];
    home.refused(
        &export,
        b"",
        1,
        &["tokenizer", "`moses`", "`whitespace` or `ptb`"],
    );
    let itself = [
        "export-sentence-transformers",
        "--model",
        "st",
        "--output",
        "./st",
    ];
    home.refused(&itself, b"", 1, &["--output ./st", "same place"]);
    fs::write(home.path("st/notes.txt"), "mine").unwrap();
    let export = [
        "export-sentence-transformers",
        "--model",
        model,
        "--output",
        "st",
    ];
    home.refused(&export, b"", 1, &["notes.txt"]);
}

#[test]
fn what_embed_writes_can_be_looked_at() {
    let home = Home::new();
    fs::write(home.path("s.txt"), "the dog\n\na man of the town\n").unwrap();
    let more = ["--hidden-states", "h.npy", "--lengths", "l.npy"];
    home.run(
        &[&EMBED[..], &more].concat(),
        b"the dog\n\na man of the town\n",
    );
    let shown = inspect(&home, "v.npy");
    let (first, rest) = shown.split_once('\n').unwrap();
    assert_eq!(first, "NumPy array, float32 [3, 64]");
    assert!(rest.starts_with("rows of length "), "{rest}");
    assert_eq!(inspect(&home, "h.npy"), "NumPy array, float32 [3, 7, 64]\n");
    assert_eq!(inspect(&home, "l.npy"), "NumPy array, int64 [3]\n");
    let json = home.run(&["inspect", "v.npy", "--json"], b"").stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["kind"], "NumPy array");
    assert_eq!(json["shape"], serde_json::json!([3, 64]));
    assert!(json["row_lengths"][0].as_f64().unwrap() > 0.0);
    let model = home.run(&["inspect", "tiny-1layer", "--json"], b"").stdout;
    let model: Value = serde_json::from_slice(&model).unwrap();
    assert_eq!(model["architecture"]["hidden_size"], 64);

    let lines = [
        "embed",
        "--model",
        "tiny-1layer",
        "--input",
        "s.txt",
        "--output",
        "v.jsonl",
    ];
    home.run(&lines, b"");
    let shown = inspect(&home, "v.jsonl");
    assert!(shown.starts_with("JSON lines, 3\n"), "{shown}");
    assert!(shown.contains("vector\t64 numbers"), "{shown}");
    let mut others = vec![
        ("v.jsonl.gz", "JSON lines, 3\n"),
        ("v.csv", "text, 4 lines\n"),
        ("v.csv.gz", "text, 4 lines\n"),
    ];
    if cfg!(feature = "parquet") {
        others.push(("v.parquet", "Parquet table, 3 rows\n"));
    }
    for (output, expected) in others {
        let embed = [
            "embed",
            "--model",
            "tiny-1layer",
            "--input",
            "s.txt",
            "--output",
            output,
        ];
        home.run(&embed, b"");
        let shown = inspect(&home, output);
        assert!(shown.starts_with(expected), "{output}: {shown}");
    }
    let part = [
        "embed",
        "--model",
        "tiny-1layer",
        "--input",
        "s.txt",
        "--part",
        "1/1",
        "--output",
    ];
    home.run(&[&part[..], &["p.npy"]].concat(), b"");
    let shown = inspect(&home, "p.npy.part.json");
    assert!(
        shown.starts_with("JSON\n") && shown.contains("input_lines\t3"),
        "{shown}"
    );

    // A truncated file, and one with an invalid header.
    let bytes = fs::read(home.path("v.npy")).unwrap();
    fs::write(home.path("cut.npy"), &bytes[..bytes.len() - 4]).unwrap();
    home.refused(
        &["inspect", "cut.npy"],
        b"",
        1,
        &["cut.npy", "bytes, expected"],
    );
    fs::write(home.path("odd.npy"), b"\x93NUMPY\x01\x00\x04\x00{}\n\n").unwrap();
    home.refused(&["inspect", "odd.npy"], b"", 1, &["odd.npy", "header"]);
}
