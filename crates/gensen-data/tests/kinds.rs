//! Batches of pairs, distillation, classification and next-sentence tasks, and errors in their
//! inputs.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gensen_data::batch::{Batch, Sentences};
use gensen_data::dataset::Dataset;
use gensen_data::prepare::{DataOptions, PreparedData, prepare};
use gensen_data::spec::TaskSpec;

fn task(toml: &str) -> TaskSpec {
    toml::from_str(toml).unwrap_or_else(|e| panic!("{toml}: {e}"))
}

fn run(base: &Path, toml: &str, options: &DataOptions) -> Result<PreparedData, String> {
    let tasks = [task(toml)];
    prepare(&tasks, options, &base.join("cache"), base, &|_| {})
        .map_err(|e| gensen_data::error::chain(&e))
}

fn prepared(base: &Path, toml: &str) -> PreparedData {
    run(base, toml, &DataOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn fault(base: &Path, toml: &str) -> String {
    let done = run(base, toml, &DataOptions::default());
    done.map(|_| ()).expect_err("it should be refused")
}

fn all(dataset: &Dataset) -> Batch {
    dataset.sequential(1 << 20).next().unwrap().unwrap()
}

/// Sentences as text, without `<s>` and `</s>`.
fn text(data: &PreparedData, sentences: &Sentences) -> Vec<String> {
    let word = |&id: &u32| data.source_vocabulary.word(id).unwrap();
    let sentence = |ids: &[u32]| {
        let inner = ids.get(1..ids.len().max(1) - 1).unwrap_or_default();
        inner.iter().map(word).collect::<Vec<_>>().join(" ")
    };
    sentences.iter().map(sentence).collect()
}

/// A `.npy` file as NumPy writes it.
fn npy(path: &Path, descr: &str, shape: &str, bytes: &[u8]) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let length = 118;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((length as u16).to_le_bytes());
    file.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    file.extend(bytes);
    fs::write(path, file).unwrap();
}

fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn pairs_have_a_negative_or_none() {
    let base = tempfile::tempdir().unwrap();
    let rows = "a dog\ta hound\ta cat\n\nit rains\tit pours\nb\tc\t \nd\te\tf\tignored\n";
    fs::write(base.path().join("p.tsv"), rows).unwrap();
    let data = prepared(base.path(), "name='p'\nkind='pairs'\ntrain='p.tsv'");
    assert_eq!(
        (data.report.inputs[0].kept, data.report.inputs[0].blank),
        (4, 1)
    );
    assert!(data.tasks[0].target_vocabularies.is_empty());
    let train = &data.tasks[0].train;
    let Batch::Pairs(batch) = all(train) else {
        panic!("another kind of batch")
    };
    assert_eq!(text(&data, &batch.first), ["a dog", "it rains", "b", "d"]);
    assert_eq!(
        text(&data, &batch.second),
        ["a hound", "it pours", "c", "e"]
    );
    assert_eq!(text(&data, &batch.negatives), ["a cat", "", "", "f"]);
    assert_eq!(
        batch.negatives.lengths,
        [4, 0, 0, 3],
        "none is no sentence at all"
    );
    assert_eq!(train.words(0), Some(12));
    assert_eq!(train.words(1), Some(8));
    for (rows, expected) in [
        (
            "a\tb\n\tc\n",
            "p.tsv, line 2: the pair's first sentence is empty",
        ),
        (
            "a\tb\nc\t \td\n",
            "p.tsv, line 2: the pair's second sentence is empty",
        ),
        ("a\tb\n\nc\n", "p.tsv, line 3: 1 tab-separated columns"),
        ("a\tb\n", "`train`: one example, expected at least 2"),
    ] {
        fs::write(base.path().join("p.tsv"), rows).unwrap();
        let error = fault(base.path(), "name='p'\nkind='pairs'\ntrain='p.tsv'");
        assert!(error.contains(expected), "{rows:?}: {error}");
    }
}

#[test]
fn pairs_without_any_negative() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("p.tsv"), "a\tb\nc\td\n").unwrap();
    let data = prepared(base.path(), "name='p'\nkind='pairs'\ntrain='p.tsv'");
    let Batch::Pairs(batch) = all(&data.tasks[0].train) else {
        panic!("another kind of batch")
    };
    assert_eq!(batch.negatives.lengths, [0, 0]);
    let parts = Batch::Pairs(batch).split(2);
    assert_eq!(parts.iter().map(Batch::len).collect::<Vec<_>>(), [1, 1]);
}

