//! The corpus's files: their contents, splits, sizes and labels.

mod translations;

use std::collections::HashMap;

use super::*;

fn file(name: &str, seed: u64) -> String {
    generate(name, seed).unwrap_or_else(|| panic!("no file {name}"))
}

/// The English sentences of a file.
fn sentences(name: &str, seed: u64) -> Vec<String> {
    let mut sentences = Vec::new();
    for line in file(name, seed).lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        match (name.rsplit('.').next(), columns.as_slice()) {
            (Some("mrg"), [tree]) => {
                let words = tree.split(' ').filter(|token| token.ends_with(')'));
                let words: Vec<&str> = words.map(|token| token.trim_end_matches(')')).collect();
                sentences.push(words.join(" "));
            }
            (_, [sentence] | [sentence, _]) => sentences.push((*sentence).to_owned()),
            (_, [premise, hypothesis, _]) => {
                sentences.extend([premise, hypothesis].map(|text| (*text).to_owned()));
            }
            _ => panic!("{name}: {line}"),
        }
    }
    sentences
}

fn sentences_of(split: &str, seed: u64) -> HashSet<String> {
    let names = names().iter().filter(|name| name.starts_with(split));
    names.flat_map(|name| sentences(name, seed)).collect()
}

fn pairs(name: &str) -> Vec<[String; 3]> {
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let rows = file(name, SEED);
    rows.lines()
        .filter_map(|line| columns(line).try_into().ok())
        .collect()
}

#[test]
fn files_are_the_same_in_every_release() {
    let found: Vec<(&str, u64)> = names()
        .iter()
        .map(|name| (*name, random::hash(&file(name, SEED))))
        .collect();
    let expected = [
        ("train.en-fr.tsv", 0xaafb_74f1_08ef_b08c),
        ("validation.en-fr.tsv", 0x2c0b_f607_41b8_a30e),
        ("train.en-de.tsv", 0x2ca4_b5bb_02d1_c37a),
        ("validation.en-de.tsv", 0x7f74_1257_fd26_f144),
        ("train.nli.tsv", 0x530c_ed84_be79_4655),
        ("validation.nli.tsv", 0x0d66_8e18_3854_5876),
        ("test.nli.tsv", 0x7e52_6d36_68c8_0a33),
        ("train.stories.txt", 0xb307_ece4_0045_148a),
        ("validation.stories.txt", 0x1cb1_f13a_50df_83b5),
        ("train.trees.mrg", 0x8b0c_6e8a_6fd8_5d44),
        ("validation.trees.mrg", 0x9943_3edb_e913_719a),
    ];
    assert_eq!(found, expected);
    assert_eq!(text("test.trees.mrg"), None);
}

#[test]
fn no_held_out_sentence_is_trained_on() {
    let [train, other] = [SEED, 7].map(|seed| sentences_of("train", seed));
    let validation = sentences_of("validation", SEED);
    let test = sentences_of("test", SEED);
    for held_out in [&validation, &test] {
        assert!(held_out.len() > 500);
        assert_eq!(held_out.intersection(&train).next(), None);
        assert_eq!(held_out.intersection(&other).next(), None);
    }
    assert_eq!(validation.intersection(&test).next(), None);
}

#[test]
fn sizes_words_and_lengths_are_as_documented() {
    let lines = |name| {
        file(name, SEED)
            .lines()
            .filter(|line| !line.is_empty())
            .count()
    };
    assert_eq!(lines("train.en-fr.tsv"), 20_000);
    assert_eq!(lines("train.nli.tsv"), 30_000);
    assert_eq!(lines("test.nli.tsv"), 999);
    assert_eq!(lines("validation.trees.mrg"), 500);
    assert_eq!(file("train.stories.txt", SEED).split("\n\n").count(), 5_000);

    let train = sentences_of("train", SEED);
    let vocabulary: HashSet<&str> = train.iter().flat_map(|text| text.split(' ')).collect();
    assert!(
        (300..400).contains(&vocabulary.len()),
        "{} words",
        vocabulary.len()
    );
    for text in train.iter().chain(&sentences_of("validation", SEED)) {
        let words: Vec<&str> = text.split(' ').collect();
        assert!(
            (4..=16).contains(&words.len()),
            "{} words: {text}",
            words.len()
        );
        assert!(
            words.iter().all(|word| vocabulary.contains(word)),
            "new word: {text}"
        );
        assert!(
            words.iter().all(|word| !word.is_empty()),
            "two blanks: {text}"
        );
        assert_eq!(*text, text.to_lowercase());
    }
}

