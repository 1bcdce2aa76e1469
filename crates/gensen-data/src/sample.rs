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
mod tests;
