//! The first step of the Moses tokeniser: white space, control characters and symbols.

use crate::tokenizer::char_class::is_alnum;

/// The treatment of a byte in the first step.
#[derive(Clone, Copy)]
enum Byte {
    Keep,
    Space,
    Drop,
    Symbol,
    NotAscii,
}

const BYTES: [Byte; 256] = {
    let mut bytes = [Byte::Symbol; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'\'' | b'`' | b',' | b'-') {
            bytes[i] = Byte::Keep;
        } else if matches!(b, b' ' | b'\t'..=b'\r') {
            bytes[i] = Byte::Space;
        } else if b < b' ' {
            bytes[i] = Byte::Drop;
        } else if !b.is_ascii() {
            bytes[i] = Byte::NotAscii;
        }
        i += 1;
    }
    bytes
};

/// Appends `line` to `text` with runs of white space replaced by single spaces, without white space
/// at the ends and without control characters. Then every character other than letters, digits and
/// `.` `'` `` ` `` `,` `-` gets a space on either side, in addition to spaces already there.
pub(super) fn set_symbols_apart(line: &str, text: &mut String) {
    // `line[copied..at]` is to be copied unchanged, later and in one piece.
    let (mut at, mut copied) = (0, 0);
    // Whether a space must be written before the next character, and whether any was written yet.
    let (mut space_due, mut begun) = (false, false);
    let bytes = line.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let mut length = 1;
        let kind = match BYTES[usize::from(byte)] {
            Byte::NotAscii => {
                #[allow(clippy::expect_used, reason = "`bytes[at]` begins a character")]
                let c = line[at..].chars().next().expect("a character");
                length = c.len_utf8();
                kind_of(c)
            }
            kind => kind,
        };
        match kind {
            Byte::Keep | Byte::NotAscii => {
                if space_due {
                    text.push(' ');
                    space_due = false;
                }
                begun = true;
            }
            // A single space between two characters that are kept is copied with them.
            Byte::Space
                if byte == b' '
                    && begun
                    && !space_due
                    && bytes
                        .get(at + 1)
                        .is_some_and(|&next| matches!(BYTES[usize::from(next)], Byte::Keep)) =>
            {
                length = 2;
            }
            Byte::Space => {
                text.push_str(&line[copied..at]);
                copied = at + length;
                space_due = begun;
            }
            Byte::Drop => {
                text.push_str(&line[copied..at]);
                copied = at + length;
            }
            Byte::Symbol => {
                let space = if space_due { "  " } else { " " };
                text.extend([&line[copied..at], space, &line[at..at + length], " "]);
                copied = at + length;
                space_due = false;
                begun = true;
            }
        }
        at += length;
    }
    text.push_str(&line[copied..]);
}

fn kind_of(c: char) -> Byte {
    if is_alnum(c) {
        Byte::Keep
    } else if c.is_whitespace() {
        Byte::Space
    } else {
        Byte::Symbol
    }
}
