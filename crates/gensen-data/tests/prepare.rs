//! Preparation, from files to batches.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use gensen_data::batch::{Batch, NliBatch, Sentences, Seq2SeqBatch};
use gensen_data::dataset::Dataset;
use gensen_data::prepare::{DataOptions, PreparedData, Vocabularies, prepare, prepare_with};
use gensen_data::spec::TaskSpec;
use gensen_data::vocabulary::Vocabulary;

struct Corner {
    folder: tempfile::TempDir,
}

impl Corner {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn prepare(&self, tasks: &str, options: &DataOptions) -> Result<PreparedData, String> {
        let cache = self.path().join("cache");
        prepare(&specs(tasks), options, &cache, self.path(), &|_| {})
            .map_err(|error| gensen_data::error::chain(&error))
    }

    fn one(&self, task: &str) -> Result<PreparedData, String> {
        let result = self.prepare(task, &DataOptions::default());
        if result.is_err() {
            let left = fs::read_dir(self.path().join("cache"));
            let left: Vec<_> = left
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert!(
                left.iter().all(|name| name == ".lock"),
                "left behind: {left:?}"
            );
        }
        result
    }
}

/// Parses the `[[task]]` entries of a configuration.
fn specs(text: &str) -> Vec<TaskSpec> {
    #[derive(serde::Deserialize)]
    struct Tasks {
        task: Vec<TaskSpec>,
    }
    toml::from_str::<Tasks>(text).unwrap().task
}

fn task(kind: &str, train: &str) -> String {
    format!("[[task]]\nname = 'fr-en'\nkind = '{kind}'\ntrain = {train}\n")
}

fn words(sentences: &Sentences, vocabulary: &Vocabulary) -> Vec<String> {
    let sentence = |ids: &[u32]| {
        assert_eq!(
            (ids[0], ids[ids.len() - 1]),
            (Vocabulary::BOS, Vocabulary::EOS)
        );
        let words = ids[1..ids.len() - 1]
            .iter()
            .map(|id| vocabulary.word(*id).unwrap());
        words.collect::<Vec<_>>().join(" ")
    };
    sentences.iter().map(sentence).collect()
}

fn all(dataset: &Dataset) -> Batch {
    dataset.sequential(1 << 20).next().unwrap().unwrap()
}

fn seq2seq(dataset: &Dataset) -> Seq2SeqBatch {
    match all(dataset) {
        Batch::Seq2Seq(batch) => batch,
        _ => panic!("expected a sequence-to-sequence batch"),
    }
}

fn nli(dataset: &Dataset) -> NliBatch {
    match all(dataset) {
        Batch::Nli(batch) => batch,
        _ => panic!("expected an inference batch"),
    }
}

