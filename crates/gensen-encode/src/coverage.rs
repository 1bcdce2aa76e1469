//! Vocabulary coverage of a text.

use std::fmt;
use std::ops::AddAssign;

/// Counts of words and sentences that the vocabulary does and does not cover. `<s>` and `</s>` are
/// not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// All words.
    pub words: u64,
    /// Words that are not in the vocabulary and are encoded as `<unk>`.
    pub unknown: u64,
    /// Sentences with at least one word.
    pub sentences: u64,
    /// Sentences with words of which none is known: all that are equally long have the same vector.
    pub without_known_word: u64,
}

impl Coverage {
    /// The share of unknown words, 0 to 1.
    pub fn unknown_share(&self) -> f64 {
        self.unknown as f64 / self.words.max(1) as f64
    }

    /// Whether more than a fifth of the words are unknown, so that the vectors carry little
    /// information.
    pub fn is_poor(&self) -> bool {
        self.unknown_share() > 0.2
    }

    /// Counts a sentence.
    pub(crate) fn count(&mut self, words: usize, unknown: usize) {
        self.words += words as u64;
        self.unknown += unknown as u64;
        self.sentences += u64::from(words > 0);
        self.without_known_word += u64::from(words > 0 && unknown == words);
    }

    /// The counts with the larger share of unknown words: two encoders' for the same sentences.
    pub(crate) fn poorer(self, other: Self) -> Self {
        match other.unknown_share() > self.unknown_share() {
            true => other,
            false => self,
        }
    }
}

impl AddAssign for Coverage {
    /// Adds the counts of other sentences.
    fn add_assign(&mut self, other: Self) {
        let Self {
            words,
            unknown,
            sentences,
            without_known_word,
        } = other;
        self.words += words;
        self.unknown += unknown;
        self.sentences += sentences;
        self.without_known_word += without_known_word;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            words,
            unknown,
            sentences,
            without_known_word,
        } = self;
        write!(
            f,
            "{unknown} of {words} words ({:.1} %) are unknown to the model; {without_known_word} of \
             {sentences} sentences have no known word",
            100.0 * self.unknown_share()
        )
    }
}