const DISTIL: &str = "name='t'\nkind='distillation'\n\
     train=[{path='a.txt', teacher='a.npy'}, {path='b.txt', teacher='b.npy', limit=2, shuffle=3}]";

/// Two files of sentences, with blank lines and one truncated sentence, and vectors that identify
/// their line.
fn teacher(base: &Path) {
    fs::write(base.join("a.txt"), "one\n\ntwo words here\n \nthree\n").unwrap();
    fs::write(base.join("b.txt"), "four\nfive\nsix\nseven").unwrap();
    let rows = |first: u16, count: u16| (first..first + count).flat_map(|row| [row as f32, 0.5]);
    let a: Vec<f32> = rows(1, 5).collect();
    npy(&base.join("a.npy"), "<f4", "(5, 2)", &f32s(&a));
    let b: Vec<u8> = rows(11, 4)
        .flat_map(|x| half::f16::from_f32(x).to_le_bytes())
        .collect();
    npy(&base.join("b.npy"), "<f2", "(4, 2)", &b);
}

#[test]
fn a_sentence_keeps_its_row_of_the_teachers_vectors() {
    let base = tempfile::tempdir().unwrap();
    teacher(base.path());
    let options = DataOptions {
        max_source_words: 2,
        ..DataOptions::default()
    };
    let data = run(base.path(), DISTIL, &options).unwrap();
    let train = &data.tasks[0].train;
    assert_eq!(train.teacher_width(), Some(2));
    let Batch::Distillation(batch) = all(train) else {
        panic!("another kind of batch")
    };
    let line = |sentence: &String| match sentence.as_str() {
        "one" => 1.0,
        "two words" => 3.0,
        "three" => 5.0,
        "four" => 11.0,
        "five" => 12.0,
        "six" => 13.0,
        "seven" => 14.0,
        other => panic!("{other}"),
    };
    let sentences = text(&data, &batch.sentences);
    assert_eq!(sentences[..3], ["one", "two words", "three"]);
    assert_eq!(sentences.len(), 5, "two of the second file are kept");
    let rows: Vec<f32> = sentences.iter().flat_map(|s| [line(s), 0.5]).collect();
    assert_eq!(batch.vectors, rows);
    let reversed: Vec<u64> = (0..5).rev().collect();
    let Batch::Distillation(batch) = train.batch_of(&reversed).unwrap() else {
        panic!("another kind of batch")
    };
    let rows: Vec<f32> = sentences
        .iter()
        .rev()
        .flat_map(|s| [line(s), 0.5])
        .collect();
    assert_eq!(batch.vectors, rows);
}

#[test]
fn wrong_teachers_are_named() {
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name);
    let good = f32s(&[1.0, 0.5].repeat(5));
    let with = |place: usize, number: f32| {
        let mut numbers = [1.0, 0.5].repeat(5);
        numbers[place] = number;
        f32s(&numbers)
    };
    let zeros = f32s(&[[1.0, 0.5].repeat(3), vec![0.0, 0.0], vec![1.0, 0.5]].concat());
    for (descr, shape, bytes, expected) in [
        (
            "<f4",
            "(5, 2)",
            with(5, f32::NAN),
            "a.npy: row 2, column 1 (counted from 0) is NaN",
        ),
        (
            "<f4",
            "(5, 2)",
            with(8, f32::INFINITY),
            "a.npy: row 4, column 0 (counted from 0) is inf",
        ),
        (
            "<f4",
            "(5, 2)",
            zeros,
            "a.npy: row 3 (counted from 0) is zero",
        ),
        ("<f4", "(4, 2)", f32s(&[1.0; 8]), "a.npy: 4 rows, but "),
        ("<f4", "(4, 2)", f32s(&[1.0; 8]), "a.txt has 5 lines"),
        (
            "<f8",
            "(5, 2)",
            vec![1; 80],
            "numbers of type '<f8', expected '<f2' or '<f4'",
        ),
        (
            "<f4",
            "(10,)",
            good.clone(),
            "an array of shape [10], expected [sentences, width]",
        ),
        ("<f4", "(5, 0)", Vec::new(), "an array of shape [5, 0]"),
        (
            "<f4",
            "(5, 3)",
            good.clone(),
            "40 bytes after the header, which specifies 5 rows of 3",
        ),
        (
            "<f4",
            "(18446744073709551615, 2)",
            good.clone(),
            "40 bytes after the header",
        ),
    ] {
        teacher(base.path());
        npy(&at("a.npy"), descr, shape, &bytes);
        let error = fault(base.path(), DISTIL);
        assert!(
            error.starts_with("task `t`: ") && error.contains(expected),
            "{error}"
        );
    }
    teacher(base.path());
    fs::write(at("a.npy"), b"PK\x03\x04").unwrap();
    assert!(fault(base.path(), DISTIL).contains("a.npy: not a .npy file"));
    fs::write(at("a.npy"), b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap();
    assert!(fault(base.path(), DISTIL).contains("its header has 4294967295 bytes"));
    npy(&at("a.npy"), "<f4", "(5, 3)", &f32s(&[1.0; 15]));
    let error = fault(base.path(), DISTIL);
    assert!(
        error.contains("b.npy: vectors of width 2, but ") && error.ends_with("a.npy have width 3"),
        "{error}"
    );
    teacher(base.path());
    let held_out = format!("{DISTIL}\nvalidation={{path='a.txt', teacher='v.npy'}}");
    npy(&at("v.npy"), "<f4", "(5, 3)", &f32s(&[1.0; 15]));
    let error = fault(base.path(), &held_out);
    assert!(
        error.contains("`validation`: its teacher's vectors have width 3, but those of `train` 2"),
        "{error}"
    );
    let error = fault(base.path(), "name='t'\nkind='distillation'\ntrain='a.txt'");
    assert!(error.contains("`teacher`: missing"), "{error}");
    let error = fault(
        base.path(),
        "name='t'\nkind='seq2seq'\ntrain={path='a.txt', teacher='a.npy'}",
    );
    assert!(
        error.contains("`teacher`: only for a task of kind distillation"),
        "{error}"
    );
}

