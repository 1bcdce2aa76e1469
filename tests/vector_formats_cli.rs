//! `gensen embed`: formats, dimensions and precisions of vectors.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::fs;
use std::io::Read;

use flate2::read::GzDecoder;
use ndarray::{Array2, s};
use ndarray_npy::read_npy;
use program::{EMBED, Home, text};

const SENTENCES: &str = "the dog\na \"man\" , and\n\nthe man\n";

/// Embeds [`SENTENCES`] to a file of this name.
fn embed(home: &Home, output: &str, more: &[&str]) {
    let arguments = ["embed", "-m", "tiny-1layer", "-i", "-", "-o", output];
    home.run(&[&arguments[..], more].concat(), SENTENCES.as_bytes());
}

fn npy(home: &Home, more: &[&str]) -> Array2<f32> {
    embed(home, "x.npy", more);
    read_npy(home.path("x.npy")).unwrap()
}

#[test]
fn text_formats_hold_the_same_vectors_gzipped_or_not() {
    let home = Home::new();
    let expected = npy(&home, &[]);
    let read = |name: &str| {
        let bytes = fs::read(home.path(name)).unwrap();
        if !name.ends_with(".gz") {
            return String::from_utf8(bytes).unwrap();
        }
        let mut text = String::new();
        GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        text
    };
    for name in ["v.jsonl", "v.jsonl.gz"] {
        embed(&home, name, &[]);
        let lines = read(name);
        assert_eq!(lines.lines().count(), 4);
        for (k, line) in lines.lines().enumerate() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["line"], k + 1);
            assert_eq!(row["text"], SENTENCES.lines().nth(k).unwrap());
            let vector: Vec<f32> = serde_json::from_value(row["vector"].clone()).unwrap();
            assert_eq!(vector, expected.row(k).to_vec(), "{name}");
        }
    }
    for name in ["v.csv", "v.csv.gz"] {
        embed(&home, name, &[]);
        let lines = read(name);
        let mut lines = lines.lines();
        let header = lines.next().unwrap();
        assert!(header.starts_with("line,text,v0,v1,") && header.ends_with(",v63"));
        let texts = [
            "1,the dog,",
            "2,\"a \"\"man\"\" , and\",",
            "3,,",
            "4,the man,",
        ];
        for (k, line) in lines.enumerate() {
            let numbers = line.strip_prefix(texts[k]).unwrap();
            let numbers: Vec<f32> = numbers.split(',').map(|x| x.parse().unwrap()).collect();
            assert_eq!(numbers, expected.row(k).to_vec(), "{name}");
        }
    }
    let standard_output = ["embed", "-m", "tiny-1layer", "the dog", "--format", "csv"];
    let found = text(&home.run(&standard_output, b"").stdout);
    assert!(
        found.starts_with("line,text,v0,") && found.contains("\n1,the dog,"),
        "{found}"
    );
    let arguments = ["embed", "-m", "tiny-1layer", "-i", "-"];
    let found = text(&home.run(&arguments, SENTENCES.as_bytes()).stdout);
    embed(&home, "v.jsonl", &[]);
    assert_eq!(found, read("v.jsonl"), "standard output by default");
    // Compressed inputs give the same vectors.
    fs::write(home.path("s.txt"), SENTENCES).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, SENTENCES.as_bytes()).unwrap();
    fs::write(home.path("s.txt.gz"), packed.finish().unwrap()).unwrap();
    home.run(
        &[
            "embed",
            "-m",
            "tiny-1layer",
            "-i",
            "s.txt.gz",
            "-o",
            "g.npy",
        ],
        b"",
    );
    assert_eq!(
        read_npy::<_, Array2<f32>>(home.path("g.npy")).unwrap(),
        expected
    );
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_holds_the_same_vectors() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, RowAccessor};

    let home = Home::new();
    let rows = |more: &[&str]| {
        embed(&home, "v.parquet", more);
        let file = fs::File::open(home.path("v.parquet")).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        let rows: Vec<(i64, String, Vec<f32>)> = rows
            .map(|row| {
                let row = row.unwrap();
                let numbers = row.get_list(2).unwrap().elements();
                let number = |field: &Field| match field {
                    Field::Float(x) => *x,
                    Field::Byte(x) => f32::from(*x),
                    Field::UByte(x) => f32::from(*x),
                    other => panic!("{other:?}"),
                };
                let text = row.get_string(1).unwrap().clone();
                (
                    row.get_long(0).unwrap(),
                    text,
                    numbers.iter().map(number).collect(),
                )
            })
            .collect();
        rows
    };
    for more in [
        &[][..],
        &["--output-precision", "ubinary"],
        &["--output-precision", "binary"],
    ] {
        embed(&home, "v.jsonl", more);
        let lines = fs::read_to_string(home.path("v.jsonl")).unwrap();
        let found = rows(more);
        assert_eq!(found.len(), 4);
        for ((number, text, vector), line) in found.iter().zip(lines.lines()) {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (row["line"].as_i64(), row["text"].as_str()),
                (Some(*number), Some(&text[..]))
            );
            let expected: Vec<f32> = serde_json::from_value(row["vector"].clone()).unwrap();
            assert_eq!(vector, &expected, "{more:?}");
        }
    }
    // More than one row group, and no rows.
    let many = "the dog\n".repeat(200_000);
    let arguments = [
        "embed",
        "-m",
        "tiny-1layer",
        "-i",
        "-",
        "-o",
        "many.parquet",
    ];
    home.run(&arguments, many.as_bytes());
    let reader = SerializedFileReader::new(fs::File::open(home.path("many.parquet")).unwrap());
    let reader = reader.unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.file_metadata().num_rows(), 200_000);
    assert!(metadata.num_row_groups() > 1);
    home.run(&arguments, b"");
    let reader = SerializedFileReader::new(fs::File::open(home.path("many.parquet")).unwrap());
    assert_eq!(reader.unwrap().metadata().file_metadata().num_rows(), 0);
}

