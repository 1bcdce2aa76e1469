//! Reading SentEval's files as Python does: line ends and word separators decide how many sentences there are.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use gensen_data::text::{MARK_BYTES, no_pointer};

use crate::error::{EvalError, Result};

/// Largest file read, in bytes.
const LARGEST_FILE: u64 = 2 << 30;

/// A file's character encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextEncoding {
    Utf8,
    Latin1,
}

/// A file's line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// At `\n`, `\r\n` and `\r`, as iterating over a file in Python.
    Universal,
    /// At every Unicode line boundary, as Python's `str.splitlines`.
    Unicode,
}

/// A text file's lines and their numbers.
#[derive(Debug)]
pub(super) struct TextFile {
    pub path: PathBuf,
    pub lines: Vec<String>,
}

impl TextFile {
    /// Reads a file of at most 2 GiB.
    pub(super) fn read(path: PathBuf, encoding: TextEncoding, lines: LineEnds) -> Result<Self> {
        let file = fs::File::open(&path).map_err(EvalError::io(&path))?;
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(EvalError::io(&path))?;
        if bytes.len() as u64 > LARGEST_FILE {
            let problem = format!("is larger than {LARGEST_FILE} bytes");
            return Err(EvalError::File { path, problem });
        }
        no_pointer(&bytes).map_err(EvalError::io(&path))?;
        if bytes.starts_with(MARK_BYTES) {
            bytes.drain(..MARK_BYTES.len());
        }
        let text: String = match encoding {
            TextEncoding::Latin1 => bytes.into_iter().map(char::from).collect(),
            TextEncoding::Utf8 => String::from_utf8(bytes).map_err(|error| {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + valid.iter().filter(|&&b| b == b'\n').count();
                EvalError::line(&path, line, "expected UTF-8")
            })?,
        };
        Ok(Self {
            lines: split_lines(&text, lines),
            path,
        })
    }

    /// The lines with their numbers, for error messages.
    pub(super) fn iter(&self) -> impl Iterator<Item = Line<'_>> {
        (1..).zip(&self.lines).map(|(number, text)| Line {
            path: &self.path,
            number,
            text,
        })
    }

    /// The lines below the header line, each with its tab-separated columns: at least `least`. In a row with more columns
    /// than the header line it is unclear which are meant; it is an error.
    pub(super) fn table(
        &self,
        least: usize,
    ) -> impl Iterator<Item = Result<(Line<'_>, Vec<&str>)>> {
        let header = self
            .lines
            .first()
            .map_or(0, |line| line.split('\t').count());
        let most = header.max(least);
        self.iter().skip(1).map(move |line| {
            let columns = line.columns(least)?;
            match columns.len() <= most {
                true => Ok((line, columns)),
                false => Err(line.error(format!(
                    "the row has {} columns, but the header line has {header}",
                    columns.len()
                ))),
            }
        })
    }

    /// Checks that this file has as many lines as a parallel one.
    pub(super) fn same_length(&self, other: &Self) -> Result<()> {
        if self.lines.len() == other.lines.len() {
            return Ok(());
        }
        Err(EvalError::UnequalLines {
            first: self.path.clone(),
            first_lines: self.lines.len(),
            second: other.path.clone(),
            second_lines: other.lines.len(),
        })
    }

    /// Checks that examples were found.
    pub(super) fn not_empty<T>(&self, found: &[T]) -> Result<()> {
        if found.is_empty() {
            let problem = "expected at least one example, found none".into();
            return Err(EvalError::File {
                path: self.path.clone(),
                problem,
            });
        }
        Ok(())
    }
}

/// A line with its file and number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    path: &'a Path,
    number: usize,
    pub text: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn error(&self, problem: impl Into<String>) -> EvalError {
        EvalError::line(self.path, self.number, problem)
    }

    /// The tab-separated columns, at least `least`.
    pub(super) fn columns(&self, least: usize) -> Result<Vec<&'a str>> {
        let columns: Vec<&str> = strip(self.text).split('\t').collect();
        if columns.len() < least {
            let found = columns.len();
            return Err(self.error(format!(
                "expected {least} columns between tabs, found {found}"
            )));
        }
        Ok(columns)
    }

    /// A class given by its number, below `classes`.
    pub(super) fn class(&self, text: &str, classes: u32) -> Result<u32> {
        text.trim()
            .parse()
            .ok()
            .filter(|&class| class < classes)
            .ok_or_else(|| {
                self.error(format!(
                    "expected a label from 0 to {}, found {text:?}",
                    classes - 1
                ))
            })
    }

    /// A class given by its name; `names` in the order of their numbers.
    pub(super) fn named_class(&self, text: &str, names: &[&str]) -> Result<u32> {
        let class = names.iter().position(|name| *name == text.trim());
        class.map(|class| class as u32).ok_or_else(|| {
            self.error(format!(
                "expected a label out of {}, found {text:?}",
                names.join(", ")
            ))
        })
    }

    /// A gold score from 0 to 5.
    pub(super) fn score(&self, text: &str) -> Result<f64> {
        let score = text
            .trim()
            .parse()
            .ok()
            .filter(|score| (0.0..=5.0).contains(score));
        score.ok_or_else(|| self.error(format!("expected a score from 0 to 5, found {text:?}")))
    }
}

/// Whether a character is white space to Python.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// A line without white space around it.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The words of a sentence, one blank between them.
pub(super) fn words(text: &str) -> String {
    let words: Vec<&str> = text
        .split(is_space)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// The number of words of a sentence made by [`words`].
pub(super) fn word_count(sentence: &str) -> usize {
    sentence.split(' ').filter(|word| !word.is_empty()).count()
}

fn split_lines(text: &str, lines: LineEnds) -> Vec<String> {
    let ends = |c: char| match lines {
        LineEnds::Universal => matches!(c, '\n' | '\r'),
        LineEnds::Unicode => {
            matches!(c, '\n'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
        }
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(ends) {
        found.push(rest[..end].to_owned());
        let boundary = &rest[end..];
        let length = if boundary.starts_with("\r\n") {
            2
        } else {
            boundary.chars().next().map_or(1, char::len_utf8)
        };
        rest = &boundary[length..];
    }
    if !rest.is_empty() {
        found.push(rest.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_pythons_do() {
        let text = "a\r\nb\rc\nd\x0ce\u{85}f";
        assert_eq!(
            split_lines(text, LineEnds::Universal),
            ["a", "b", "c", "d\x0ce\u{85}f"]
        );
        assert_eq!(
            split_lines(text, LineEnds::Unicode),
            ["a", "b", "c", "d", "e", "f"]
        );
        assert_eq!(split_lines("a\n\n", LineEnds::Unicode), ["a", ""]);
    }

    #[test]
    fn words_part_where_pythons_do() {
        assert_eq!(words(" a\u{a0}b\x1cc \t d\n"), "a b c d");
        assert_eq!(word_count(&words("  ")), 0);
    }
}
