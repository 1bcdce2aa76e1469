//! The embedded sample corpus: a small grammar that generates, from a seed, sentences with their
//! French and German translations, constituency trees, inference pairs and short stories.
//!
//! With it, most kinds of task can be trained and tested without downloading data. The sentences
//! are simple and the vocabulary is small (under 400 English words), but the labels of inference
//! pairs depend on the meaning of both sentences: on who did what to whom, negation, hypernyms and
//! numbers.
//!
//! The meanings of sentences are partitioned into training, validation and test, so that no
//! sentence of a validation or test file occurs in a training file, whatever the seeds. Text is in
//! lower case, with words separated by spaces.
//!
//! ```
//! use gensen_data::sample;
//!
//! let pairs = sample::text("validation.nli.tsv").ok_or("no such file")?;
//! for line in pairs.lines() {
//!     assert_eq!(line.split('\t').count(), 3); // premise, hypothesis, label
//! }
//! // Another corpus of the same grammar:
//! let trees = sample::generate("train.trees.mrg", 7).ok_or("no such file")?;
//! assert!(trees.starts_with("(ROOT (S "));
//! # Ok::<(), &str>(())
//! ```

mod english;
mod french;
mod german;
mod inference;
mod lexicon;
mod meaning;
mod random;
mod stories;

use std::collections::HashSet;

use self::inference::Label;
use self::meaning::{Meaning, SampleSplit};
use self::random::Random;

/// The seed of the embedded corpus.
const SEED: u64 = 1804;

/// The files of the corpus:
///
/// | name | contents of a line | lines |
/// | --- | --- | --- |
/// | `train.en-fr.tsv`, `train.en-de.tsv` | English, tab, translation | 20,000 each |
/// | `train.nli.tsv` | premise, tab, hypothesis, tab, label | 30,000 |
/// | `train.stories.txt` | a sentence; a blank line ends a story | 5,000 stories |
/// | `train.trees.mrg` | a tree, bracketed as the Penn Treebank's | 10,000 |
///
/// The `validation.` files have 500 sentences, stories or trees, and 999 inference pairs;
/// `test.nli.tsv` has 999 as well.
pub fn names() -> &'static [&'static str] {
    &[
        "train.en-fr.tsv",
        "validation.en-fr.tsv",
        "train.en-de.tsv",
        "validation.en-de.tsv",
        "train.nli.tsv",
        "validation.nli.tsv",
        "test.nli.tsv",
        "train.stories.txt",
        "validation.stories.txt",
        "train.trees.mrg",
        "validation.trees.mrg",
    ]
}

/// The text of a file of the embedded corpus, the same on every platform; `None` for a name that is
/// not in [`names`].
pub fn text(name: &str) -> Option<String> {
    generate(name, SEED)
}

/// The text of a file of the corpus generated from `seed`; `None` for a name that is not in
/// [`names`].
///
/// Held-out files share no sentence with training files, even of another seed.
pub fn generate(name: &str, seed: u64) -> Option<String> {
    let random = &mut Random::new(seed, name);
    let text = match name {
        "train.en-fr.tsv" => translations(random, SampleSplit::Train, 20_000, french::sentence),
        "validation.en-fr.tsv" => {
            translations(random, SampleSplit::Validation, 500, french::sentence)
        }
        "train.en-de.tsv" => translations(random, SampleSplit::Train, 20_000, german::sentence),
        "validation.en-de.tsv" => {
            translations(random, SampleSplit::Validation, 500, german::sentence)
        }
        "train.nli.tsv" => inference_pairs(random, SampleSplit::Train, 10_000),
        "validation.nli.tsv" => inference_pairs(random, SampleSplit::Validation, 333),
        "test.nli.tsv" => inference_pairs(random, SampleSplit::Test, 333),
        "train.stories.txt" => running_text(random, SampleSplit::Train, 5_000),
        "validation.stories.txt" => running_text(random, SampleSplit::Validation, 500),
        "train.trees.mrg" => trees(random, SampleSplit::Train, 10_000),
        "validation.trees.mrg" => trees(random, SampleSplit::Validation, 500),
        _ => return None,
    };
    Some(text)
}

