//! The selection of words to read.

use rustc_hash::FxHashSet;

/// The words whose vectors are read; other rows are skipped and take no memory.
#[derive(Debug, Clone, Default)]
pub struct WordSelection {
    wanted: Option<FxHashSet<String>>,
    lowercased: FxHashSet<String>,
    /// The number of words after which all others are skipped.
    limit: Option<usize>,
    /// Whether to skip words with capital letters.
    lowercase: bool,
}

impl WordSelection {
    /// Every word.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// These words: for expansion, the encoder's own vocabulary and the new words.
    pub fn of<I>(words: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let wanted: FxHashSet<String> = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let lowercased = wanted.iter().map(|word| word.to_lowercase()).collect();
        Self {
            wanted: Some(wanted),
            lowercased,
            ..Self::default()
        }
    }

    /// The first `count` words of the file, in most files the most frequent ones; with `lowercase`,
    /// the first `count` words without capital letters.
    #[must_use]
    pub fn first(count: usize, lowercase: bool) -> Self {
        Self {
            limit: Some(count),
            lowercase,
            ..Self::default()
        }
    }

    /// Whether another word may be kept, after `kept` words.
    pub(super) fn has_room(&self, kept: usize) -> bool {
        self.limit.is_none_or(|limit| kept < limit)
    }

    /// Whether the vector of `word` is kept.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        let wanted = self.wanted.as_ref();
        wanted.is_none_or(|wanted| wanted.contains(word))
            && !(self.lowercase && word.chars().any(char::is_uppercase))
    }

    /// The lower-cased form of a skipped word, if it differs from a wanted word only in case.
    pub(super) fn other_case(&self, word: &str) -> Option<String> {
        self.wanted.as_ref()?;
        let lower = word.to_lowercase();
        self.lowercased.contains(&lower).then_some(lower)
    }
}
