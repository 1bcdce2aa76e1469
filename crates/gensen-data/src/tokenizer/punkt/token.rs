//! Punkt's tokens: words with annotations.

use super::model::{self, PunktModel};
use crate::tokenizer::char_class::{is_digit, is_regex_word};

/// The kind of all numbers.
pub const NUMBER: &str = "##number##";

/// Whether a word starts a sentence, judging by the cases in which it was seen elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    Yes,
    No,
    Unknown,
}

/// A word with its annotations.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    word: &'a str,
    /// The word in lower case, or [`NUMBER`].
    kind: String,
    pub sentence_break: bool,
    pub abbreviation: bool,
    pub ellipsis: bool,
}

impl<'a> Token<'a> {
    /// The first pass (section 3 of the paper): annotates the word by itself.
    pub fn new(word: &'a str, model: &PunktModel) -> Self {
        let lower = word.to_lowercase();
        let mut token = Self {
            word,
            kind: if is_number(&lower) {
                NUMBER.to_owned()
            } else {
                lower
            },
            sentence_break: false,
            abbreviation: false,
            ellipsis: false,
        };
        if matches!(word, "." | "?" | "!") {
            token.sentence_break = true;
        } else if word.len() >= 2 && word.bytes().all(|b| b == b'.') {
            token.ellipsis = true;
        } else if let Some(stem) = word.strip_suffix('.').filter(|stem| !stem.ends_with('.')) {
            let stem = stem.to_lowercase();
            let last_part = stem.rsplit('-').next().unwrap_or_default();
            token.abbreviation = model.is_abbreviation(&stem) || model.is_abbreviation(last_part);
            token.sentence_break = !token.abbreviation;
        }
        token
    }

    pub fn ends_with_period(&self) -> bool {
        self.word.ends_with('.')
    }

    pub fn kind_without_period(&self) -> &str {
        match self.kind.strip_suffix('.') {
            Some(stem) if !stem.is_empty() => stem,
            _ => &self.kind,
        }
    }

    pub fn kind_without_sentence_period(&self) -> &str {
        if self.sentence_break {
            self.kind_without_period()
        } else {
            &self.kind
        }
    }

    pub fn begins_upper(&self) -> bool {
        self.word.starts_with(char::is_uppercase)
    }

    /// Whether the word is an initial: a letter with a full stop.
    pub fn is_initial(&self) -> bool {
        let mut characters = self.word.chars();
        matches!(
            (characters.next(), characters.next(), characters.next()),
            (Some(c), Some('.'), None) if is_regex_word(c) && !is_digit(c)
        )
    }

    /// The orthographic heuristic (section 4.1.1).
    pub fn starts_sentence(&self, model: &PunktModel) -> Starts {
        if matches!(self.word, ";" | ":" | "," | "." | "!" | "?") {
            return Starts::No;
        }
        let seen = model.case_of(self.kind_without_sentence_period());
        if self.begins_upper() && seen & model::LOWER != 0 && seen & model::INSIDE_UPPER == 0 {
            Starts::Yes
        } else if self.word.starts_with(char::is_lowercase)
            && (seen & model::UPPER != 0 || seen & model::FIRST_LOWER == 0)
        {
            Starts::No
        } else {
            Starts::Unknown
        }
    }
}

/// `^-?[.,]?\d[\d,.-]*$`
fn is_number(word: &str) -> bool {
    let word = word.strip_prefix('-').unwrap_or(word);
    let word = word.strip_prefix(['.', ',']).unwrap_or(word);
    word.starts_with(is_digit)
        && word
            .chars()
            .all(|c| is_digit(c) || matches!(c, ',' | '.' | '-'))
}
