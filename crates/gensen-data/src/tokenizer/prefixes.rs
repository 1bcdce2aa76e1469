//! Non-breaking prefixes: abbreviations whose full stop does not end a sentence.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::{Language, TokenizerError};

/// The size limit of a prefix file in bytes; Moses's own are below 10 kB.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// When the full stop after a prefix is kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Always, as in `Mr. Smith`.
    Always,
    /// Only before a number, as in `No. 5`.
    BeforeNumber,
}

/// A list of words, such as `Mr`, after which a full stop does not end the sentence.
///
/// The format is that of Moses's files `nonbreaking_prefix.LANGUAGE`: one word per line without its
/// full stop; lines beginning with `#` are comments; `#NUMERIC_ONLY#` after a word restricts it to
/// [`Prefix::BeforeNumber`]. White space around a word is ignored. Of a repeated word, the last
/// line counts.
#[derive(Clone, Debug)]
pub struct NonbreakingPrefixes {
    words: FxHashMap<Box<str>, Prefix>,
}

impl NonbreakingPrefixes {
    /// The built-in lists for English, French and German.
    pub(crate) const SHIPPED: [&str; 3] = [
        include_str!("prefixes/en.txt"),
        include_str!("prefixes/fr.txt"),
        include_str!("prefixes/de.txt"),
    ];

    /// The built-in list for a language.
    pub fn shipped(language: Language) -> Self {
        let [english, french, german] = Self::SHIPPED;
        Self::parse(match language {
            Language::English => english,
            Language::French => french,
            Language::German => german,
        })
    }

    /// Reads a list from a file, or from `nonbreaking_prefix.LANGUAGE` in a folder.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not UTF-8, or is larger than 4 MiB.
    pub fn read(path: &Path, language: Language) -> Result<Self, TokenizerError> {
        let file = if path.is_dir() {
            path.join(format!("nonbreaking_prefix.{}", language.code()))
        } else {
            PathBuf::from(path)
        };
        super::read_text(&file, MAX_FILE_BYTES).map(|text| Self::parse(&text))
    }

    /// Parses the text of a list.
    pub fn parse(text: &str) -> Self {
        let mut words = FxHashMap::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (word, kind) = match line.split_once("#NUMERIC_ONLY#") {
                Some((word, _)) => (word.trim(), Prefix::BeforeNumber),
                None => (line.trim(), Prefix::Always),
            };
            if !word.is_empty() {
                words.insert(word.into(), kind);
            }
        }
        Self { words }
    }

    /// Looks up a word, given without its full stop.
    pub fn get(&self, word: &str) -> Option<Prefix> {
        self.words.get(word).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_moses_is_read() {
        let list = NonbreakingPrefixes::parse(
            "# note\nMr\r\nNo #NUMERIC_ONLY# \n\npp\t#NUMERIC_ONLY#\npp\n",
        );
        assert_eq!(list.get("Mr"), Some(Prefix::Always));
        assert_eq!(list.get("No"), Some(Prefix::BeforeNumber));
        assert_eq!(list.get("pp"), Some(Prefix::Always));
        assert_eq!(list.get("# note"), None);
        assert_eq!(list.get(""), None);
    }

    #[test]
    fn shipped_lists_hold_no_common_words() {
        let german = NonbreakingPrefixes::shipped(Language::German);
        assert_eq!(german.get("Art"), Some(Prefix::Always));
        // "auf meine eigene art." ends a sentence.
        assert_eq!(german.get("art"), None);
        let english = NonbreakingPrefixes::shipped(Language::English);
        for title in ["Mr", "MR", "Mrs", "MRS", "Ms", "MS", "Dr", "DR"] {
            assert_eq!(english.get(title), Some(Prefix::Always), "{title}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = NonbreakingPrefixes::read(Path::new("no/such/list"), Language::French)
            .expect_err("there is no such file");
        assert!(error.to_string().contains("no/such/list"), "{error}");
    }
}
