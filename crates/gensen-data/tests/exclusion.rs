//! Excluding evaluation sentences from training, and keeping a model's vocabulary.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::fs;
use std::path::Path;

use gensen_data::batch::{Batch, Sentences};
use gensen_data::dataset::Dataset;
use gensen_data::prepare::{DataOptions, PreparedData, prepare};
use gensen_data::spec::TaskSpec;

fn prepared(home: &Path, task: &str, options: &DataOptions) -> PreparedData {
    let task: TaskSpec = toml::from_str(&format!("name = 't'\n{task}")).unwrap();
    prepare(&[task], options, &home.join("cache"), home, &|_| {}).unwrap()
}

fn excluding(files: &[&str]) -> DataOptions {
    DataOptions {
        exclude_sentences: files.iter().map(Into::into).collect(),
        ..DataOptions::default()
    }
}

/// The source sentences of a data set as words.
fn sources(data: &PreparedData, split: &Dataset) -> Vec<String> {
    let indices: Vec<u64> = (0..split.len()).collect();
    let batch = split.batch_of(&indices).unwrap();
    in_words(data, batch.first_sentences())
}

/// Sentences as words, without special words.
fn in_words(data: &PreparedData, sentences: &Sentences) -> Vec<String> {
    let words = |ids: &[u32]| {
        // An absent sentence has no special words either.
        let words = ids
            .get(1..ids.len().saturating_sub(1))
            .unwrap_or_default()
            .iter();
        let words = words.map(|id| data.source_vocabulary.word(*id).unwrap());
        words.collect::<Vec<_>>().join(" ")
    };
    sentences.iter().map(words).collect()
}

#[test]
fn pairs_with_a_sentence_of_the_files_are_left_out_of_training_alone() {
    let home = tempfile::tempdir().unwrap();
    let rows = "a man plays the guitar .\tun homme joue\n\
                a woman reads a long book\tune femme lit un livre\n\
                it rains\til pleut\n\
                nobody is measured here\tpersonne\n";
    fs::write(home.path().join("a.tsv"), rows).unwrap();
    // The first is excluded by its source and the second by its target; the third is too short.
    let measured = "5\tA man plays the guitar!\tUne femme lit un livre.\nit rains\n";
    fs::write(home.path().join("measured.csv"), measured).unwrap();
    let task = "kind = 'translation'\ntrain = 'a.tsv'\nvalidation = 'a.tsv'";
    let data = prepared(home.path(), task, &excluding(&["measured.csv"]));
    let left = ["it rains", "nobody is measured here"];
    assert_eq!(sources(&data, &data.tasks[0].train), left);
    assert_eq!(data.tasks[0].validation.as_ref().unwrap().len(), 4);
    let [train, validation] = &data.report.inputs[..] else {
        panic!("two inputs")
    };
    assert_eq!((train.read, train.kept, train.excluded), (4, 2, 2));
    assert_eq!((validation.kept, validation.excluded), (4, 0));
    assert!(train.to_string().contains("2 kept, 2 excluded"), "{train}");
}

#[test]
fn running_text_loses_the_sentence_and_its_triples() {
    let home = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..9)
        .map(|k| format!("this is sentence number {k} ."))
        .collect();
    fs::write(home.path().join("a.txt"), lines.join("\n")).unwrap();
    fs::write(home.path().join("measured"), "This is sentence number 4\n").unwrap();
    let task = "kind = 'skip-thought'\ntrain = 'a.txt'";
    let data = prepared(home.path(), task, &excluding(&["measured"]));
    let middle = [1, 2, 6, 7].map(|k| format!("this is sentence number {k} ."));
    assert_eq!(sources(&data, &data.tasks[0].train), middle);
    assert_eq!(data.report.inputs[0].excluded, 1);
}

#[test]
fn triples_trees_and_inference_pairs_are_left_out_too() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write(
        "measured",
        "the measured sentence\nthe dog runs in the park\n",
    );
    write("source", "one here\ntwo here\n");
    write("next", "The measured sentence .\nfour here\n");
    write("previous", "five here\nsix here\n");
    let options = excluding(&["measured"]);
    let task = "kind = 'skip-thought'\n\
                train = { source = 'source', next = 'next', previous = 'previous' }";
    let data = prepared(home.path(), task, &options);
    assert_eq!(sources(&data, &data.tasks[0].train), ["two here"]);
    assert_eq!(data.report.inputs[0].excluded, 1);

    let tree = "(S (NP (DT The) (NN dog)) (VP (VBZ runs) (PP (IN in) (NP (DT the) (NN park)))))\n\
                (S (NP (NNS dogs)) (VP (VBP run)))\n";
    write("trees.mrg", tree);
    let data = prepared(
        home.path(),
        "kind = 'parsing'\ntrain = 'trees.mrg'",
        &options,
    );
    assert_eq!(sources(&data, &data.tasks[0].train), ["dogs run"]);

    write(
        "nli.tsv",
        "a premise\tThe measured sentence!\tneutral\nb\tc\tentailment\n",
    );
    let data = prepared(home.path(), "kind = 'nli'\ntrain = 'nli.tsv'", &options);
    assert_eq!(sources(&data, &data.tasks[0].train), ["b"]);
}

