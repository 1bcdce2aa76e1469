//! English clitics and joined words.

use crate::tokenizer::char_class::{is_python_space, is_re_word};
use crate::tokenizer::rewriter::Rewriter;

/// `s/([^' ])('[sS]|'[mM]|'[dD]|') /\1 \2 /g`
pub fn split_short_clitics(text: &mut Rewriter) {
    text.rewrite(
        |text| text.find('\''),
        |free, rest, out| {
            let length = match rest.as_bytes() {
                [_, b's' | b'S' | b'm' | b'M' | b'd' | b'D', b' ', ..] => 2,
                [_, b' ', ..] => 1,
                _ => return 0,
            };
            if !free.ends_with(can_carry_clitic) {
                return 0;
            }
            out.extend([" ", &rest[..length], " "]);
            length + 1
        },
    );
}

/// `s/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /\1 \2 /g`
pub fn split_long_clitics(text: &mut Rewriter) {
    text.rewrite(
        |text| text.find('\''),
        |free, rest, out| {
            let (host, length, small_n) = match rest.as_bytes() {
                [_, b'l', b'l', b' ', ..]
                | [_, b'L', b'L', b' ', ..]
                | [_, b'r' | b'v', b'e', b' ', ..]
                | [_, b'R' | b'V', b'E', b' ', ..] => (Some(free), 3, None),
                [_, b't', b' ', ..] => (free.strip_suffix('n'), 2, Some("n")),
                [_, b'T', b' ', ..] => (free.strip_suffix('N'), 2, Some("N")),
                _ => return 0,
            };
            if !host.is_some_and(|host| host.ends_with(can_carry_clitic)) {
                return 0;
            }
            let n = small_n.unwrap_or_default();
            out.truncate(out.len() - n.len());
            out.extend([" ", n, &rest[..length], " "]);
            length + 1
        },
    );
}

fn can_carry_clitic(c: char) -> bool {
    c != '\'' && c != ' '
}

/// Joined words, cut into their two parts.
const JOINED: [(&str, &str); 8] = [
    ("can", "not"),
    ("d", "'ye"),
    ("gim", "me"),
    ("gon", "na"),
    ("got", "ta"),
    ("lem", "me"),
    ("more", "'n"),
    ("wan", "na"),
];

/// `s/\b(FIRST)(SECOND)\b/ \1 \2 /gi` for all of [`JOINED`]; white space must follow `wanna`.
pub fn split_joined_words(text: &mut Rewriter) {
    const BEGINNINGS: [char; 12] = ['c', 'd', 'g', 'l', 'm', 'w', 'C', 'D', 'G', 'L', 'M', 'W'];
    text.rewrite(
        |text| {
            // The line begins with a space, so there is a character before every word.
            let mut before = false;
            text.find(|c| {
                let found = before && BEGINNINGS.contains(&c);
                before = !is_re_word(c);
                found
            })
        },
        |_, rest, out| {
            for (first, second) in JOINED {
                let Some(cut) = prefix(rest, first) else {
                    continue;
                };
                let Some(length) = prefix(&rest[cut..], second) else {
                    continue;
                };
                let (word, after) = rest.split_at(cut + length);
                let ends = match first {
                    "wan" => after.starts_with(is_python_space),
                    _ => !after.starts_with(is_re_word),
                };
                if ends {
                    out.extend([" ", &word[..cut], " ", &word[cut..], " "]);
                    return word.len();
                }
            }
            0
        },
    );
}

/// `s/ ('t)(is)\b/ \1 \2 /gi; s/ ('t)(was)\b/ \1 \2 /gi`
pub fn split_tis_and_twas(text: &mut Rewriter) {
    text.rewrite(
        |text| text.find(" '"),
        |_, rest, out| {
            let Some(cut) = prefix(&rest[1..], "'t").map(|length| 1 + length) else {
                return 0;
            };
            for verb in ["is", "was"] {
                if let Some(length) = prefix(&rest[cut..], verb)
                    && !rest[cut + length..].starts_with(is_re_word)
                {
                    out.extend([&rest[..cut], " ", &rest[cut..cut + length], " "]);
                    return cut + length;
                }
            }
            0
        },
    );
}

/// The length in bytes of `word` at the beginning of `text`, ignoring case; `None` if the text does
/// not begin with it. As in Python's case-insensitive matching, `İ` and `ı` match i, and `ſ`
/// matches s.
fn prefix(text: &str, word: &str) -> Option<usize> {
    let mut characters = text.chars();
    let mut length = 0;
    for wanted in word.chars() {
        let c = characters.next()?;
        let same =
            c.eq_ignore_ascii_case(&wanted) || matches!((c, wanted), ('İ' | 'ı', 'i') | ('ſ', 's'));
        if !same {
            return None;
        }
        length += c.len_utf8();
    }
    Some(length)
}
