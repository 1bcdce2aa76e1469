//! Errors of invalid input, which name the file, the line and what to do.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::{
    fs::{self, File},
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use flate2::{Compression, write::GzEncoder};
use gensen_expand::{
    EmbeddingTable, FitOptions, LinearMap, ReadOptions, SPECIAL_WORDS, VocabularyMap,
    WordSelection, WordVectors,
};
use ndarray::{Array2, array};
use ndarray_npy::WriteNpyExt;
use tracing::span::{Attributes, Id, Record};

fn read_named(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<WordVectors, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    WordVectors::read(&path, &WordSelection::all(), options).map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

fn message(bytes: &[u8]) -> String {
    read_named("v", bytes, &ReadOptions::default()).expect_err("must be refused")
}

#[test]
fn rows_of_text() {
    assert_eq!(
        message(b"a 1 2\nb 1\nc 1 2\n"),
        "v:2: 2 fields, expected 3 (a word and 2 numbers)"
    );
    assert_eq!(
        message(b"a 1 2\nb 1 2 3\nc 1 2\n"),
        "v:2: 4 fields, expected 3 (a word and 2 numbers)"
    );
    assert_eq!(
        message(b"a 1 2\nb 1 2\n\nc 1 2\n"),
        "v:3: 0 fields, expected 3 (a word and 2 numbers)"
    );
    assert_eq!(
        message(b"a 1 2\nb 1 2\nc 1 x\n"),
        "v:3: dimension 2 is \"x\", not a number"
    );
    assert_eq!(
        message(b"a 1 2\nb nan 2\nc 1 2\n"),
        "v:2: dimension 1 is NaN, not a finite 32-bit number"
    );
    assert_eq!(
        message(b"a 1 2\nb 1 -Infinity\n"),
        "v:2: dimension 2 is -inf, not a finite 32-bit number"
    );
    // A file truncated in its last row.
    assert_eq!(
        message(b"a 1 2\nb 1 2\nc 1"),
        "v:3: 2 fields, expected 3 (a word and 2 numbers)"
    );
}

#[test]
fn headers() {
    let promise = |n| {
        format!(
            "v: found 2 rows, expected {n}; the file is truncated, or its header or word list belongs to another file"
        )
    };
    assert_eq!(message(b"3 2\na 1 2\nb 1 2\n"), promise(3));
    assert_eq!(message(b"1 2\na 1 2\nb 1 2\n"), promise(1));
    assert_eq!(
        message(b"2 5\na 1 2\nb 1 2\n"),
        "v:1: the header specifies 5 dimensions, the rows have 2"
    );
    assert_eq!(
        message(b"2 0\na\nb\n"),
        "v: 0 dimensions, expected 1 to 65536"
    );
    assert!(message(b"2 2\n").starts_with("v: found 0 rows, expected 2"));
    assert_eq!(
        message(b"word\nword\n"),
        "v: 0 dimensions, expected 1 to 65536"
    );
    assert_eq!(message(b""), "v: no word vectors");
    let given = ReadOptions {
        dimensions: Some(3),
        ..Default::default()
    };
    let error =
        read_named("v", b"a 1 2\nb 1 2\n", &given).expect_err("three numbers were asked for");
    assert_eq!(error, "v:1: 3 fields, expected 4 (a word and 3 numbers)");
}

#[test]
fn words_that_are_not_utf8_are_counted() {
    let vectors = read_named(
        "v",
        b"a 1 2\n\xff\xfe 1 2\nb 1 2\n",
        &ReadOptions::default(),
    )
    .unwrap();
    assert_eq!(vectors.words(), ["a", "b"]);
    assert_eq!(
        (vectors.report().not_utf8, vectors.report().first_not_utf8),
        (1, Some(2))
    );
    assert!(
        vectors
            .report()
            .to_string()
            .ends_with("1 words are not UTF-8 (the first at line 2)")
    );
}

#[test]
fn truncated_gzip() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for i in 0..20_000 {
        writeln!(encoder, "w{i} {} {}", i * 7919 % 1000, i * 104_729 % 997).unwrap();
    }
    let bytes = encoder.finish().unwrap();
    let error = message(&bytes[..bytes.len() - 4]);
    assert!(
        error.starts_with("v: the compressed file is truncated after line "),
        "{error}"
    );
    let error = message(&bytes[..5]);
    assert_eq!(
        error,
        "v: the compressed file is truncated after line 0; download it again"
    );
}