#[test]
fn pairs_are_left_out_by_any_of_their_sentences() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("measured", "The measured sentence!\n");
    let rows = "one here\ttwo here\n\
                the measured sentence\tthree here\n\
                four here\tthe measured sentence .\n\
                five here\tsix here\tthe measured sentence\n\
                seven here\teight here\tnine here\n";
    write("p.tsv", rows);
    let task = "kind = 'pairs'\ntrain = 'p.tsv'\nvalidation = 'p.tsv'";
    let data = prepared(home.path(), task, &excluding(&["measured"]));
    let train = &data.tasks[0].train;
    assert_eq!(sources(&data, train), ["one here", "seven here"]);
    let Batch::Pairs(pairs) = train.batch_of(&[0, 1]).unwrap() else {
        panic!("another kind of batch")
    };
    assert_eq!(in_words(&data, &pairs.second), ["two here", "eight here"]);
    assert_eq!(in_words(&data, &pairs.negatives), ["", "nine here"]);
    assert_eq!(data.tasks[0].validation.as_ref().unwrap().len(), 5);
    assert_eq!(data.report.inputs[0].excluded, 3);
}

#[test]
fn the_sentences_that_are_left_keep_their_teachers_rows() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(home.path().join(name), text).unwrap();
    write("measured", b"The measured sentence!\n");
    let lines =
        "zero here\nthe measured sentence\n\ntwo here\nthe measured sentence .\nfive here\n";
    write("s.txt", lines.as_bytes());
    // Row k, counting blank lines, is (k + 1, 10 k).
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 2), }";
    let header = format!("{header:<117}\n");
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    for k in 0..6_u8 {
        let row = [f32::from(k) + 1.0, 10.0 * f32::from(k)];
        row.iter().for_each(|x| npy.extend(x.to_le_bytes()));
    }
    write("s.npy", &npy);
    let task = "kind = 'distillation'\ntrain = { path = 's.txt', teacher = 's.npy' }";
    let data = prepared(home.path(), task, &excluding(&["measured"]));
    let train = &data.tasks[0].train;
    assert_eq!(
        sources(&data, train),
        ["zero here", "two here", "five here"]
    );
    let Batch::Distillation(batch) = train.batch_of(&[2, 0, 1]).unwrap() else {
        panic!("another kind of batch")
    };
    assert_eq!(batch.vectors, [6.0, 50.0, 1.0, 0.0, 4.0, 30.0]);
    assert_eq!(data.report.inputs[0].excluded, 2);
}

#[test]
fn labelled_sentences_are_left_out_with_their_labels() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("measured", "The measured sentence!\npositive reviews\n");
    // Labels are not compared.
    let rows = "bad\tone here\npositive reviews\ttwo here\nbad\tthe measured sentence\n";
    write("c.tsv", rows);
    let task = "kind = 'classification'\ntrain = 'c.tsv'";
    let data = prepared(home.path(), task, &excluding(&["measured"]));
    let train = &data.tasks[0].train;
    assert_eq!(sources(&data, train), ["one here", "two here"]);
    let Batch::Classification(batch) = train.batch_of(&[0, 1]).unwrap() else {
        panic!("another kind of batch")
    };
    assert_eq!(data.tasks[0].labels, ["bad", "positive reviews"]);
    assert_eq!(batch.labels, [0, 1]);
    let pairs =
        "same\tone here\ttwo here\nother\tthree here\tthe measured sentence\nother\ta b\tc d\n";
    write("c.tsv", pairs);
    let data = prepared(home.path(), task, &excluding(&["measured"]));
    assert_eq!(sources(&data, &data.tasks[0].train), ["one here", "a b"]);
    assert_eq!(data.report.inputs[0].excluded, 1);
}

#[test]
fn prepared_data_depend_on_the_contents_of_the_files() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a.tsv"), "a longer sentence\tx\nb\ty\n").unwrap();
    let task = "kind = 'translation'\ntrain = 'a.tsv'";
    let folder = |text: &str, name: &str| {
        fs::write(home.path().join(name), text).unwrap();
        prepared(home.path(), task, &excluding(&[name])).folder
    };
    let first = folder("a longer sentence\n", "m.txt");
    assert_eq!(folder("a longer sentence\n", "n.txt"), first);
    assert_ne!(folder("another sentence\n", "m.txt"), first);
    let without = prepared(home.path(), task, &DataOptions::default()).folder;
    assert_ne!(without, first);
}

#[test]
fn a_models_words_come_first_and_new_ones_fill_up() {
    let home = tempfile::tempdir().unwrap();
    let rows = "c c c b b d d d d\tx\ne a\ty\n";
    fs::write(home.path().join("a.tsv"), rows).unwrap();
    let task = "kind = 'translation'\ntrain = 'a.tsv'";
    let words = |first: &[&str], size: usize| {
        let options = DataOptions {
            first_words: first.iter().map(|&word| word.into()).collect(),
            source_words: size,
            ..DataOptions::default()
        };
        let data = prepared(home.path(), task, &options);
        let words: Vec<String> = data.source_vocabulary.words().map(Into::into).collect();
        words[4..].to_vec()
    };
    assert_eq!(words(&[], 3), ["d", "c", "b"]);
    let first = ["<s>", "<pad>", "</s>", "<unk>", "zebra", "c"];
    assert_eq!(words(&first, 4), ["zebra", "c", "d", "b"]);
    assert_eq!(words(&first, 9), ["zebra", "c", "d", "b", "a", "e"]);
    // All words of the model are kept.
    assert_eq!(words(&first, 1), ["zebra", "c"]);
}