/// Draws `count` different meanings of a split.
fn meanings(random: &mut Random, split: SampleSplit, count: usize) -> Vec<Meaning> {
    let mut seen = HashSet::with_capacity(count);
    let mut meanings = Vec::with_capacity(count);
    while meanings.len() < count {
        let meaning = Meaning::draw(random);
        if meaning.split() == split && seen.insert(english::sentence(&meaning)) {
            meanings.push(meaning);
        }
    }
    meanings
}

fn translations(
    random: &mut Random,
    split: SampleSplit,
    count: usize,
    translate: fn(&Meaning) -> String,
) -> String {
    meanings(random, split, count)
        .iter()
        .map(|meaning| format!("{}\t{}\n", english::sentence(meaning), translate(meaning)))
        .collect()
}

fn trees(random: &mut Random, split: SampleSplit, count: usize) -> String {
    meanings(random, split, count)
        .iter()
        .map(|meaning| format!("{}\n", english::tree(meaning)))
        .collect()
}

/// Draws `hypotheses` hypotheses with a premise for each label, in random order.
fn inference_pairs(random: &mut Random, split: SampleSplit, hypotheses: usize) -> String {
    let mut pairs = Vec::with_capacity(hypotheses * Label::ALL.len());
    let mut seen = HashSet::with_capacity(hypotheses);
    for _ in 0..hypotheses {
        let (hypothesis, premises) = inference::draw(random, |meaning| {
            meaning.split() == split && seen.insert(english::sentence(meaning))
        });
        let hypothesis = english::sentence(&hypothesis);
        for (premise, label) in premises.iter().zip(Label::ALL) {
            let premise = english::sentence(premise);
            pairs.push(format!("{premise}\t{hypothesis}\t{}\n", label.name()));
        }
    }
    random.shuffle(&mut pairs);
    pairs.concat()
}