#[test]
fn damaged_word2vec_binary() {
    let row = |word: &str, values: [f32; 2]| {
        [
            word.as_bytes(),
            b" ",
            &values.map(f32::to_le_bytes).concat(),
            b"\n",
        ]
        .concat()
    };
    let whole = [
        b"2 2\n".to_vec(),
        row("a", [0.5, 1.0]),
        row("b", [1.5, 2.0]),
    ]
    .concat();
    assert!(read_named("v", &whole, &ReadOptions::default()).is_ok());
    // Before the first number the file cannot be distinguished from text.
    for cut in 7..whole.len() - 1 {
        let error = message(&whole[..cut]);
        let row = if cut < 14 { 1 } else { 2 };
        assert_eq!(
            error,
            format!("v:{row}: the file ends in row {row} of 2; it is truncated"),
            "cut at {cut}"
        );
    }
    let more = [whole.clone(), row("c", [1.0, 1.0])].concat();
    assert!(
        message(&more).starts_with("v: found 3 rows, expected 2"),
        "{}",
        message(&more)
    );
    let nan = [b"1 2\n".to_vec(), row("a", [0.5, f32::NAN])].concat();
    assert_eq!(
        message(&nan),
        "v:1: dimension 2 is NaN, not a finite 32-bit number"
    );
    let endless = [&b"1 2\n\x01"[..], &[b'x'; 5000]].concat();
    assert_eq!(message(&endless), "v:1: longer than 4096 bytes");
}

#[test]
fn other_formats() {
    assert_eq!(
        message(b"\x80\x02}q\x00."),
        "v: neither text of the form `word number ...`, word2vec binary, HDF5 nor .npy"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    array![[1.0f32, 2.0], [3.0, f32::INFINITY]]
        .write_npy(File::create(&path).unwrap())
        .unwrap();
    let read = || {
        WordVectors::read(&path, &WordSelection::all(), &ReadOptions::default())
            .expect_err("must be refused")
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    };
    assert_eq!(
        read(),
        "v.npy: a .npy matrix needs a list of its words, one a line; cannot read v.txt"
    );
    fs::write(folder.path().join("v.txt"), "a\n").unwrap();
    assert!(
        read().starts_with("v.txt: found 1 rows, expected 2"),
        "{}",
        read()
    );
    fs::write(folder.path().join("v.txt"), "a\n\n").unwrap();
    assert_eq!(read(), "v.txt:2: an empty word");
    fs::write(folder.path().join("v.txt"), "a\nb\n").unwrap();
    assert_eq!(
        read(),
        "v.npy:2: dimension 2 is inf, not a finite 32-bit number"
    );
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(
        read().starts_with("v.npy: not readable as .npy: "),
        "{}",
        read()
    );
    array![1.0f32, 2.0]
        .write_npy(File::create(&path).unwrap())
        .unwrap();
    assert!(
        read().starts_with("v.npy: not readable as .npy: "),
        "{}",
        read()
    );
}

#[cfg(feature = "hdf5")]
#[test]
fn damaged_hdf5_is_an_error() {
    let whole = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/reference/glove-tiny.h5"
    ))
    .unwrap();
    for cut in [8, 100, 2000, whole.len() / 2] {
        let error = message(&whole[..cut]);
        assert!(
            error.starts_with("v: not readable as HDF5: "),
            "cut at {cut}: {error}"
        );
    }
}

/// An encoder of width 1 with the special words and `w0`, `w1`, ...
fn encoder(words: usize) -> (Vec<String>, Array2<f32>) {
    let names = SPECIAL_WORDS
        .map(String::from)
        .into_iter()
        .chain((0..words).map(|i| format!("w{i}")))
        .collect();
    (
        names,
        Array2::from_shape_fn((words + 4, 1), |(i, _)| (i * i % 7) as f32),
    )
}

fn vectors(words: usize, dimensions: usize) -> WordVectors {
    let names: Vec<String> = (0..words).map(|i| format!("w{i}")).collect();
    let matrix = Array2::from_shape_fn((words, dimensions), |(i, j)| {
        ((i * 31 + j * j * 17 + i * j * 7) % 23) as f32
    });
    WordVectors::from_rows(names, matrix).unwrap()
}

#[test]
fn too_few_shared_words() {
    let (names, rows) = encoder(5);
    let own = EmbeddingTable::new(&names, rows.view()).unwrap();
    let vectors = vectors(5, 5);
    let error = VocabularyMap::fit_tables(&own, &vectors, &FitOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "only 5 of the encoder's 9 words are among the 5 word vectors that were read; vectors of \
             5 dimensions need at least 6"
        ),
        "{error}"
    );
    assert!(error.contains("ridge"), "{error}");
    assert!(VocabularyMap::fit_tables(&own, &vectors, &FitOptions { ridge: 0.1 }).is_ok());
    for ridge in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(
            VocabularyMap::fit_tables(&own, &vectors, &FitOptions { ridge }).is_err(),
            "ridge {ridge}"
        );
    }
}

