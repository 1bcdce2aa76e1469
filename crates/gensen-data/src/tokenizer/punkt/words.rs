//! Punkt's word splitter: full stops are kept with their words, other punctuation is separated.

use crate::tokenizer::char_class::is_space;

/// Whether a character is never part of a word.
pub fn is_never_in_word(c: char) -> bool {
    matches!(
        c,
        ')' | '"'
            | ';'
            | '}'
            | ']'
            | '*'
            | ':'
            | '@'
            | '\''
            | '('
            | '{'
            | '['
            | '?'
            | '!'
            | '‘'
            | '’'
            | '“'
            | '”'
            | '«'
            | '»'
    )
}

fn starts_no_word(c: char) -> bool {
    matches!(
        c,
        '(' | '"'
            | '`'
            | '{'
            | '['
            | ':'
            | ';'
            | '&'
            | '#'
            | '*'
            | '@'
            | ')'
            | '}'
            | ']'
            | '-'
            | ','
    )
}

/// An iterator over the words of a line.
pub struct PunktWords<'a> {
    rest: &'a str,
}

impl<'a> PunktWords<'a> {
    pub fn of(line: &'a str) -> Self {
        Self { rest: line }
    }
}

impl<'a> Iterator for PunktWords<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches(is_space);
        let first = text.chars().next()?;
        let length = match several_marks(text) {
            Some(length) => length,
            None if starts_no_word(first) => first.len_utf8(),
            None => text
                .char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .find(|&at| ends_word(&text[at..]))
                .unwrap_or(text.len()),
        };
        let (word, rest) = text.split_at(length);
        self.rest = rest;
        Some(word)
    }
}

/// Whether a word ends where `rest` begins.
fn ends_word(rest: &str) -> bool {
    let ends = |rest: &str| {
        rest.chars()
            .next()
            .is_none_or(|c| is_space(c) || is_never_in_word(c))
            || several_marks(rest).is_some()
    };
    ends(rest) || rest.strip_prefix(',').is_some_and(ends)
}

/// The length in bytes of `-{2,}|\.{2,}|(\.\s){2,}\.` at the beginning of `text`: of several
/// hyphens, full stops, or full stops separated by white space.
fn several_marks(text: &str) -> Option<usize> {
    let mark = text.chars().next().filter(|c| matches!(c, '-' | '.'))?;
    let run = text.len() - text.trim_start_matches(mark).len();
    if run > 1 {
        return Some(run);
    }
    if mark == '-' {
        return None;
    }
    let mut length = 0;
    let mut count = 0;
    // Each iteration finds a full stop followed by white space.
    while let Some(after) = text[length..].strip_prefix('.')
        && let Some(space) = after.chars().next().filter(|c| is_space(*c))
    {
        if count >= 2 && !after[space.len_utf8()..].starts_with('.') {
            break;
        }
        length += 1 + space.len_utf8();
        count += 1;
    }
    (count >= 2 && text[length..].starts_with('.')).then_some(length + 1)
}
