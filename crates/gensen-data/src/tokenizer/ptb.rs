//! The Penn Treebank's tokeniser.

use super::rewriter::{Condition, Rewriter, Substitution};
use super::{Tokenizer, Tokens};

/// The Penn Treebank's sed script of 1995 (`tokenizer.sed`) for English, with which SentEval's data
/// was tokenised.
///
/// A straight double quote becomes ` `` ` at the beginning of the line and after a space or an
/// opening bracket, and `''` elsewhere. Every comma is separated, even in numbers; a full stop is
/// separated only at the end of the line. Words are separated by ASCII white space.
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
            text.rewrite(|text| text.find('\''), split_short_clitic);
            for (clitic, apart) in LONG_CLITICS {
                text.replace(clitic, apart);
            }
        }
        for word in JOINED_WORDS {
            split_joined_word(&mut text, word);
        }
        text.text()
            .split(|c: char| c.is_ascii_whitespace() || c == '\x0b')
            .for_each(|word| tokens.push(word));
        tokens.rewriter = text;
    }
}

/// `s/([ ([{<])"/\1 `` /g`
const OPENING_QUOTE: Substitution = Substitution {
    before: Condition::Is(opens_quote),
    centre: b'"',
    after: Condition::Any,
    replacement: " `` ",
};

/// `s/([^'])' /\1 ' /g`
pub(super) const CLOSING_QUOTE: Substitution = Substitution {
    before: Condition::Is(|c| c != '\''),
    centre: b'\'',
    after: Condition::Is(|c| c == ' '),
    replacement: " '",
};

pub(super) fn opens_quote(c: char) -> bool {
    matches!(c, ' ' | '(' | '[' | '{' | '<')
}

const LONG_CLITICS: [(&str, &str); 8] = [
    ("'ll ", " 'll "),
    ("'re ", " 're "),
    ("'ve ", " 've "),
    ("n't ", " n't "),
    ("'LL ", " 'LL "),
    ("'RE ", " 'RE "),
    ("'VE ", " 'VE "),
    ("N'T ", " N'T "),
];

/// A joined word in lower case and with a capital first letter, each with its two parts.
type Joined = [(&'static str, &'static str); 2];

const JOINED_WORDS: [Joined; 10] = [
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

/// `s/'([sSmMdD]) / '\1 /g`
fn split_short_clitic(_free: &str, rest: &str, out: &mut String) -> usize {
    match rest.as_bytes() {
        [_, b's' | b'S' | b'm' | b'M' | b'd' | b'D', b' ', ..] => {
            out.extend([" ", &rest[..3]]);
            3
        }
        _ => 0,
    }
}

/// `s/ ([Cc])annot / \1an not /g`, and likewise for the other joined words.
fn split_joined_word(line: &mut Rewriter, words: Joined) {
    if !words.iter().any(|(from, _)| line.text().contains(from)) {
        return;
    }
    line.rewrite(
        |text| text.find(' '),
        |_, rest, out| {
            let found = words.iter().find(|(from, _)| rest.starts_with(from));
            found.map_or(0, |(from, to)| {
                out.push_str(to);
                from.len()
            })
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenize(line: &str) -> String {
        let mut tokens = Tokens::default();
        Ptb.tokenize(line, &mut tokens);
        tokens.iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn clitics_are_split_one_kind_after_the_other() {
        assert_eq!(
            tokenize("We'd've'LL can't'VE it's'm"),
            "We'd've 'LL can't 'VE it's 'm"
        );
    }

    #[test]
    fn joined_words_need_a_space_on_either_side() {
        assert_eq!(
            tokenize("cannot cannot 'Tis (gonna) Wanna."),
            "can not cannot 'T is ( gon na ) Wan na ."
        );
    }

    #[test]
    fn the_final_full_stop_goes_before_closing_marks() {
        assert_eq!(tokenize("a. b.\")  "), "a. b . '' )");
        assert_eq!(tokenize("a.. "), "a..");
        assert_eq!(tokenize("\u{a0}x\u{a0}."), "\u{a0}x\u{a0} .");
    }
}