#[test]
fn tables_and_lists() {
    let (names, rows) = encoder(9);
    let own = EmbeddingTable::new(&names, rows.view()).unwrap();
    let vectors = vectors(9, 2);
    let map = VocabularyMap::fit_tables(&own, &vectors, &FitOptions::default()).unwrap();
    let expand = |words: &[&str]| {
        map.expand_table(&own, words)
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        expand(&[]),
        Err("the list of words to expand to is empty".into())
    );
    assert_eq!(
        expand(&["a", ""]),
        Err("word 2 of the list to expand to is empty".into())
    );
    assert_eq!(
        expand(&["<s>", "w1", "<unk>", "w1"]).unwrap().words[4..],
        ["w1"]
    );

    let wide = Array2::zeros((13, 2));
    let other = EmbeddingTable::new(&names, wide.view()).unwrap();
    let error = map.expand_table(&other, ["w1"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the map is to embeddings of width 1, the encoder's width is 2"
    );

    let table = |words: &[String], rows| {
        EmbeddingTable::new(words, rows)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        table(&names[1..], rows.view()),
        Err("12 words for 13 rows of the embedding".into())
    );
    let (mut swapped, mut repeated) = (names.clone(), names.clone());
    swapped.swap(1, 2);
    let error = "word 1 of the vocabulary is Some(\"</s>\"), expected the special word \"<pad>\"";
    assert_eq!(table(&swapped, rows.view()), Err(error.into()));
    repeated[7] = "w0".into();
    assert_eq!(
        table(&repeated, rows.view()),
        Err("\"w0\" occurs twice in the vocabulary, with ids 4 and 7".into())
    );

    let mut damaged = rows.clone();
    damaged[(5, 0)] = f32::NAN;
    let own = EmbeddingTable::new(&names, damaged.view()).unwrap();
    let error = VocabularyMap::fit_tables(&own, &vectors, &FitOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the encoder's embedding of \"w1\" (word 5) is not finite"
    );
}

#[test]
fn saved_maps() {
    let (names, rows) = encoder(9);
    let own = EmbeddingTable::new(&names, rows.view()).unwrap();
    let at_fit = vectors(9, 2);
    let map = VocabularyMap::fit_tables(&own, &at_fit, &FitOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.safetensors");
    map.linear().save(&path).unwrap();

    let error = VocabularyMap::new(LinearMap::load(&path).unwrap(), &vectors(9, 3))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the map expects word vectors of 2 dimensions, these have 3"
    );
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = LinearMap::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("map.safetensors: not a vocabulary map"),
            "cut at {cut}: {error}"
        );
    }
    let mut damaged = whole.clone();
    let end = damaged.len();
    damaged[end - 8..].copy_from_slice(&f64::NAN.to_le_bytes());
    fs::write(&path, damaged).unwrap();
    let error = LinearMap::load(&path).unwrap_err().to_string();
    assert!(
        error.contains("expected finite F64") && error.contains("found NaN"),
        "{error}"
    );
    // The folder is a file.
    let nowhere = path.join("map.safetensors");
    let error = map.linear().save(&nowhere).unwrap_err().to_string();
    assert!(error.contains("map.safetensors/map.safetensors"), "{error}");
}

/// Counts warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn vectors_of_another_case_are_warned_about() {
    let warnings = |vector_case: fn(&str) -> String| {
        let (names, rows) = encoder(60);
        let own = EmbeddingTable::new(&names, rows.view()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.txt");
        let word = |i: usize| {
            if i < 20 {
                vector_case(&names[i + 4])
            } else {
                names[i + 4].clone()
            }
        };
        let text: Vec<String> = (0..60)
            .map(|i| format!("{} {i} {}", word(i), i * i % 7))
            .collect();
        fs::write(&path, text.join("\n")).unwrap();
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            let selection = WordSelection::of(&names);
            let vectors = WordVectors::read(&path, &selection, &ReadOptions::default()).unwrap();
            let map = VocabularyMap::fit_tables(&own, &vectors, &FitOptions::default()).unwrap();
            assert_eq!(map.linear().report().overlap.shared_if_lowercased, 60);
        });
        warnings.0.load(Ordering::Relaxed)
    };
    assert_eq!(warnings(str::to_uppercase), 1);
    assert_eq!(warnings(str::to_owned), 0);
}
