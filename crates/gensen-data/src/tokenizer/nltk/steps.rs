//! The steps of NLTK's `NLTKWordTokenizer`, in its order.

use super::contractions;
use crate::tokenizer::char_class::{is_digit, is_regex_word, is_space};
use crate::tokenizer::ptb::{CLOSING_QUOTE, opens_quote, set_final_stop_apart};
use crate::tokenizer::rewriter::Rewriter;

/// Separates the words of a sentence with white space.
pub fn split_words(sentence: &str, text: &mut Rewriter) {
    text.begin(sentence, |sentence, out| out.push_str(sentence));

    // Opening quotes.
    text.surround(|c| matches!(c, '«' | '“' | '‘' | '„'));
    set_runs_apart(text, "`", '`');
    if text.text().starts_with('"') {
        text.step(|text, out| out.extend(["``", &text[1..]]));
    }
    text.replace("``", " `` ");
    open_double_quotes(text);
    open_single_quotes(text);

    // Punctuation.
    text.step(set_final_stop_and_quotes_apart);
    set_commas_and_colons_apart(text);
    set_runs_apart(text, "..", '.');
    text.surround(|c| {
        matches!(
            c,
            ';' | '@' | '#' | '$' | '%' | '&' | '\u{2012}'..='\u{2015}'
        )
    });
    text.step(|text, out| set_final_stop_apart(text, is_space, out));
    text.surround(|c| matches!(c, '?' | '!'));
    text.substitute(&CLOSING_QUOTE);
    text.surround(|c| matches!(c, '*' | '[' | ']' | '(' | ')' | '{' | '}' | '<' | '>'));
    text.replace("--", " -- ");

    // Closing quotes and contractions, between single spaces.
    text.step(|text, out| out.extend([" ", text, " "]));
    text.surround(|c| matches!(c, '»' | '”' | '’'));
    text.replace("''", " '' ");
    text.replace("\"", " '' ");
    text.step(squeeze_spaces);
    contractions::split_short_clitics(text);
    contractions::split_long_clitics(text);
    contractions::split_joined_words(text);
    contractions::split_tis_and_twas(text);
}

/// Puts spaces around the runs of a character that begin with `start`.
fn set_runs_apart(text: &mut Rewriter, start: &str, character: char) {
    text.rewrite(
        |text| text.find(start),
        |_, rest, out| {
            let length = rest.len() - rest.trim_start_matches(character).len();
            out.extend([" ", &rest[..length], " "]);
            length
        },
    );
}

/// `s/([ ([{<])("|'')/\1 `` /g`
fn open_double_quotes(text: &mut Rewriter) {
    text.rewrite(
        |text| text.find(['"', '\'']),
        |free, rest, out| {
            let length = match rest.as_bytes() {
                [b'"', ..] => 1,
                [b'\'', b'\'', ..] => 2,
                _ => return 0,
            };
            if !free.ends_with(opens_quote) {
                return 0;
            }
            out.push_str(" `` ");
            length
        },
    );
}

/// Separates an apostrophe at the beginning of a word, unless the word is a clitic:
/// `s/(?<!\w)(')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)/\1 /gi`
fn open_single_quotes(text: &mut Rewriter) {
    text.rewrite(
        |text| text.find('\''),
        |free, rest, out| {
            let word = &rest[1..];
            // A match ends with an apostrophe, which is not a word character, so it is enough to
            // look at the text after it.
            if free.ends_with(is_regex_word) || !word.starts_with(is_regex_word) || is_clitic(word)
            {
                return 0;
            }
            out.push_str("' ");
            1
        },
    );
}

/// Whether the first word of `text` is a clitic without its apostrophe.
fn is_clitic(text: &str) -> bool {
    let end = text.find(|c| !is_regex_word(c)).unwrap_or(text.len());
    // Ignoring case, ſ equals s.
    ["re", "ve", "ll", "m", "t", "s", "ſ", "d", "n"]
        .iter()
        .any(|clitic| text[..end].eq_ignore_ascii_case(clitic))
}

/// `s/([^.])(\.)([])}>"'»”’ ]*+)\s*$/\1 \2 \3 /`
fn set_final_stop_and_quotes_apart(text: &str, out: &mut String) {
    const CLOSING: [char; 9] = [']', ')', '}', '>', '"', '\'', '»', '”', '’'];
    let sentence = text
        .trim_end_matches(is_space)
        .trim_end_matches(|c| c == ' ' || CLOSING.contains(&c));
    match sentence.strip_suffix('.') {
        Some(stem) if !stem.is_empty() && !stem.ends_with('.') => {
            let after = &text[sentence.len()..];
            let closing = after.trim_start_matches(|c| c == ' ' || CLOSING.contains(&c));
            out.extend([stem, " . ", &after[..after.len() - closing.len()], " "]);
        }
        _ => out.push_str(text),
    }
}

/// `s/([:,])(\D)/ \1 \2/g; s/([:,])$/ \1 /g`, where `$` also matches before a final line feed.
fn set_commas_and_colons_apart(text: &mut Rewriter) {
    text.rewrite(
        |text| text.find([',', ':']),
        |_, rest, out| match rest[1..].chars().next() {
            Some(next) if !is_digit(next) => {
                let length = 1 + next.len_utf8();
                out.extend([" ", &rest[..1], " ", &rest[1..length]]);
                length
            }
            _ => 0,
        },
    );
    let line = text.text().strip_suffix('\n').unwrap_or(text.text());
    if line.ends_with([',', ':']) {
        let at = line.len() - 1;
        text.step(|text, out| {
            out.extend([&text[..at], " ", &text[at..=at], " ", &text[at + 1..]]);
        });
    }
}

/// `s/\s+/ /g`
fn squeeze_spaces(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(is_space) {
        out.extend([&rest[..at], " "]);
        rest = rest[at..].trim_start_matches(is_space);
    }
    out.push_str(rest);
}