#[test]
fn labels_are_sorted_and_those_of_training() {
    let base = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(base.path().join(name), text).unwrap();
    write(
        "c.tsv",
        "pos\tgood film\nneg\tbad film\n\nmixed\tso so\npos\tfine\n",
    );
    write("v.tsv", "neg\tawful\n");
    let toml = "name='c'\nkind='classification'\ntrain='c.tsv'\nvalidation='v.tsv'";
    let data = prepared(base.path(), toml);
    assert_eq!(data.tasks[0].labels, ["mixed", "neg", "pos"]);
    let Batch::Classification(batch) = all(&data.tasks[0].train) else {
        panic!("another kind of batch")
    };
    assert_eq!((&*batch.labels, batch.second), (&[2, 1, 0, 2][..], None));
    assert_eq!(text(&data, &batch.first)[1], "bad film");
    let Some(Batch::Classification(batch)) = data.tasks[0].validation.as_ref().map(all) else {
        panic!("another kind of batch")
    };
    assert_eq!(batch.labels, [1]);
    // The second preparation uses the cache.
    assert_eq!(
        prepared(base.path(), toml).tasks[0].labels,
        ["mixed", "neg", "pos"]
    );

    write("p.tsv", "1\ta\tb\n0\tc\td\n");
    let data = prepared(
        base.path(),
        "name='p'\nkind='classification'\ntrain='p.tsv'",
    );
    let Batch::Classification(batch) = all(&data.tasks[0].train) else {
        panic!("another kind of batch")
    };
    let second = batch.second.as_ref().map(|second| text(&data, second));
    assert_eq!(
        (batch.labels, second),
        (vec![1, 0], Some(vec!["b".into(), "d".into()]))
    );

    for (train, validation, expected) in [
        (
            "x\ta\ny\tb\n",
            "x\ta\nz\tb\n",
            "v.tsv, line 2: label `z` does not occur in the training data",
        ),
        (
            "x\ta\ny\tb\tc\n",
            "x\ta\n",
            "c.tsv, line 2: 3 tab-separated columns, but the task's first row has 2",
        ),
        (
            "x\ta\ny\tb\n",
            "x\ta\tb\n",
            "v.tsv, line 1: 3 tab-separated columns",
        ),
        (
            "x\ta\nx\tb\n",
            "x\ta\n",
            "`train`: its examples have 1 labels",
        ),
        (
            "x\ta\n \tb\n",
            "x\ta\n",
            "c.tsv, line 2: the label is empty",
        ),
        (
            "x\ta\ny\t \n",
            "x\ta\n",
            "c.tsv, line 2: a sentence is empty",
        ),
        ("x\n", "x\ta\n", "c.tsv, line 1: 1 tab-separated columns"),
    ] {
        write("c.tsv", train);
        write("v.tsv", validation);
        let error = fault(base.path(), toml);
        assert!(error.contains(expected), "{train:?}: {error}");
    }
}

