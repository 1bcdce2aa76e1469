//! All formats of word vectors give the same table.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use gensen_expand::{ReadOptions, VectorFormat, WordSelection, WordVectors};
use ndarray::{Array2, array};
use ndarray_npy::WriteNpyExt;
use tempfile::TempDir;

const WORDS: [&str; 4] = ["the", "nb\u{a0}sp", "语", "\u{85}\u{2003}"];

fn matrix() -> Array2<f32> {
    array![
        [0.25, -1.5e-3, 3.0],
        [1.0, 2.0, 3.5],
        [-0.125, 0.1, 1e-20],
        [7.0, -8.0, 9.0]
    ]
}

/// Rows of text, each ending with `end`.
fn text(end: &str) -> String {
    let mut text = String::new();
    for (word, row) in WORDS.iter().zip(matrix().rows()) {
        writeln!(text, "{word} {} {} {}{end}", row[0], row[1], row[2]).unwrap();
    }
    text
}

fn binary(line_feeds: bool) -> Vec<u8> {
    let mut bytes = b"4 3\n".to_vec();
    for (word, row) in WORDS.iter().zip(matrix().rows()) {
        bytes.extend(word.bytes());
        bytes.push(b' ');
        row.iter()
            .for_each(|value| bytes.extend(value.to_le_bytes()));
        bytes.extend(line_feeds.then_some(b'\n'));
    }
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn assert_table(path: &Path, format: VectorFormat, options: &ReadOptions) {
    let all = WordVectors::read(path, &WordSelection::all(), options).unwrap();
    assert_eq!(all.words(), WORDS, "{}", path.display());
    assert_eq!(all.matrix(), matrix(), "{}", path.display());
    let report = all.report();
    assert_eq!(
        (
            report.format,
            report.rows,
            report.dimensions,
            report.duplicates
        ),
        (format, 4, 3, 0),
        "{report}"
    );

    let some =
        WordVectors::read(path, &WordSelection::of(["语", "the", "absent"]), options).unwrap();
    assert_eq!(some.words(), ["the", "语"], "{}", path.display());
    assert_eq!(
        some.get("语").unwrap(),
        matrix().row(2),
        "{}",
        path.display()
    );
    assert_eq!(some.report().rows, 4);
}

#[test]
fn text_formats() {
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions::default();
    let glove = text("");
    let fasttext = format!("4 3\n{}", text(" "));
    for (name, content) in [
        ("glove.txt", glove.clone()),
        (
            "no-final-line-feed.txt",
            glove.trim_end_matches('\n').to_owned(),
        ),
        ("word2vec.txt", format!("4 3\n{glove}")),
        ("fasttext.vec", fasttext.clone()),
        (
            "header-no-final-line-feed.txt",
            fasttext.trim_end().to_owned(),
        ),
        ("windows.txt", text("\r")),
    ] {
        assert_table(&file(&folder, name, &content), VectorFormat::Text, &options);
        assert_table(
            &file(&folder, &format!("{name}.gz"), gzip(content.as_bytes())),
            VectorFormat::Text,
            &options,
        );
    }
    let mut two_members = gzip(&glove.as_bytes()[..20]);
    two_members.extend(gzip(&glove.as_bytes()[20..]));
    assert_table(
        &file(&folder, "members.gz", two_members),
        VectorFormat::Text,
        &options,
    );
}

#[test]
fn one_row_below_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "one.txt", "1 2\nthe 0.5 -1");
    let vectors = WordVectors::read(&path, &WordSelection::all(), &ReadOptions::default()).unwrap();
    assert_eq!(vectors.get("the").unwrap().to_vec(), [0.5, -1.0]);
}

#[test]
fn word2vec_binary() {
    let folder = tempfile::tempdir().unwrap();
    for line_feeds in [true, false] {
        let path = file(&folder, "vectors.bin", binary(line_feeds));
        assert_table(&path, VectorFormat::Word2vecBinary, &ReadOptions::default());
    }
    let path = file(&folder, "vectors.bin.gz", gzip(&binary(true)));
    assert_table(&path, VectorFormat::Word2vecBinary, &ReadOptions::default());
}

#[test]
fn npy_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors.npy");
    matrix().write_npy(File::create(&path).unwrap()).unwrap();
    let list = file(&folder, "vectors.txt", WORDS.join("\n"));
    assert_table(&path, VectorFormat::Npy, &ReadOptions::default());

    // In column-major order, and with the word list in another file.
    matrix()
        .reversed_axes()
        .as_standard_layout()
        .reversed_axes()
        .write_npy(File::create(&path).unwrap())
        .unwrap();
    let elsewhere = folder.path().join("words.list");
    fs::rename(list, &elsewhere).unwrap();
    assert_table(
        &path,
        VectorFormat::Npy,
        &ReadOptions {
            words: Some(elsewhere.clone()),
            ..Default::default()
        },
    );

    matrix()
        .mapv(f64::from)
        .write_npy(File::create(&path).unwrap())
        .unwrap();
    assert_table(
        &path,
        VectorFormat::Npy,
        &ReadOptions {
            words: Some(elsewhere),
            ..Default::default()
        },
    );
}

#[test]
fn blocks_are_merged_in_order() {
    // Several megabytes, for several blocks and batches; every 1,000th word is repeated.
    let folder = tempfile::tempdir().unwrap();
    let mut content = String::new();
    let rows = 400_000;
    for i in 0..rows {
        writeln!(
            content,
            "w{} {i} 0.5 -0.25 1.125 3.0625 0.0078125",
            i - usize::from(i % 1000 == 999)
        )
        .unwrap();
    }
    let path = file(&folder, "many.txt", &content);
    let vectors = WordVectors::read(&path, &WordSelection::all(), &ReadOptions::default()).unwrap();
    let report = vectors.report();
    assert_eq!(
        (report.rows, report.duplicates),
        (rows as u64, rows as u64 / 1000),
        "{report}"
    );
    assert_eq!(report.duplicate_examples[1].line, 2000);
    for (position, word) in vectors.words().iter().enumerate().step_by(997) {
        assert_eq!(vectors.position(word), Some(position));
        let number: usize = word[1..].parse().unwrap();
        let expected = if number % 1000 == 998 {
            number + 1
        } else {
            number
        };
        assert_eq!(vectors.get(word).unwrap()[0], expected as f32);
    }

    let broken = content.replacen("w390001 390001 0.5", "w390001 390001 0.5x", 1);
    let error = WordVectors::read(
        &file(&folder, "broken.txt", broken),
        &WordSelection::all(),
        &ReadOptions::default(),
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.ends_with("broken.txt:390002: dimension 2 is \"0.5x\", not a number"),
        "{message}"
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_word() {
    let folder = TempDir::new().unwrap();
    let marked = |text: &str| format!("\u{feff}{text}");
    let plain = marked(&text(""));
    let header = marked(&format!("4 3\n{}", text("")));
    for (name, bytes) in [
        ("plain", plain.as_bytes().to_vec()),
        ("header", header.into_bytes()),
        ("packed", gzip(plain.as_bytes())),
    ] {
        let path = file(&folder, name, bytes);
        assert_table(&path, VectorFormat::Text, &ReadOptions::default());
    }
    let path = folder.path().join("m.npy");
    matrix().write_npy(File::create(&path).unwrap()).unwrap();
    file(&folder, "m.txt", marked(&WORDS.join("\n")));
    assert_table(&path, VectorFormat::Npy, &ReadOptions::default());
    let files = ReadOptions::default().files(&path).unwrap();
    assert_eq!(files, [path, folder.path().join("m.txt")]);
}
