//! What preparation found in each input.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What preparation found, input by input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One entry an input, in the order of the configuration: train, validation, test of each task.
    pub inputs: Vec<InputReport>,
}

/// What preparation found in one input. Nothing is left out that is not counted here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    /// The task's name.
    pub task: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// The file, files or folder.
    pub input: String,
    /// Lines read (of line-aligned files: pairs of lines; of trees: trees).
    pub read: u64,
    /// Sentences found in running text.
    pub sentences: u64,
    /// Examples kept: pairs, or triples of neighbouring sentences.
    pub kept: u64,
    /// Pairs left out since a sentence was blank; blank lines; trees without words.
    pub blank: u64,
    /// Pairs left out since they carry no label (`-`).
    pub unlabelled: u64,
    /// Pairs and sentences left out since they stand in files that are not to be trained on.
    #[serde(default)]
    pub excluded: u64,
    /// Lines of running text left out since they do not end in punctuation.
    pub headings: u64,
    /// What became of the source sentences (NLI: premises and hypotheses).
    pub source: WordReport,
    /// What became of the target sentences.
    pub target: WordReport,
}

/// What became of the sentences kept on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordReport {
    /// Sentences that were longer than the maximum and were cut.
    pub truncated: u64,
    /// Words kept.
    pub words: u64,
    /// Words among them that the vocabulary does not have.
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

impl fmt::Display for Report {
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
