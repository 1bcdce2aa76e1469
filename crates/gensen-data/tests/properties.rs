//! Preparation compared with a simple implementation in memory, and on arbitrary bytes.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fs;

use gensen_data::batch::{Batch, Sentences};
use gensen_data::prepare::{DataOptions, PreparedData, prepare};
use gensen_data::spec::TaskSpec;
use gensen_data::vocabulary::Vocabulary;
use proptest::collection::vec;
use proptest::prelude::*;

fn run(
    kind: &str,
    name: &str,
    bytes: &[u8],
    options: &DataOptions,
) -> Result<PreparedData, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let input = serde_json::json!({ "name": "task", "kind": kind, "train": name });
    let task: TaskSpec = serde_json::from_value(input).unwrap();
    let cache = folder.path().join("cache");
    prepare(&[task], options, &cache, folder.path(), &|_| {})
        .map_err(|error| gensen_data::error::chain(&error))
}

/// The most frequent words, counted in a map.
fn vocabulary<'a>(
    sentences: impl Iterator<Item = &'a Vec<String>>,
    weight: u64,
    size: usize,
) -> Vec<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for word in sentences.flatten() {
        *counts.entry(word).or_default() += weight;
    }
    let mut ranked: Vec<_> = counts
        .into_iter()
        .filter(|(word, _)| !Vocabulary::SPECIAL.contains(word))
        .collect();
    ranked.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    let words = ranked
        .into_iter()
        .take(size)
        .map(|(word, _)| word.to_owned());
    Vocabulary::SPECIAL
        .iter()
        .map(|word| (*word).to_owned())
        .chain(words)
        .collect()
}

fn words(line: &str, max: usize) -> Vec<String> {
    let split = line.split(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    split
        .filter(|word| !word.is_empty())
        .take(max)
        .map(str::to_lowercase)
        .collect()
}

fn check(found: &Sentences, known: &Vocabulary, expected: &[&Vec<String>]) {
    assert_eq!(found.len(), expected.len());
    for (ids, words) in found.iter().zip(expected) {
        let mut wanted = vec![Vocabulary::BOS];
        wanted.extend(words.iter().map(|word| known.id_or_unknown(word)));
        wanted.push(Vocabulary::EOS);
        assert_eq!(ids, wanted, "{words:?}");
    }
}

fn batch(data: &PreparedData) -> gensen_data::batch::Seq2SeqBatch {
    match data.tasks[0].train.sequential(usize::MAX >> 1).next() {
        Some(Ok(Batch::Seq2Seq(batch))) => batch,
        other => panic!("{other:?}"),
    }
}

/// A sentence of a few distinct words, including special and non-ASCII ones; sometimes blank.
fn sentence() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => "[a-dA-D]{1,2}",
        1 => "[\\PC&&[^\\s]]{1,3}",
        1 => prop::sample::select(vec!["<s>", "<unk>", "</s>", "İ", "ΣΑΣ", "\u{a0}"]).prop_map(str::to_owned),
    ];
    (vec(word, 0..8), "[ \u{b}\u{c}]{1,2}").prop_map(|(words, gap)| words.join(&gap))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn pairs_are_what_a_plain_reader_finds(
        rows in vec((sentence(), sentence(), prop_oneof!["", "\t", "\tmore"]), 1..40),
        end in prop_oneof!["\n", "\r\n"],
        sizes in (1usize..6, 1usize..30),
    ) {
        let (max, size) = sizes;
        let text: String = rows.iter().map(|(a, b, more)| format!("{a}\t{b}{more}{end}")).collect();
        let options = DataOptions {
            source_words: size,
            max_source_words: max,
            threads: 2,
            ..DataOptions::default()
        };
        let pairs: Vec<_> = rows
            .iter()
            .map(|(a, b, _)| (words(a, max), words(b, usize::MAX)))
            .filter(|(a, b)| !a.is_empty() && !b.is_empty())
            .collect();
        let data = run("translation", "a.tsv", text.as_bytes(), &options);
        if pairs.is_empty() {
            prop_assert!(data.unwrap_err().contains("no example"));
            return Ok(());
        }
        let data = data.unwrap();
        let (known, of_target) = (&data.source_vocabulary, &data.tasks[0].target_vocabularies[0]);
        prop_assert!(known.words().eq(vocabulary(pairs.iter().map(|(a, _)| a), 1, size)));
        prop_assert!(of_target.words().eq(vocabulary(pairs.iter().map(|(_, b)| b), 1, usize::MAX)));
        let batch = batch(&data);
        check(&batch.source, known, &pairs.iter().map(|(a, _)| a).collect::<Vec<_>>());
        check(&batch.targets[0], of_target, &pairs.iter().map(|(_, b)| b).collect::<Vec<_>>());
        let report = &data.report.inputs[0];
        prop_assert_eq!(report.blank, (rows.len() - pairs.len()) as u64);
        prop_assert_eq!((report.read, report.kept), (rows.len() as u64, pairs.len() as u64));
    }

    #[test]
    fn triples_are_what_a_plain_reader_finds(lines in vec(sentence(), 3..60)) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let sentences: Vec<_> = lines.iter().map(|line| words(line, 88)).collect();
        let triples: Vec<_> = sentences.windows(3).filter(|three| three.iter().all(|words| !words.is_empty())).collect();
        let data = run("skip-thought", "a.txt", text.as_bytes(), &DataOptions::default());
        if triples.is_empty() {
            prop_assert!(data.unwrap_err().contains("no example"));
            return Ok(());
        }
        let data = data.unwrap();
        let (known, of_target) = (&data.source_vocabulary, &data.tasks[0].target_vocabularies[0]);
        prop_assert!(known.words().eq(vocabulary(triples.iter().map(|three| &three[1]), 2, usize::MAX)));
        let targets = triples.iter().flat_map(|three| [&three[0], &three[2]]);
        prop_assert!(of_target.words().eq(vocabulary(targets, 1, usize::MAX)));
        let batch = batch(&data);
        check(&batch.source, known, &triples.iter().map(|three| &three[1]).collect::<Vec<_>>());
        check(&batch.targets[0], of_target, &triples.iter().map(|three| &three[2]).collect::<Vec<_>>());
        check(&batch.targets[1], of_target, &triples.iter().map(|three| &three[0]).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        kind in prop::sample::select(vec!["translation", "nli", "skip-thought", "parsing"]),
        name in prop::sample::select(vec!["a.txt", "a.jsonl", "a.tar", "a.gz"]),
        bytes in prop_oneof![
            vec(any::<u8>(), 0..200),
            vec(prop::sample::select(b"(()) a\tbX-=\n\r\"{}:.\x1f\x8b\x00\xc3\xa9".to_vec()), 0..200),
            "gold_label\tsentence1\tsentence2\tsentence1_parse\tsentence2_parse\n([^\t\n]{0,9}\t){0,6}\n?".prop_map(String::into_bytes),
        ],
    ) {
        match run(kind, name, &bytes, &DataOptions::default()) {
            Ok(data) => prop_assert!(data.tasks[0].train.len() > 0),
            Err(message) => prop_assert!(message.contains(name), "{}", message),
        }
    }
}
