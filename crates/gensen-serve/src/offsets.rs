//! The positions of a tokeniser's words in a text.

use gensen_data::tokenizer::{MOSES_ENTITIES, Tokens};

use crate::model::Model;
use crate::types::SimpleToken;

/// Characters and their spelling by tokenisers: the Penn Treebank's quotes and Moses's entities.
fn written(text: &str) -> Option<(char, &'static str)> {
    let quotes = [('"', "``"), ('"', "''")].into_iter();
    quotes
        .chain(MOSES_ENTITIES)
        .find(|(_, code)| text.starts_with(code))
}

/// The words of a text with their positions, with `<s>` and `</s>` if `special`.
pub(crate) fn tokens(model: &Model, text: &str, special: bool) -> Vec<SimpleToken> {
    let [begin, end] = model.around().map(|(id, text)| SimpleToken {
        id,
        text: text.to_owned(),
        special: true,
        start: None,
        stop: None,
    });
    let mut words = Tokens::default();
    model.split(text, &mut words);
    let mut position = Position {
        left: text,
        characters: 0,
        lowercase: model.lowercase(),
    };
    let mut found = Vec::with_capacity(words.len() + 2);
    found.extend(special.then_some(begin));
    for word in words.iter() {
        let at = position.take(word);
        found.push(SimpleToken {
            id: model.id(word),
            text: at.map_or(word, |(_, text)| text).to_owned(),
            special: false,
            start: at.map(|(start, _)| start),
            stop: at.map(|(start, text)| start + text.chars().count()),
        });
    }
    found.extend(special.then_some(end));
    found
}

/// A position in a text.
struct Position<'a> {
    left: &'a str,
    /// The number of characters before `left`.
    characters: usize,
    lowercase: bool,
}

impl<'a> Position<'a> {
    /// The position and spelling of `word` if it comes next; moves behind it.
    fn take(&mut self, word: &str) -> Option<(usize, &'a str)> {
        let begin = self
            .left
            .find(|c: char| !c.is_whitespace() && !c.is_control());
        let begin = begin.unwrap_or(self.left.len());
        self.skip(begin);
        let length = self.length(word).or_else(|| {
            let mut plain = String::new();
            let mut left = word;
            while let Some(c) = left.chars().next() {
                match written(left) {
                    Some((character, code)) => {
                        plain.push(character);
                        left = &left[code.len()..];
                    }
                    None => {
                        plain.push(c);
                        left = &left[c.len_utf8()..];
                    }
                }
            }
            self.length(&plain)
        })?;
        let at = (self.characters, &self.left[..length]);
        self.skip(length);
        Some(at)
    }

    fn skip(&mut self, bytes: usize) {
        self.characters += self.left[..bytes].chars().count();
        self.left = &self.left[bytes..];
    }

    /// The length of `word` in bytes, as the text spells it, if it comes next.
    fn length(&self, word: &str) -> Option<usize> {
        if !self.lowercase {
            return self.left.starts_with(word).then_some(word.len());
        }
        let mut word = word.chars();
        let mut length = 0;
        for c in self.left.chars() {
            if word.as_str().is_empty() {
                break;
            }
            for lowered in c.to_lowercase() {
                if word.next() != Some(lowered) {
                    return None;
                }
            }
            length += c.len_utf8();
        }
        (length > 0 && word.as_str().is_empty()).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, Option<usize>, Option<usize>)> {
        let model = Model::new("english", gensen_english::load().unwrap(), None).unwrap();
        let tokens = tokens(&model, text, false);
        tokens
            .into_iter()
            .map(|t| (t.text, t.start, t.stop))
            .collect()
    }

    fn at(text: &str, start: usize, stop: usize) -> (String, Option<usize>, Option<usize>) {
        (text.to_owned(), Some(start), Some(stop))
    }

    #[test]
    fn positions_are_in_characters() {
        let words = found("  Élan can't stop.");
        let expected = [
            at("Élan", 2, 6),
            at("ca", 7, 9),
            at("n't", 9, 12),
            at("stop", 13, 17),
            at(".", 17, 18),
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn rewritten_words_are_found() {
        let words = found("\"No,\" he (İ) said.");
        assert_eq!(words[0], at("\"", 0, 1));
        assert_eq!(words[3], at("\"", 4, 5));
        // One character that is two in lower case.
        assert_eq!(words[6], at("İ", 10, 11));
        assert_eq!(words.last(), Some(&at(".", 17, 18)));
    }

    #[test]
    fn positions_match_the_words() {
        for text in [
            "a&b <i> [x] 'tis \"so\"...",
            "\u{1}\u{a0}x \u{2003}y",
            "gonna, cannot; lemme",
        ] {
            for (word, start, stop) in found(text) {
                if let (Some(start), Some(stop)) = (start, stop) {
                    let slice: String = text.chars().skip(start).take(stop - start).collect();
                    assert_eq!(slice, word, "{text}");
                }
            }
        }
    }
}
