//! The text forms of protocol 0: numbers and strings.

/// Opcode `I`: a decimal integer, or `01` for `True` and `00` for `False`.
pub(super) enum Integer {
    Bool(bool),
    Int(i64),
}

pub(super) fn integer(line: &[u8]) -> Option<Integer> {
    match line {
        b"01" => Some(Integer::Bool(true)),
        b"00" => Some(Integer::Bool(false)),
        _ => number(line).map(Integer::Int),
    }
}

/// Parses a line that holds a number.
pub(super) fn number<T: std::str::FromStr>(line: &[u8]) -> Option<T> {
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Opcode `S`: parses the `repr` of a Python 2 byte string, quotes included.
pub(super) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = line.split_first()?;
    let (&last, mut body) = rest.split_last()?;
    if !matches!(quote, b'\'' | b'"') || last != quote {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len());
    while let Some((&byte, rest)) = body.split_first() {
        body = rest;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&escape, rest) = body.split_first()?;
        body = rest;
        bytes.push(match escape {
            b'\\' | b'\'' | b'"' => escape,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'v' => 0x0b,
            b'x' => {
                let (digits, rest) = body.split_at_checked(2)?;
                body = rest;
                u8::try_from(hexadecimal(digits)?).ok()?
            }
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    match body.split_first() {
                        Some((&digit @ b'0'..=b'7', rest)) => {
                            value = value * 8 + u32::from(digit - b'0');
                            body = rest;
                        }
                        _ => break,
                    }
                }
                u8::try_from(value).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

/// Opcode `V`: parses Python's `raw-unicode-escape`, Latin-1 with `\uXXXX` and `\UXXXXXXXX`
/// escapes.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match rest.get(..2) {
            Some(br"\u") => 4,
            Some(br"\U") => 8,
            _ => {
                text.push(char::from(byte));
                rest = after;
                continue;
            }
        };
        text.push(char::from_u32(hexadecimal(rest.get(2..2 + digits)?)?)?);
        rest = rest.get(2 + digits..)?;
    }
    Some(text)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_are_what_python_writes() {
        assert_eq!(quoted(br"'plain'").unwrap(), b"plain");
        assert_eq!(quoted(br#""it's""#).unwrap(), b"it's");
        assert_eq!(
            quoted(br"'a\\b\'c\n\t\xe2\x80\x99\0\101'").unwrap(),
            b"a\\b'c\n\t\xe2\x80\x99\0A"
        );
        for wrong in [
            &b"'open"[..],
            b"'",
            b"",
            b"plain",
            br"'\'",
            br"'\x4'",
            br"'\xzz'",
            br"'\q'",
            br"'\777'",
        ] {
            assert_eq!(quoted(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn unicode_lines_are_latin_1_with_escapes() {
        assert_eq!(raw_unicode_escape(b"caf\xe9").unwrap(), "café");
        assert_eq!(
            raw_unicode_escape(br"\u2019\U0001f600\n").unwrap(),
            "’😀\\n"
        );
        for wrong in [&br"\u12"[..], br"\ud800", br"\U00110000", br"\uzzzz"] {
            assert_eq!(raw_unicode_escape(wrong), None, "{wrong:?}");
        }
    }
}
