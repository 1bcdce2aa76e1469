//! Which words of a file of vectors are kept.

use rustc_hash::FxHashSet;

/// The words whose vectors are wanted; the others are read past.
///
/// A file of millions of vectors then costs the memory of the wanted ones alone.
#[derive(Debug, Clone, Default)]
pub struct WordSelection {
    wanted: Option<FxHashSet<String>>,
    lowercased: FxHashSet<String>,
    /// The most words to keep, the first ones.
    limit: Option<usize>,
    /// Keep no word with a capital.
    lowercase: bool,
}

impl WordSelection {
    /// Every word.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// These words: the encoder's own vocabulary and those of the new domain.
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

    /// The first `count` words of the file, most files having the most frequent words first; with
    /// `lowercase` those of them that have no capital.
    #[must_use]
    pub fn first(count: usize, lowercase: bool) -> Self {
        Self {
            limit: Some(count),
            lowercase,
            ..Self::default()
        }
    }

    /// Whether another word is kept beside the number already kept.
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

    /// The lower-cased form of a word that is not kept, if a wanted word has the same one.
    pub(super) fn other_case(&self, word: &str) -> Option<String> {
        self.wanted.as_ref()?;
        let lower = word.to_lowercase();
        self.lowercased.contains(&lower).then_some(lower)
    }
}
