//! Parsing one line of text vectors.
//!
//! Fields are separated by ASCII spaces or tabs only: GloVe has words with U+00A0, U+0085 and
//! U+2003. The last `dimensions` fields are the numbers, and everything before is the word: GloVe
//! has words with spaces.

use super::RowProblem;

/// Parses a line: appends its numbers to `values` and returns the word's bytes.
///
/// After an error, `values` may hold some of the line's numbers.
pub(super) fn parse_row<'l>(
    line: &'l [u8],
    dimensions: usize,
    dimensions_are_certain: bool,
    values: &mut Vec<f32>,
) -> Result<&'l [u8], RowProblem> {
    let line = trim_end(line);
    let start = values.len();
    if let Some(word) = parse_plain(line, dimensions, values) {
        return Ok(word);
    }
    values.truncate(start);
    parse_general(line, dimensions, dimensions_are_certain, values)
}

/// The common case in one pass: a word without spaces and exactly `dimensions` finite numbers.
fn parse_plain<'l>(line: &'l [u8], dimensions: usize, values: &mut Vec<f32>) -> Option<&'l [u8]> {
    let word_end = memchr::memchr2(b' ', b'\t', line)?;
    let (word, mut rest) = line.split_at_checked(word_end)?;
    for _ in 0..dimensions {
        rest = rest.split_first()?.1;
        let (value, used) = fast_float2::parse_partial::<f32, _>(rest).ok()?;
        rest = rest.get(used..)?;
        if !value.is_finite() || !matches!(rest.first(), None | Some(b' ' | b'\t')) {
            return None;
        }
        values.push(value);
    }
    (rest.is_empty() && !word.is_empty()).then_some(word)
}

/// All other lines: repeated spaces, a word with spaces, or an error.
fn parse_general<'l>(
    line: &'l [u8],
    dimensions: usize,
    dimensions_are_certain: bool,
    values: &mut Vec<f32>,
) -> Result<&'l [u8], RowProblem> {
    let fields: Vec<(usize, &[u8])> = fields(line).collect();
    let wrong_count = || RowProblem::Fields {
        expected: dimensions + 1,
        found: fields.len(),
    };
    let word_fields = fields
        .len()
        .checked_sub(dimensions)
        .filter(|&n| n > 0)
        .ok_or_else(wrong_count)?;
    let (word, numbers) = fields.split_at(word_fields);
    for (i, (_, field)) in numbers.iter().enumerate() {
        let value: f32 = fast_float2::parse(field).map_err(|_| RowProblem::NotANumber {
            dimension: i + 1,
            text: String::from_utf8_lossy(field).chars().take(40).collect(),
        })?;
        if !value.is_finite() {
            return Err(RowProblem::NotFinite {
                dimension: i + 1,
                value: value.to_string(),
            });
        }
        values.push(value);
    }
    // `word 1 2 3 4` in a file of three dimensions is a row that is too long, not the word `word
    // 1`.
    if let [_, .., (_, last)] = word
        && !dimensions_are_certain
        && fast_float2::parse::<f32, _>(last).is_ok()
    {
        return Err(wrong_count());
    }
    let span = word
        .first()
        .zip(word.last())
        .and_then(|((from, _), (to, last))| line.get(*from..to + last.len()));
    span.ok_or_else(wrong_count)
}

/// The number of fields in a line.
pub(super) fn count_fields(line: &[u8]) -> usize {
    fields(trim_end(line)).count()
}

/// The fields and their positions.
fn fields(line: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    line.split(|b| matches!(b, b' ' | b'\t'))
        .filter_map(move |field| {
            let from = at;
            at += field.len() + 1;
            (!field.is_empty()).then_some((from, field))
        })
}

fn trim_end(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t' | b'\r'] = line {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, dimensions: usize) -> Result<(String, Vec<f32>), RowProblem> {
        let mut values = Vec::new();
        let word = parse_row(line.as_bytes(), dimensions, false, &mut values)?;
        Ok((String::from_utf8_lossy(word).into_owned(), values))
    }

    fn ok(line: &str, dimensions: usize) -> (String, Vec<f32>) {
        parse(line, dimensions).unwrap()
    }

    #[test]
    fn usual_rows() {
        let expected = ("the".to_owned(), vec![0.5, -1.0, 2e-3]);
        for line in [
            "the 0.5 -1 2e-3",
            "the 0.5 -1 2e-3 \r",
            "the\t0.5\t-1\t2e-3",
            "the  0.5 -1  2e-3",
            " the 0.5 -1 2e-3",
        ] {
            assert_eq!(ok(line, 3), expected, "{line:?}");
        }
        assert_eq!(ok("42 1 2", 2).0, "42");
    }

    #[test]
    fn only_ascii_blanks_separate() {
        for word in [
            "nb\u{a0}sp",
            "\u{85}",
            "em\u{2003}em",
            "\u{3000}",
            "\u{b}\u{c}",
            "\"\\'",
        ] {
            assert_eq!(
                ok(&format!("{word} 1 2"), 2),
                (word.to_owned(), vec![1.0, 2.0])
            );
        }
    }

    #[test]
    fn words_may_hold_blanks() {
        assert_eq!(
            ok("at name@domain.com 1 2", 2),
            ("at name@domain.com".to_owned(), vec![1.0, 2.0])
        );
        assert_eq!(ok(". .  . 1 2", 2).0, ". .  .");
    }

    #[test]
    fn rows_of_differing_length() {
        assert_eq!(
            parse("the 1 2", 3),
            Err(RowProblem::Fields {
                expected: 4,
                found: 3
            })
        );
        assert_eq!(
            parse("the 1 2 3 4", 3),
            Err(RowProblem::Fields {
                expected: 4,
                found: 5
            })
        );
        assert_eq!(
            parse(" 1 2 3", 3),
            Err(RowProblem::Fields {
                expected: 4,
                found: 3
            })
        );
        assert_eq!(
            parse("", 3),
            Err(RowProblem::Fields {
                expected: 4,
                found: 0
            })
        );
        let mut values = Vec::new();
        assert_eq!(
            parse_row(b"fig. 1 1 2 3", 3, true, &mut values),
            Ok(&b"fig. 1"[..])
        );
    }

    #[test]
    fn what_is_not_a_finite_number() {
        let not_a_number = |dimension, text: &str| {
            Err(RowProblem::NotANumber {
                dimension,
                text: text.into(),
            })
        };
        let not_finite = |dimension, value: &str| {
            Err(RowProblem::NotFinite {
                dimension,
                value: value.into(),
            })
        };
        assert_eq!(parse("the 1 two 3", 3), not_a_number(2, "two"));
        assert_eq!(parse("the 1 2 3,5", 3), not_a_number(3, "3,5"));
        assert_eq!(parse("the 1 0x1 3", 3), not_a_number(2, "0x1"));
        assert_eq!(parse("the nan 2 3", 3), not_finite(1, "NaN"));
        assert_eq!(parse("the 1 2 -inf", 3), not_finite(3, "-inf"));
        assert_eq!(parse("the 1 1e39 3", 3), not_finite(2, "inf"));
    }
}