#[test]
fn dimensions_are_cut_off_and_lengths_are_1() {
    let home = Home::new();
    let whole = npy(&home, &[]);
    assert_eq!(
        npy(&home, &["--truncate-dim", "10"]),
        whole.slice(s![.., ..10])
    );
    let unit = npy(&home, &["--truncate-dim", "10", "--normalize"]);
    assert_eq!(unit.dim(), (4, 10));
    for row in unit.rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
    for (dimensions, expected) in [
        ("65", "65 dimensions asked for, expected 1 to 64"),
        ("0", "--truncate-dim"),
    ] {
        let arguments = [&EMBED[..], &["--truncate-dim", dimensions]].concat();
        home.refused(&arguments, b"the dog\n", 2, &["--truncate-dim", expected]);
    }
}

#[test]
fn integers_need_the_ranges_of_the_model() {
    let home = Home::new();
    let int8 = ["--output-precision", "int8"];
    let remedy = [
        "--output-precision int8",
        "gensen calibrate DIR --input sentences.txt --pool last",
    ];
    home.refused(&[&EMBED[..], &int8].concat(), b"the dog\n", 1, &remedy);
    fs::write(
        home.path("text.txt"),
        "the dog\nthe man and a dog\n".repeat(60),
    )
    .unwrap();
    home.run(&["calibrate", "tiny-1layer", "-i", "text.txt"], b"");
    embed(&home, "i.npy", &int8);
    let signed: Array2<i8> = read_npy(home.path("i.npy")).unwrap();
    assert_eq!(signed.dim(), (4, 64));
    embed(&home, "u.npy", &["--output-precision", "uint8"]);
    let unsigned: Array2<u8> = read_npy(home.path("u.npy")).unwrap();
    assert_eq!(unsigned.mapv(|x| (i16::from(x) - 128) as i8), signed);
    embed(&home, "b.npy", &["--output-precision", "ubinary"]);
    let bits: Array2<u8> = read_npy(home.path("b.npy")).unwrap();
    assert_eq!(bits.dim(), (4, 8));
    let floats = npy(&home, &[]);
    for (row, bits) in floats.rows().into_iter().zip(bits.rows()) {
        for (k, x) in row.iter().enumerate() {
            assert_eq!(bits[k / 8] >> (7 - k % 8) & 1 == 1, *x > 0.0);
        }
    }
    home.refused(
        &[&EMBED[..], &["--output-precision", "int4"]].concat(),
        b"",
        2,
        &["ubinary"],
    );
    // The records of parts state the precision.
    fs::write(home.path("s.txt"), SENTENCES).unwrap();
    for (name, part) in [("a.npy", "1/2"), ("c.npy", "2/2")] {
        let arguments = [
            "embed",
            "-m",
            "tiny-1layer",
            "-i",
            "s.txt",
            "-o",
            name,
            "--part",
            part,
        ];
        home.run(&[&arguments[..], &int8].concat(), b"");
    }
    let told = text(&home.run(&["inspect", "a.npy", "c.npy"], b"").stdout);
    assert!(told.contains("4 vectors of 64 numbers"), "{told}");
    let csv = [
        "embed",
        "-m",
        "tiny-1layer",
        "-i",
        "s.txt",
        "-o",
        "a.csv",
        "--part",
        "1/2",
    ];
    home.refused(&csv, b"", 2, &["--part", ".npy or .jsonl"]);
}
