//! The tokeniser of the Penn Treebank.

use super::rewriter::{Neighbour, Rewriter, Substitution};
use super::{Tokenizer, Tokens};

/// The Penn Treebank's sed script of 1995 (`tokenizer.sed`), which SentEval puts its data
/// through; for English.
///
/// A straight double quote becomes ` `` ` at the beginning of the line or after a space or an
/// opening bracket, and `''` elsewhere; every comma stands apart, those in numbers too; a full
/// stop does at the end of the line alone. Words end at ASCII white space.
///
/// ```
/// use gensen_data::tokenizer::{Ptb, Tokenizer, Tokens};
///
/// let mut tokens = Tokens::default();
/// Ptb.tokenize("\"I can't, Mr. Fox.\"", &mut tokens);
/// let words: Vec<&str> = tokens.iter().collect();
/// assert_eq!(words, ["``", "I", "ca", "n't", ",", "Mr.", "Fox", ".", "''"]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Ptb;

impl Tokenizer for Ptb {
    fn tokenize(&self, line: &str, tokens: &mut Tokens) {
        tokens.clear();
        let mut text = std::mem::take(&mut tokens.rewriter);
        text.begin(line, open_first_quote);
        text.substitute(&OPENING_QUOTE);
        text.replace("...", " ... ");
        text.surround(|c| matches!(c, ',' | ';' | ':' | '@' | '#' | '$' | '%' | '&'));
        text.step(|text, out| set_final_stop_apart(text, |c| matches!(c, ' ' | '\t'), out));
        text.surround(|c| matches!(c, '?' | '!'));
        text.surround(|c| matches!(c, '[' | ']' | '(' | ')' | '{' | '}' | '<' | '>'));
        text.replace("--", " -- ");
        text.step(|text, out| {
            out.extend([" ", text, " "]);
        });
        text.replace("\"", " '' ");
        if text.text().contains('\'') {
            text.substitute(&CLOSING_QUOTE);
            for clitic in CLITICS {
                replace_either(&mut text, clitic);
            }
        }
        for word in JOINED_WORDS {
            replace_either(&mut text, word);
        }
        text.text()
            .split(|c: char| c.is_ascii_whitespace() || c == '\x0b')
            .for_each(|word| tokens.push(word));
        tokens.rewriter = text;
    }
}

/// `s/([ ([{<])"/\1 `` /g`
const OPENING_QUOTE: Substitution = Substitution {
    before: Neighbour::Is(opens_quote),
    centre: b'"',
    after: Neighbour::Any,
    replacement: " `` ",
};

/// `s/([^'])' /\1 ' /g`
pub(super) const CLOSING_QUOTE: Substitution = Substitution {
    before: Neighbour::Is(|c| c != '\''),
    centre: b'\'',
    after: Neighbour::Is(|c| c == ' '),
    replacement: " '",
};

pub(super) fn opens_quote(c: char) -> bool {
    matches!(c, ' ' | '(' | '[' | '{' | '<')
}

/// A string that is written in two ways, each with what replaces it; all begin with a space, an
/// apostrophe or an N.
type Either = [(&'static str, &'static str); 2];

const CLITICS: [Either; 7] = [
    [("'s ", " 's "), ("'S ", " 'S ")],
    [("'m ", " 'm "), ("'M ", " 'M ")],
    [("'d ", " 'd "), ("'D ", " 'D ")],
    [("'ll ", " 'll "), ("'LL ", " 'LL ")],
    [("'re ", " 're "), ("'RE ", " 'RE ")],
    [("'ve ", " 've "), ("'VE ", " 'VE ")],
    [("n't ", " n't "), ("N'T ", " N'T ")],
];

const JOINED_WORDS: [Either; 10] = [
    [(" cannot ", " can not "), (" Cannot ", " Can not ")],
    [(" d'ye ", " d' ye "), (" D'ye ", " D' ye ")],
    [(" gimme ", " gim me "), (" Gimme ", " Gim me ")],
    [(" gonna ", " gon na "), (" Gonna ", " Gon na ")],
    [(" gotta ", " got ta "), (" Gotta ", " Got ta ")],
    [(" lemme ", " lem me "), (" Lemme ", " Lem me ")],
    [(" more'n ", " more 'n "), (" More'n ", " More 'n ")],
    [(" 'tis ", " 't is "), (" 'Tis ", " 'T is ")],
    [(" 'twas ", " 't was "), (" 'Twas ", " 'T was ")],
    [(" wanna ", " wan na "), (" Wanna ", " Wan na ")],
];

/// `s/^"/`` /`
fn open_first_quote(line: &str, out: &mut String) {
    match line.strip_prefix('"') {
        Some(rest) => out.extend(["`` ", rest]),
        None => out.push_str(line),
    }
}

/// `s/([^.])(\.)([])}>"']*)BLANK*$/\1 \2\3 /`
pub(super) fn set_final_stop_apart(text: &str, blank: fn(char) -> bool, out: &mut String) {
    let end = text.trim_end_matches(blank);
    let sentence = end.trim_end_matches([']', ')', '}', '>', '"', '\'']);
    match sentence.strip_suffix('.') {
        Some(stem) if !stem.is_empty() && !stem.ends_with('.') => {
            out.extend([stem, " .", &end[sentence.len()..], " "]);
        }
        _ => out.push_str(text),
    }
}

/// Replaces both ways of writing a string, in one pass from left to right.
fn replace_either(line: &mut Rewriter, words: Either) {
    if !words.iter().any(|(from, _)| line.text().contains(from)) {
        return;
    }
    line.rewrite(
        |text| text.find([' ', '\'', 'n', 'N']),
        |_, rest, out| {
            let found = words.iter().find(|(from, _)| rest.starts_with(from));
            found.map_or(0, |(from, to)| {
                out.push_str(to);
                from.len()
            })
        },
    );
}
