//! Reading unclean text line by line, and writing clean text: UTF-8, LF.
//!
//! Lines end only at line feeds. A byte-order mark at the start of a file and a carriage return at the end of a line are
//! removed. NUL bytes and carriage returns inside a line, where other readers would end it, become spaces. A line that is not
//! UTF-8 is read as Windows-1252, the most common other encoding of web pages. Thus no line is lost and parallel files stay
//! aligned; corrections are counted.

use crate::fetch::error::{FetchError, Result, at};
use gensen_data::error::DataError;
use gensen_data::lines::LineReader;
use gensen_data::scratch::create_part;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Several text files, read as if they were one.
pub struct InputTexts {
    files: std::vec::IntoIter<PathBuf>,
    reader: Option<LineReader<File>>,
    path: PathBuf,
    number: u64,
    bytes: Vec<u8>,
    counts: RepairCounts,
    repairs: Vec<String>,
}

#[derive(Default)]
struct RepairCounts {
    marks: u64,
    carriage_returns: u64,
    lone_returns: u64,
    nul: u64,
    other_encoding: u64,
}

impl InputTexts {
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files: files.into_iter(),
            reader: None,
            path: PathBuf::new(),
            number: 0,
            bytes: Vec::new(),
            counts: RepairCounts::default(),
            repairs: Vec::new(),
        }
    }

    /// The file being read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the last line read, in its file, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// An error at the last line read.
    pub fn wrong(&self, problem: impl Into<String>) -> FetchError {
        FetchError::Line {
            path: self.path.clone(),
            line: self.number,
            problem: problem.into(),
        }
    }

    /// Corrections in the files read to their end.
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    /// Replaces `line` by the next line as text; `false` at the end.
    pub fn next(&mut self, line: &mut String) -> Result<bool> {
        line.clear();
        if !self.next_bytes()? {
            return Ok(false);
        }
        match str::from_utf8(&self.bytes) {
            Ok(text) => line.push_str(text),
            Err(_) => {
                self.counts.other_encoding += 1;
                line.extend(self.bytes.iter().map(|&byte| windows_1252(byte)));
            }
        }
        if line.contains('\r') {
            self.counts.lone_returns += 1;
            *line = line.replace('\r', " ");
        }
        Ok(true)
    }

    /// The next line as bytes, of any encoding.
    pub fn next_raw(&mut self) -> Result<Option<&[u8]>> {
        Ok(if self.next_bytes()? {
            Some(&self.bytes)
        } else {
            None
        })
    }

    fn next_bytes(&mut self) -> Result<bool> {
        loop {
            let Some(reader) = &mut self.reader else {
                let Some(path) = self.files.next() else {
                    return Ok(false);
                };
                let file = File::open(&path).map_err(at(&path))?;
                self.reader = Some(LineReader::new(path.display().to_string(), file));
                (self.path, self.number) = (path, 0);
                continue;
            };
            self.bytes.clear();
            let line = reader.next_line().map_err(of_line(&self.path))?;
            let line_found = line.is_some();
            self.bytes.extend_from_slice(line.unwrap_or_default());
            // A byte-order mark alone is a line without text.
            let mark_alone = self.number == 0 && reader.has_mark();
            if !line_found && !mark_alone {
                self.counts.marks += u64::from(reader.has_mark());
                self.reader = None;
                self.report();
                continue;
            }
            self.number += 1;
            self.clean();
            return Ok(true);
        }
    }

    fn clean(&mut self) {
        if self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
            self.counts.carriage_returns += 1;
        }
        if self.bytes.contains(&0) {
            self.counts.nul += 1;
            self.bytes
                .iter_mut()
                .filter(|byte| **byte == 0)
                .for_each(|byte| *byte = b' ');
        }
    }

    fn report(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        for (count, what) in [
            (counts.marks, "byte-order mark taken off"),
            (counts.carriage_returns, "lines ended in CR LF"),
            (
                counts.lone_returns,
                "lines held lone carriage returns, now spaces",
            ),
            (counts.nul, "lines held NUL bytes, now spaces"),
            (
                counts.other_encoding,
                "lines were not UTF-8, read as Windows-1252",
            ),
        ] {
            if count > 0 {
                self.repairs.push(format!("{name}: {count} {what}"));
            }
        }
    }
}

/// Names the file and, if one is too long, the line.
fn of_line(path: &Path) -> impl FnOnce(DataError) -> FetchError {
    move |error| match error {
        DataError::Io { source, .. } => at(path)(source),
        DataError::Line { line, fault, .. } => FetchError::Line {
            path: path.into(),
            line,
            problem: format!("the line is {fault}"),
        },
        other => other.into(),
    }
}

/// Windows-1252: Latin-1 with printable characters where Latin-1 has control characters.
fn windows_1252(byte: u8) -> char {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', //
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let character = char::from(byte);
    byte.checked_sub(0x80)
        .and_then(|index| UPPER.get(usize::from(index)).copied())
        .unwrap_or(character)
}

/// A text file being written.
pub struct TextOutput {
    file: BufWriter<File>,
    path: PathBuf,
    lines: u64,
}

impl TextOutput {
    pub fn create(path: &Path) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 18, create_part(path).map_err(at(path))?);
        Ok(Self {
            file,
            path: path.into(),
            lines: 0,
        })
    }

    pub fn line(&mut self, line: &str) -> Result<()> {
        self.raw_line(line.as_bytes())
    }

    pub fn raw_line(&mut self, line: &[u8]) -> Result<()> {
        self.lines += 1;
        self.file
            .write_all(line)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(at(&self.path))
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }

    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(at(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gensen_data::lines::MAX_LINE_BYTES;

    fn read(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, bytes).unwrap();
        let mut texts = InputTexts::new(vec![path]);
        let (mut lines, mut line) = (Vec::new(), String::new());
        while texts.next(&mut line).unwrap() {
            lines.push(line.clone());
        }
        (lines, texts.repairs().to_vec())
    }

    #[test]
    fn doubtful_text_is_put_right_and_counted() {
        let (lines, repairs) = read(b"\xef\xbb\xbfa\r\nb\0c\n\xfcber \x93x\x94\n\xc3\xbc\nlast");
        assert_eq!(lines, ["a", "b c", "über “x”", "ü", "last"]);
        assert_eq!(repairs.len(), 4, "{repairs:?}");
        assert!(repairs[3].contains("1 lines were not UTF-8"), "{repairs:?}");
    }

    #[test]
    fn a_mark_alone_is_a_line_without_text() {
        let (lines, repairs) = read(b"\xef\xbb\xbf");
        assert_eq!((lines, repairs.len()), (vec![String::new()], 1));
        assert_eq!(read(b"\xef\xbb\xbf\n").0, [""]);
        assert!(read(b"").0.is_empty());
    }

    #[test]
    fn only_line_feeds_end_lines() {
        let (lines, repairs) = read("a\u{2028}b\u{85}c\x0bd\re\n\n".as_bytes());
        assert_eq!(lines, ["a\u{2028}b\u{85}c\x0bd e", ""]);
        assert_eq!(
            repairs,
            ["text: 1 lines held lone carriage returns, now spaces"]
        );
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let mut bytes = b"first\n".to_vec();
        bytes.resize(bytes.len() + MAX_LINE_BYTES + 1, b'x');
        std::fs::write(&path, bytes).unwrap();
        let mut texts = InputTexts::new(vec![path]);
        let mut line = String::new();
        assert!(texts.next(&mut line).unwrap());
        let error = texts.next(&mut line).unwrap_err().to_string();
        assert!(error.contains("text:2: the line is longer"), "{error}");
    }
}