fn running_text(random: &mut Random, split: SampleSplit, count: usize) -> String {
    let stories: Vec<String> = (0..count)
        .map(|_| stories::draw(random, split).join("\n") + "\n")
        .collect();
    stories.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::lexicon::{
        ADJECTIVES, INTRANSITIVE, NUMBERS, Noun, PAST_TIMES, PEOPLE, PLACES, PRESENT_TIMES,
        QUALITIES, TO_BEINGS, TO_RECIPIENTS, TO_THINGS, Verb,
    };
    use super::meaning::{Bound, Clause, Comparison, Compound, Count, Holder, Link, TimedClause};
    use super::meaning::{Object, Tense};
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

    fn noun(english: &str) -> &'static Noun {
        let kinds = lexicon::THINGS.iter().map(|kind| Noun::family(*kind));
        let nouns = kinds.flat_map(|(things, hypernym)| things.iter().chain(hypernym));
        let found = nouns.chain(PEOPLE).find(|noun| noun.english[0] == english);
        found.unwrap_or_else(|| panic!("no noun {english}"))
    }

    fn verb(english: &str) -> &'static Verb {
        let verbs = [INTRANSITIVE, TO_THINGS, TO_RECIPIENTS, TO_BEINGS]
            .into_iter()
            .flatten();
        let found = verbs.into_iter().find(|verb| verb.english[0] == english);
        found.unwrap_or_else(|| panic!("no verb {english}"))
    }

    fn clause(actor: &str, action: &str, object: Object, negated: bool) -> Clause {
        let (actor, verb) = (noun(actor), verb(action));
        Clause {
            actor,
            plural: false,
            verb,
            object,
            recipient: None,
            place: None,
            negated,
        }
    }

    fn now(clause: Clause) -> Meaning {
        Meaning::Timed(TimedClause {
            time: None,
            tense: Tense::Present,
            clause,
        })
    }

    #[test]
    fn translations_agree() {
        let red = Some(&ADJECTIVES[0]);
        let small = Some(&ADJECTIVES[6]);
        let recipient = |name| Some(noun(name));
        let market = Some(&PLACES[7]);
        let sleeps = |actor, plural, negated| Clause {
            plural,
            ..clause(actor, "sleep", Object::Nothing, negated)
        };
        let past = |time, clause| {
            Meaning::Timed(TimedClause {
                time,
                tense: Tense::Past,
                clause,
            })
        };
        let older = |subject, than, opposite, much| {
            let (subject, than) = (noun(subject), noun(than));
            Meaning::Comparison(Comparison {
                subject,
                quality: &QUALITIES[0],
                opposite,
                much,
                than,
            })
        };
        let count = |holder, bound, adjective, thing| {
            let noun = noun(thing);
            Meaning::Count(Count {
                holder,
                bound,
                number: &NUMBERS[3],
                adjective,
                noun,
            })
        };
        let because = Compound {
            first: sleeps("boy", false, false),
            link: Link::Because,
            second: Clause {
                place: market,
                ..sleeps("woman", true, true)
            },
        };
        for (meaning, english, french, german) in [
            (
                now(Clause {
                    place: market,
                    ..clause("cook", "buy", Object::A(noun("apple"), small), false)
                }),
                "the cook buys a small apple at the market .",
                "le cuisinier achète une petite pomme au marché .",
                "der koch kauft auf dem markt einen kleinen apfel .",
            ),
            (
                now(clause("nurse", "buy", Object::A(noun("animal"), red), true)),
                "the nurse does not buy a red animal .",
                "l' infirmière n' achète pas d' animal rouge .",
                "die krankenschwester kauft kein rotes tier .",
            ),
            (
                now(Clause {
                    recipient: recipient("boy"),
                    ..clause("man", "give", Object::A(noun("rose"), red), false)
                }),
                "the man gives a red rose to the boy .",
                "l' homme donne une rose rouge au garçon .",
                "der mann gibt dem jungen eine rote rose .",
            ),
            (
                now(Clause {
                    recipient: recipient("man"),
                    ..clause("girl", "send", Object::A(noun("hat"), None), true)
                }),
                "the girl does not send a hat to the man .",
                "la fille n' envoie pas de chapeau à l' homme .",
                "das mädchen schickt dem mann keinen hut .",
            ),
            (
                past(
                    Some(&PAST_TIMES[0]),
                    clause("queen", "see", Object::The(noun("farmer")), true),
                ),
                "yesterday , the queen did not see the farmer .",
                "hier , la reine n' a pas vu le fermier .",
                "gestern hat die königin den bauern nicht gesehen .",
            ),
            (
                Meaning::Timed(TimedClause {
                    time: Some(&PRESENT_TIMES[0]),
                    tense: Tense::Present,
                    clause: sleeps("horse", true, false),
                }),
                "today , the horses sleep .",
                "aujourd'hui , les chevaux dorment .",
                "heute schlafen die pferde .",
            ),
            (
                Meaning::Compound(because),
                "the boy sleeps because the women do not sleep at the market .",
                "le garçon dort parce que les femmes ne dorment pas au marché .",
                "der junge schläft , weil die frauen nicht auf dem markt schlafen .",
            ),
            (
                older("queen", "man", false, true),
                "the queen is much older than the man .",
                "la reine est bien plus âgée que l' homme .",
                "die königin ist viel älter als der mann .",
            ),
            (
                older("man", "girl", true, false),
                "the man is younger than the girl .",
                "l' homme est plus jeune que la fille .",
                "der mann ist jünger als das mädchen .",
            ),
            (
                count(
                    Holder::Person(noun("baker")),
                    Bound::MoreThan,
                    small,
                    "apple",
                ),
                "the baker has more than five small apples .",
                "le boulanger a plus de cinq petites pommes .",
                "der bäcker hat mehr als fünf kleine äpfel .",
            ),
            (
                count(Holder::Place(&PLACES[6]), Bound::FewerThan, red, "boat"),
                "there are fewer than five red boats on the bridge .",
                "il y a moins de cinq bateaux rouges sur le pont .",
                "auf der brücke gibt es weniger als fünf rote boote .",
            ),
        ] {
            assert_eq!(english::sentence(&meaning), english);
            assert_eq!(french::sentence(&meaning), french);
            assert_eq!(german::sentence(&meaning), german);
        }
    }
}