/// The source and first target of all training examples, as text.
fn pairs(data: &PreparedData) -> Vec<(String, String)> {
    let batch = seq2seq(&data.tasks[0].train);
    let source = words(&batch.source, &data.source_vocabulary);
    let target = words(&batch.targets[0], &data.tasks[0].target_vocabularies[0]);
    source.into_iter().zip(target).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn pairs_from_tsv_from_aligned_files_and_from_gzip_are_the_same() {
    let corner = Corner::new();
    corner.write(
        "a.tsv",
        "The dog .\tLe chien .\nthe cat .\tle chat .\textra\n",
    );
    corner.write(
        "a.tsv.gz",
        gzip(b"\xef\xbb\xbfThe dog .\tLe chien .\r\nthe cat .\tle chat ."),
    );
    corner.write("a.en", "The dog .\nthe\tcat .\n");
    corner.write("a.fr", gzip(b"Le chien .\nle chat .\n"));
    for train in [
        "'a.tsv'",
        "'a.tsv.gz'",
        "{source = 'a.en', target = 'a.fr'}",
    ] {
        let data = corner.one(&task("translation", train)).unwrap();
        let expected = [("the dog .", "le chien ."), ("the cat .", "le chat .")];
        assert_eq!(
            pairs(&data),
            expected.map(|(a, b)| (a.to_owned(), b.to_owned())),
            "{train}"
        );
        let vocabulary: Vec<_> = data.source_vocabulary.words().skip(4).collect();
        assert_eq!(vocabulary, [".", "the", "cat", "dog"]);
    }
}

#[test]
fn blank_pairs_are_left_out_and_counted() {
    let corner = Corner::new();
    corner.write("a.tsv", "a\tb\n\n \tb\na\t\nc\td\n");
    let data = corner.one(&task("seq2seq", "'a.tsv'")).unwrap();
    let report = &data.report.inputs[0];
    assert_eq!((report.read, report.kept, report.blank), (5, 2, 3));
    assert!(
        data.report.to_string().contains("5 read, 2 kept, 3 blank"),
        "{}",
        data.report
    );
    corner.write("b.en", "a\n\nc\n");
    corner.write("b.fr", "x\ny\nz\n");
    let data = corner
        .one(&task("seq2seq", "{source = 'b.en', target = 'b.fr'}"))
        .unwrap();
    assert_eq!(
        pairs(&data),
        [("a".into(), "x".into()), ("c".into(), "z".into())]
    );
}

#[test]
fn long_sentences_are_cut_and_counted() {
    let corner = Corner::new();
    let long = "word ".repeat(100_000);
    corner.write("a.tsv", format!("{long}\t{long}\na b c\tx y z\n"));
    let options = DataOptions {
        max_source_words: 3,
        max_target_words: 2,
        ..DataOptions::default()
    };
    let data = corner
        .prepare(&task("translation", "'a.tsv'"), &options)
        .unwrap();
    assert_eq!(
        pairs(&data),
        [
            ("word word word".into(), "word word".into()),
            ("a b c".into(), "x y".into())
        ]
    );
    let report = &data.report.inputs[0];
    assert_eq!((report.source.truncated, report.target.truncated), (1, 2));
    assert_eq!(data.tasks[0].target_vocabularies[0].id("z"), None);
}

#[test]
fn vocabularies_are_cut_and_special_words_are_looked_up() {
    let corner = Corner::new();
    corner.write("a.tsv", "<s> b b a\tx\nc <unk> a </s>\tx\n");
    let options = DataOptions {
        source_words: 2,
        ..DataOptions::default()
    };
    let data = corner
        .prepare(&task("translation", "'a.tsv'"), &options)
        .unwrap();
    assert_eq!(
        data.source_vocabulary.words().skip(4).collect::<Vec<_>>(),
        ["a", "b"]
    );
    let batch = seq2seq(&data.tasks[0].train);
    assert_eq!(batch.source.ids, [0, 0, 5, 5, 4, 2, 0, 3, 3, 4, 2, 2]);
    assert_eq!(data.report.inputs[0].source.unknown, 2);
}

#[test]
fn nli_in_all_three_formats() {
    let corner = Corner::new();
    corner.write(
        "a.tsv",
        "A dog\tAn animal\tentailment\nx\ty\t-\n\na b\tc\tneutral\tmore\nd\te\tcontradiction\n",
    );
    corner.write(
        "snli.txt",
        "gold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\n\
         entailment\t\t\t\t\tA dog\tAn animal\n-\t\t\t\t\tx\ty\nneutral\t\t\t\t\ta b\tc\ncontradiction\t\t\t\t\td\te\n",
    );
    let json = |label: &str, a: &str, b: &str| {
        format!(
            "{{\"gold_label\": \"{label}\", \"sentence1\": \"{a}\", \"sentence2\": \"{b}\", \"pairID\": \"7\"}}\n"
        )
    };
    let rows = [
        json("entailment", "A dog", "An animal"),
        json("-", "x", "y"),
        json("neutral", "a b", "c"),
        json("contradiction", "d", "e"),
    ];
    corner.write("b.jsonl.gz", gzip(rows.concat().as_bytes()));
    // Recognised by its contents, not by its extension.
    corner.write("json.txt", rows.concat());
    for (train, blank) in [
        ("'a.tsv'", 1),
        ("'snli.txt'", 0),
        ("'b.jsonl.gz'", 0),
        ("'json.txt'", 0),
    ] {
        let data = corner.one(&task("nli", train)).unwrap();
        let batch = nli(&data.tasks[0].train);
        assert_eq!(
            words(&batch.premises, &data.source_vocabulary),
            ["a dog", "a b", "d"],
            "{train}"
        );
        assert_eq!(
            words(&batch.hypotheses, &data.source_vocabulary),
            ["an animal", "c", "e"]
        );
        assert_eq!(batch.labels, [0, 1, 2]);
        let report = &data.report.inputs[0];
        assert_eq!(
            (report.kept, report.unlabelled, report.blank),
            (3, 1, blank)
        );
        assert!(data.tasks[0].target_vocabularies.is_empty());
    }
}

#[test]
fn labels_may_be_in_capitals() {
    let corner = Corner::new();
    corner.write("up.tsv", "a\tb\tENTAILMENT\nc\td\tNeutral\n");
    let data = corner.one(&task("nli", "'up.tsv'")).unwrap();
    assert_eq!(nli(&data.tasks[0].train).labels, [0, 1]);
}

#[test]
fn a_row_longer_than_its_header_is_named_instead_of_read_by_wrong_columns() {
    let corner = Corner::new();
    corner.write(
        "glue.tsv",
        "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n\
         \t\ta\tb\tneutral\tneutral\n\t\ta\tb\tcontradiction\tneutral\tcontradiction\n",
    );
    let error = corner.one(&task("nli", "'glue.tsv'")).unwrap_err();
    let expected = "glue.tsv, line 3: 7 tab-separated columns, but the header line has 6";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn zeros_after_gzip_are_passed_over_and_other_bytes_named() {
    let corner = Corner::new();
    let packed = gzip(b"a .\tb .\nc .\td .\n");
    corner.write("junk.tsv.gz", [&packed[..], b"garbage\n"].concat());
    let error = corner.one(&task("translation", "'junk.tsv.gz'"));
    let error = error.unwrap_err();
    let expected = "junk.tsv.gz: the gzip data are followed by bytes";
    assert!(error.contains(expected), "{error}");
    corner.write("zero.tsv.gz", [&packed[..], &[0; 512]].concat());
    let data = corner.one(&task("translation", "'zero.tsv.gz'")).unwrap();
    assert_eq!(pairs(&data).len(), 2);
}

#[test]
fn nli_counts_for_the_vocabulary_only_when_asked_or_alone() {
    let corner = Corner::new();
    corner.write("a.tsv", "dog\tchien\n");
    corner.write("n.tsv", "cat\tcat\tneutral\n");
    let tasks = "[[task]]\nname='a'\nkind='translation'\ntrain='a.tsv'\n[[task]]\nname='n'\nkind='nli'\ntrain='n.tsv'\n";
    let counted = |count_nli| {
        let options = DataOptions {
            count_nli,
            ..DataOptions::default()
        };
        let data = corner.prepare(tasks, &options).unwrap();
        data.source_vocabulary
            .words()
            .skip(4)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(counted(false), ["dog"]);
    assert_eq!(counted(true), ["cat", "dog"]);
}

fn triples(data: &PreparedData) -> Vec<[String; 3]> {
    let batch = seq2seq(&data.tasks[0].train);
    let next = words(&batch.targets[0], &data.tasks[0].target_vocabularies[0]);
    let previous = words(&batch.targets[1], &data.tasks[0].target_vocabularies[1]);
    let source = words(&batch.source, &data.source_vocabulary);
    (0..source.len())
        .map(|i| [previous[i].clone(), source[i].clone(), next[i].clone()])
        .collect()
}

#[test]
fn triples_that_are_prepared_already_are_taken_as_they_are() {
    let corner = Corner::new();
    corner.write("source", "b .\n\ne .\n");
    corner.write("next", "c .\nx .\nf .\n");
    corner.write("previous", "a .\ny .\nd .\n");
    let train = "{source = 'source', next = 'next', previous = 'previous'}";
    let data = corner.one(&task("skip-thought", train)).unwrap();
    let expected = [["a .", "b .", "c ."], ["d .", "e .", "f ."]];
    let expected = expected.map(|triple| triple.map(str::to_owned));
    assert_eq!(triples(&data), expected);
    let report = &data.report.inputs[0];
    assert_eq!((report.read, report.kept, report.blank), (3, 2, 1));

    let corner = Corner::new();
    corner.write("source", "b .\nx .\ne .\n");
    corner.write("next", "c .\nx .\nf .\n");
    corner.write("previous", "a .\ny .\n");
    let error = corner.one(&task("skip-thought", train)).unwrap_err();
    assert!(
        error.contains("previous") && error.contains('3') && error.contains('2'),
        "{error}"
    );
    let error = corner
        .one(&task("skip-thought", "{source = 'source', next = 'next'}"))
        .unwrap_err();
    assert!(error.contains("together"), "{error}");
}

#[test]
fn triples_never_cross_a_document() {
    let corner = Corner::new();
    corner.write("d/1.txt", "a .\nb .\nc .\nd .\n\ne .\nf .\n");
    corner.write("d/sub/2.txt", "g .\nh .\ni .\n");
    corner.write("d/3.md", "x .\ny .\nz .\n");
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["1.txt", "3.md", "sub/2.txt"] {
        tar.append_path_with_name(corner.path().join("d").join(name), format!("books/{name}"))
            .unwrap();
    }
    corner.write("d.tar.gz", gzip(&tar.into_inner().unwrap()));
    for train in [
        "{path = 'd', include = '*.txt'}",
        "{path = 'd.tar.gz', exclude = ['*.md']}",
    ] {
        let data = corner.one(&task("skip-thought", train)).unwrap();
        let expected = [
            ["a .", "b .", "c ."],
            ["b .", "c .", "d ."],
            ["g .", "h .", "i ."],
        ];
        assert_eq!(
            triples(&data),
            expected.map(|triple| triple.map(str::to_owned)),
            "{train}"
        );
        let report = &data.report.inputs[0];
        assert_eq!((report.sentences, report.kept, report.blank), (9, 3, 1));
        // Each source counts twice, once for each decoder; `e .` and `f .` are in no triple.
        assert_eq!(
            data.source_vocabulary.words().skip(4).collect::<Vec<_>>(),
            [".", "b", "c", "h"]
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_loop_counts_each_document_once() {
    let corner = Corner::new();
    corner.write("docs/a.txt", "a b .\nc d .\ne f .\n");
    corner.write("docs/deep/b.txt", "g .\nh .\ni .\n");
    std::os::unix::fs::symlink(".", corner.path().join("docs/self")).unwrap();
    std::os::unix::fs::symlink("..", corner.path().join("docs/deep/up")).unwrap();
    let data = corner.one(&task("skip-thought", "'docs'")).unwrap();
    assert_eq!(data.report.inputs[0].sentences, 6);
}

#[test]
fn what_is_passed_over_in_a_folder_is_passed_over_in_a_tar() {
    let corner = Corner::new();
    for (name, text) in [
        ("1.txt", "a .\nb .\nc .\n"),
        ("._1.txt", "\0\x05"),
        (".git/2.txt", "x .\ny .\nz .\n"),
    ] {
        corner.write(&format!("d/{name}"), text);
    }
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("./d", corner.path().join("d")).unwrap();
    corner.write("d.tar", tar.into_inner().unwrap());
    for train in ["'d'", "'d.tar'"] {
        let data = corner.one(&task("skip-thought", train)).unwrap();
        assert_eq!(data.report.inputs[0].sentences, 3, "{train}");
    }
}

#[test]
fn paragraphs_are_split_and_headings_break_the_chain() {
    let corner = Corner::new();
    corner.write(
        "n.txt",
        "CHAPTER I\nOne. Two! \"Three?\"\n\nFour.\nA HEADING\nFive. Six.\nSeven 1 2 3 4. Eight.\n",
    );
    let data = corner
        .one(&task(
            "skip-thought",
            "{path = 'n.txt', sentences = 'paragraphs', max_words = 3}",
        ))
        .unwrap();
    let expected = [
        ["one.", "two!", "\"three?\""],
        ["two!", "\"three?\"", "four."],
    ];
    assert_eq!(
        triples(&data),
        expected.map(|triple| triple.map(str::to_owned))
    );
    assert_eq!(
        (
            data.report.inputs[0].headings,
            data.report.inputs[0].sentences
        ),
        (2, 8)
    );
}

#[test]
fn trees_become_sentences_and_brackets() {
    let corner = Corner::new();
    corner.write(
        "t.mrg",
        "( (S (NP-SBJ (NNP Jo))\n   (VP (VBD ran))) )\n(ROOT (NP (DT The) (NN Dog)))\n",
    );
    let data = corner.one(&task("parsing", "'t.mrg'")).unwrap();
    let expected = [
        ("jo ran", "(S (NP XX )NP (VP XX )VP )S"),
        ("the dog", "(NP XX XX )NP"),
    ];
    assert_eq!(
        pairs(&data),
        expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let row = r#"{"gold_label": "-", "sentence1": "", "sentence2": "", "sentence1_parse": "(ROOT (NP (DT The) (NN Dog)))", "sentence2_parse": "(ROOT (NN x) (NN y))"}"#;
    corner.write("t.jsonl", row);
    let data = corner.one(&task("parsing", "'t.jsonl'")).unwrap();
    assert_eq!(pairs(&data)[0], ("the dog".into(), "(NP XX XX )NP".into()));
    assert_eq!(pairs(&data)[1], ("x y".into(), "XX XX".into()));
}

#[test]
fn limits_keep_the_first_or_a_seeded_choice_in_file_order() {
    let corner = Corner::new();
    let rows: String = (0..1_000).map(|i| format!("s{i}\tt{i}\n")).collect();
    corner.write("a.tsv", &rows);
    let kept = |train: &str| {
        let data = corner.one(&task("translation", train)).unwrap();
        assert_eq!(
            data.source_vocabulary.len() as u64,
            4 + data.tasks[0].train.len(),
            "only what is kept counts"
        );
        pairs(&data)
            .into_iter()
            .map(|(source, _)| source[1..].parse().unwrap())
            .collect::<Vec<u32>>()
    };
    assert_eq!(kept("{path = 'a.tsv', limit = 3}"), [0, 1, 2]);
    let chosen = kept("{path = 'a.tsv', limit = 100, shuffle = 1}");
    assert!(chosen.len() == 100 && chosen.is_sorted() && chosen.iter().max() > Some(&900));
    assert_ne!(chosen, kept("{path = 'a.tsv', limit = 100, shuffle = 2}"));
    assert_eq!(
        kept("{path = 'a.tsv', limit = 5000, shuffle = 2}").len(),
        1_000
    );

    corner.write(
        "b.txt",
        (0..100).map(|i| format!("s{i}\n")).collect::<String>(),
    );
    let data = corner
        .one(&task("skip-thought", "{path = 'b.txt', limit = 2}"))
        .unwrap();
    assert_eq!(
        triples(&data),
        [["s0", "s1", "s2"], ["s1", "s2", "s3"]].map(|triple| triple.map(str::to_owned))
    );
    let data = corner
        .one(&task(
            "skip-thought",
            "{path = 'b.txt', limit = 20, shuffle = 3}",
        ))
        .unwrap();
    assert_eq!(triples(&data).len(), 20);
    for [previous, source, next] in triples(&data) {
        let number = |word: &str| word[1..].parse::<i32>().unwrap();
        assert_eq!(
            (number(&previous) + 1, number(&next) - 1),
            (number(&source), number(&source))
        );
    }
}

#[test]
fn several_inputs_follow_each_other() {
    let corner = Corner::new();
    corner.write("a.tsv", "a\tx\nb\ty\n");
    corner.write("c.en", "c\n");
    corner.write("c.fr", "z\n");
    corner.write("v.tsv", "a new\tx\n");
    let text = task(
        "translation",
        "['a.tsv', {source = 'c.en', target = 'c.fr'}, {path = 'a.tsv', limit = 1}]",
    ) + "validation = 'v.tsv'\ntest = ['v.tsv', 'a.tsv']\n";
    let data = corner.one(&text).unwrap();
    let sources: Vec<_> = pairs(&data).into_iter().map(|(source, _)| source).collect();
    assert_eq!(sources, ["a", "b", "c", "a"]);
    let validation = seq2seq(data.tasks[0].validation.as_ref().unwrap());
    assert_eq!(
        words(&validation.source, &data.source_vocabulary),
        ["a <unk>"],
        "not counted for the vocabulary"
    );
    assert_eq!(data.tasks[0].test.as_ref().unwrap().len(), 3);
}

#[test]
fn given_vocabularies_are_kept() {
    let corner = Corner::new();
    corner.write("a.tsv", "b a\tx\n");
    let given = Vocabularies {
        source: Vocabulary::from_words(["<s>", "<pad>", "</s>", "<unk>", "q", "a"])
            .unwrap()
            .into(),
        targets: Default::default(),
    };
    let specs = specs(&task("translation", "'a.tsv'"));
    let (options, cache) = (DataOptions::default(), corner.path().join("cache"));
    let data = prepare_with(&specs, &options, &given, &cache, corner.path(), &|_| {}).unwrap();
    assert_eq!(data.source_vocabulary, given.source);
    assert_eq!(seq2seq(&data.tasks[0].train).source.ids, [0, 3, 5, 2]);
    assert_eq!(data.tasks[0].target_vocabularies[0].word(4), Some("x"));
    assert_ne!(
        corner.one(&task("translation", "'a.tsv'")).unwrap().folder,
        data.folder
    );
}

#[test]
fn faults_name_task_file_and_line() {
    let corner = Corner::new();
    let fault = |kind: &str, text: &[u8]| {
        corner.write("bad.txt", text);
        corner.one(&task(kind, "'bad.txt'")).unwrap_err()
    };
    let expect = |message: String, parts: &[&str]| {
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    };
    expect(fault("translation", b""), &["`fr-en`", "bad.txt is empty"]);
    expect(
        fault("translation", b"a\tb\nab\n"),
        &["bad.txt, line 2: 1 tab-separated columns, expected at least 2"],
    );
    expect(
        fault("translation", b"a\tb\n\xe9t\xe9\tb\n"),
        &["bad.txt, line 2: invalid UTF-8"],
    );
    expect(
        fault("translation", b"a\tb\na\0\tb\n"),
        &["bad.txt, line 2: a NUL byte"],
    );
    expect(
        fault("translation", b"\n \t\n"),
        &["bad.txt has no examples", "2 blank"],
    );
    expect(
        fault("nli", b"a\tb\tneutral\na\tb\tmaybe\n"),
        &["bad.txt, line 2: label `maybe`"],
    );
    expect(
        fault("nli", b"a\tb\n"),
        &["bad.txt, line 1: 2 tab-separated columns, expected at least 3"],
    );
    expect(
        fault("nli", b"a\tb\t-\n"),
        &["has no examples", "1 unlabelled"],
    );
    expect(
        fault("parsing", b"(S (NN a))\n(S (NN b)\n"),
        &["bad.txt, line 2: the tree that begins here"],
    );
    expect(
        fault("parsing", b"(S (NN a))\nplain text\n"),
        &["bad.txt, line 2: text outside"],
    );
    expect(
        fault("skip-thought", b"one .\ntwo .\n"),
        &["bad.txt has no examples", "2 sentences"],
    );
    expect(fault("translation", &gzip(b"a\tb\n")[..15]), &["bad.txt: "]);
    corner.write("bad.jsonl", "{\"gold_label\": \"neutral\"}\n");
    expect(
        corner.one(&task("nli", "'bad.jsonl'")).unwrap_err(),
        &["bad.jsonl, line 1:", "sentence1"],
    );

    corner.write("a.en", "a\nb\nc");
    corner.write("a.fr", "a\nb\n");
    let unequal = corner
        .one(&task("translation", "{source = 'a.en', target = 'a.fr'}"))
        .unwrap_err();
    expect(unequal, &["a.en has 3 lines", "a.fr has 2"]);
    let unequal = corner
        .one(&task("translation", "{source = 'a.fr', target = 'a.en'}"))
        .unwrap_err();
    expect(unequal, &["a.fr has 2 lines", "a.en has 3"]);
    expect(
        corner.one(&task("nli", "'none.tsv'")).unwrap_err(),
        &["`fr-en`", "none.tsv"],
    );
    expect(
        corner.one(&task("nli", "'sample:none'")).unwrap_err(),
        &["sample:none"],
    );
    corner.write("docs/a.txt", "a");
    expect(
        corner.one(&task("nli", "'docs'")).unwrap_err(),
        &["docs", "a folder"],
    );
    let none = corner
        .one(&task("skip-thought", "{path = 'docs', include = 'b*'}"))
        .unwrap_err();
    expect(none, &["docs has no examples"]);
    expect(
        corner
            .one(&task("nli", "{path = 'docs', limit = 0}"))
            .unwrap_err(),
        &["`fr-en`", "`limit`"],
    );
}

#[test]
fn the_sample_corpus_prepares_for_every_kind_of_task() {
    let corner = Corner::new();
    let tasks = "[[task]]\nname='fr-en'\nkind='translation'\ntrain='sample:validation.en-fr.tsv'\n\
                 [[task]]\nname='stories'\nkind='skip-thought'\ntrain='sample:validation.stories.txt'\n\
                 [[task]]\nname='trees'\nkind='parsing'\ntrain='sample:validation.trees.mrg'\n\
                 [[task]]\nname='nli'\nkind='nli'\ntrain='sample:validation.nli.tsv'\nvalidation='sample:test.nli.tsv'\n";
    let data = corner.prepare(tasks, &DataOptions::default()).unwrap();
    let lengths: Vec<_> = data.tasks.iter().map(|task| task.train.len()).collect();
    assert_eq!((lengths[0], lengths[2], lengths[3]), (500, 500, 999));
    assert!(lengths[1] >= 500, "{lengths:?}");
    assert_eq!(data.tasks[1].target_vocabularies.len(), 2);
    for task in &data.tasks {
        all(&task.train);
    }
    assert_eq!(data.tasks[3].validation.as_ref().unwrap().len(), 999);
}
