//! Statistics of prepared inputs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The statistics of all inputs of a preparation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataReport {
    /// One entry for each input, in the order of the configuration: for each task the inputs of
    /// train, validation and test.
    pub inputs: Vec<InputReport>,
}

/// The statistics of one input. Everything that is left out is counted here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    /// The task's name.
    pub task: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// The file, files or folder.
    pub input: String,
    /// Lines read; for line-aligned files, lines of each file; for trees, trees.
    pub read: u64,
    /// Sentences of running text.
    pub sentences: u64,
    /// Examples kept: pairs, or triples of neighbouring sentences.
    pub kept: u64,
    /// Left out: pairs with a blank sentence, blank lines, trees without words.
    pub blank: u64,
    /// Left out: pairs without a label (`-`).
    pub unlabelled: u64,
    /// Left out: pairs and sentences that occur in
    /// [`exclude_sentences`](crate::prepare::DataOptions::exclude_sentences).
    #[serde(default)]
    pub excluded: u64,
    /// Left out: lines of running text that do not end in punctuation.
    pub headings: u64,
    /// The words of the source sentences (NLI: of premises and hypotheses).
    pub source: WordReport,
    /// The words of the target sentences.
    pub target: WordReport,
}

/// Statistics of the words of the examples kept, on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordReport {
    /// Sentences that were truncated to the maximal length.
    pub truncated: u64,
    /// Words after truncation.
    pub words: u64,
    /// Words among them that are not in the vocabulary.
    pub unknown: u64,
}

impl WordReport {
    /// The share of unknown words, from 0 to 1.
    pub fn unknown_rate(&self) -> f64 {
        self.unknown as f64 / self.words.max(1) as f64
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.truncated += other.truncated;
        self.words += other.words;
        self.unknown += other.unknown;
    }
}

impl fmt::Display for DataReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, input) in self.inputs.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            write!(f, "{input}")?;
        }
        Ok(())
    }
}

impl fmt::Display for InputReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}: {} read",
            self.task, self.split, self.input, self.read
        )?;
        if self.sentences > 0 {
            write!(f, ", {} sentences", self.sentences)?;
        }
        write!(f, ", {} kept", self.kept)?;
        for (count, what) in [
            (self.blank, "blank"),
            (self.unlabelled, "unlabelled"),
            (self.headings, "headings"),
            (self.excluded, "excluded"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        for (side, name) in [(self.source, "source"), (self.target, "target")] {
            if side.words > 0 {
                write!(f, "; {name}: {:.2} % unknown", 100.0 * side.unknown_rate())?;
            }
            if side.truncated > 0 {
                write!(f, ", {} truncated", side.truncated)?;
            }
        }
        Ok(())
    }
}
