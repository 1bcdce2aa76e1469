//! Training examples left out because something is measured on them, and a model's own words.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::Path;

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

/// The source sentences of a data set in words.
fn sources(data: &PreparedData, split: &Dataset) -> Vec<String> {
    let indices: Vec<u64> = (0..split.len()).collect();
    let batch = split.batch_of(&indices).unwrap();
    let source = batch.first_sentences();
    let words = |ids: &[u32]| {
        let words = ids[1..ids.len() - 1].iter();
        let words = words.map(|id| data.source_vocabulary.word(*id).unwrap());
        words.collect::<Vec<_>>().join(" ")
    };
    source.iter().map(words).collect()
}

#[test]
fn pairs_with_a_sentence_of_the_files_are_left_out_of_training_alone() {
    let home = tempfile::tempdir().unwrap();
    let rows = "a man plays the guitar .\tun homme joue\n\
                a woman reads a long book\tune femme lit un livre\n\
                it rains\til pleut\n\
                nobody is measured here\tpersonne\n";
    fs::write(home.path().join("a.tsv"), rows).unwrap();
    // The first by its source, the second by its target, the third is too short to say anything.
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
    // A model keeps all its words.
    assert_eq!(words(&first, 1), ["zebra", "c"]);
}