#[test]
fn trees_are_balanced() {
    for tree in file("validation.trees.mrg", SEED).lines() {
        let mut depth = 0_usize;
        for (index, character) in tree.char_indices() {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            assert!(depth > 0 || index == tree.len() - 1, "{tree}");
        }
        assert_eq!(depth, 0, "{tree}");
    }
}

/// The test accuracy of naive Bayes over the features that `features` gives a training pair.
fn naive_bayes(features: impl Fn(&[String; 3]) -> Vec<String>) -> f64 {
    let mut counts: HashMap<(String, String), f64> = HashMap::new();
    let mut totals: HashMap<String, f64> = HashMap::new();
    for pair in pairs("train.nli.tsv").into_iter().take(9_000) {
        for feature in features(&pair) {
            *counts.entry((feature, pair[2].clone())).or_default() += 1.0;
            *totals.entry(pair[2].clone()).or_default() += 1.0;
        }
    }
    let test = pairs("test.nli.tsv");
    let right = test.iter().filter(|pair| {
        let features = features(pair);
        let score = |label: &str| {
            let total = totals.get(label).copied().unwrap_or_default();
            let count = |feature: &String| {
                counts
                    .get(&(feature.clone(), label.to_owned()))
                    .copied()
                    .unwrap_or_default()
            };
            features
                .iter()
                .map(|feature| ((count(feature) + 1.0) / total).ln())
                .sum::<f64>()
        };
        let scores = Label::ALL.map(|label| (score(label.name()), label.name()));
        let best = scores.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        best.is_some_and(|(_, label)| *label == pair[2])
    });
    right.count() as f64 / test.len() as f64
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn one_sentence_of_a_pair_does_not_give_the_label_away() {
    // Every hypothesis has each label once, so this one can only be chance.
    let mut labels: HashMap<String, Vec<String>> = HashMap::new();
    for [_, hypothesis, label] in pairs("train.nli.tsv") {
        labels.entry(hypothesis).or_default().push(label);
    }
    for (hypothesis, labels) in &mut labels {
        labels.sort_unstable();
        assert_eq!(
            labels[..],
            ["contradiction", "entailment", "neutral"],
            "{hypothesis}"
        );
    }
    let hypothesis = naive_bayes(|pair| words(&pair[1]));
    assert!(
        (0.30..0.37).contains(&hypothesis),
        "hypothesis only: {hypothesis}"
    );
    let premise = naive_bayes(|pair| words(&pair[0]));
    assert!(premise < 0.45, "premise only: {premise}");
}

#[test]
fn words_without_their_order_do_not_give_the_label_away() {
    // Negation changes words ("does not see"), so overlap is above chance; swapped roles, kinds
    // and numbers keep it low.
    let overlap = naive_bayes(|[premise, hypothesis, _]| {
        let [a, b] = [premise, hypothesis].map(|text| text.split(' ').collect::<HashSet<_>>());
        vec![format!("{} of {}", a.intersection(&b).count(), b.len())]
    });
    assert!(overlap < 0.60, "overlap: {overlap}");
    let bags = naive_bayes(|[premise, hypothesis, _]| {
        let [a, b] = [premise, hypothesis].map(|text| words(text));
        let sided = |side, words: &[String]| -> Vec<String> {
            words.iter().map(|word| format!("{side} {word}")).collect()
        };
        [sided("premise", &a), sided("hypothesis", &b)].concat()
    });
    assert!(bags < 0.50, "bags of words: {bags}");
}