#[test]
fn next_sentences_are_read_with_the_source_vocabulary() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("b.txt"), "a a\nb\nc\nd\n\ne\nf\ng\n").unwrap();
    let toml = "name='s'\nkind='skip-thought'\nobjective='contrast'\ntrain='b.txt'";
    let data = prepared(base.path(), toml);
    assert!(data.tasks[0].target_vocabularies.is_empty());
    let train = &data.tasks[0].train;
    let Batch::Pairs(batch) = all(train) else {
        panic!("another kind of batch")
    };
    assert_eq!(text(&data, &batch.first), ["b", "c", "f"]);
    assert_eq!(text(&data, &batch.second), ["c", "d", "g"]);
    assert_eq!(batch.negatives.lengths, [0, 0, 0]);
    assert_eq!(train.words(0), Some(6));
}

#[test]
fn further_words_fill_the_source_vocabulary_up() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("p.tsv"), "b b\ta\na\tb\n").unwrap();
    let toml = "name='p'\nkind='pairs'\ntrain='p.tsv'";
    let options = |source_words: usize, min_count: u64| DataOptions {
        source_words,
        min_count,
        further_words: ["x", "a", "y", "z"].map(String::from).into(),
        ..DataOptions::default()
    };
    let words = |source_words, min_count| {
        let data = run(base.path(), toml, &options(source_words, min_count)).unwrap();
        let words = data.source_vocabulary.words().skip(4);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(1, 1), ["b"]);
    assert_eq!(words(3, 1), ["b", "a", "x"]);
    assert_eq!(words(4, 1), ["b", "a", "x", "y"]);
    assert_eq!(words(9, 1), ["b", "a", "x", "y", "z"]);
    assert_eq!(words(3, 2), ["b", "a", "x"]);
    assert_eq!(words(3, 3), ["b", "x", "a"]);
    assert_eq!(words(3, 4), ["x", "a", "y"]);
    let none = DataOptions {
        further_words: Arc::default(),
        ..options(3, 4)
    };
    let error = run(base.path(), toml, &none).err();
    let expected = "`min_count`: 4: no word occurs so often";
    assert!(
        error.as_ref().is_some_and(|e| e.contains(expected)),
        "{error:?}"
    );
}

#[test]
fn settings_of_other_kinds_are_refused() {
    for (toml, expected) in [
        ("kind='nli'\ntemperature=0.1", "`temperature`: only for"),
        (
            "kind='pairs'\ntemperature=0.0",
            "`temperature`: 0, expected a positive number",
        ),
        (
            "kind='pairs'\nwidths=[64, 32]",
            "`widths`: [64, 32], expected",
        ),
        ("kind='pairs'\nwidths=[]", "`widths`: [], expected"),
        ("kind='distillation'\nwidths=[8]", "`widths`: only for"),
        (
            "kind='pairs'\ncosine_weight=1.0",
            "`cosine_weight`: only for a task of kind distillation",
        ),
        (
            "kind='distillation'\nmatrix_weight=-1.0",
            "`matrix_weight`: -1, expected",
        ),
        (
            "kind='pairs'\nobjective='contrast'",
            "`objective`: only for a task of kind skip-thought",
        ),
        ("kind='next-sentence'", "`kind`: `next-sentence`: expected"),
        (
            "kind='skip-thought'\nobjective='contrast'\nneighbours=['next']",
            "`neighbours`: only for a skip-thought task that decodes",
        ),
    ] {
        let toml = format!("name='x'\ntrain='x'\n{toml}");
        let error = task(&toml)
            .check()
            .map_err(|e| gensen_data::error::chain(&e));
        assert!(
            error.as_ref().is_err_and(|e| e.contains(expected)),
            "{toml}: {error:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_by_name_before_it_is_read() {
    let base = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(base.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    // A pipe without a writer: reading it would block for ever.
    let said = fault(base.path(), "name='p'\nkind='pairs'\ntrain='pipe'");
    assert!(said.contains("pipe: not a regular file"), "{said}");
}

#[test]
fn a_git_lfs_pointer_is_named() {
    let base = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    fs::write(base.path().join("p.tsv"), pointer).unwrap();
    let said = fault(base.path(), "name='p'\nkind='pairs'\ntrain='p.tsv'");
    assert!(
        said.contains("p.tsv") && said.contains("git lfs pull"),
        "{said}"
    );
}
