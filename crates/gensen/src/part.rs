//! Parts of a large input encoded by many machines, and the check that they fit together.
//!
//! `embed --part I/N` writes `OUTPUT.part.json` beside its output: the hashes of the input, the models and the output,
//! and the options. Parts fit if their outputs are unchanged, their inputs, models and options are the same, and no part is
//! missing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use gensen_data::digest::{Digest, hex};
use gensen_data::scratch;
use serde::{Deserialize, Serialize};

use crate::npy;

/// One of N parts of an input's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The part's index, from 1.
    pub(crate) index: u64,
    pub(crate) count: u64,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not I/N with 1 <= I <= N");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let part = Self {
            index: index.parse().map_err(|_| wrong())?,
            count: count.parse().map_err(|_| wrong())?,
        };
        let sensible = 1 <= part.index && part.index <= part.count && part.count <= 1 << 20;
        sensible.then_some(part).ok_or_else(wrong)
    }
}

impl Part {
    /// The number of lines before it and in it, of `lines` in all.
    pub(crate) fn of(self, lines: u64) -> (u64, u64) {
        let border = |k| (u128::from(lines) * u128::from(k) / u128::from(self.count)) as u64;
        let start = border(self.index - 1);
        (start, border(self.index) - start)
    }
}

/// Everything a part's vectors depend on; the same for all parts of a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MadeFrom {
    /// Lines of the whole input.
    pub(crate) input_lines: u64,
    /// The SHA-256 of the input file.
    pub(crate) input_sha256: String,
    /// The SHA-256 of each model's configuration, weights and vocabulary.
    pub(crate) models_sha256: Vec<String>,
    /// The SHA-256 of the word vectors, if the vocabulary was expanded.
    pub(crate) vectors_sha256: Option<String>,
    /// All options the vectors depend on.
    pub(crate) options: String,
    /// Numbers of a vector.
    pub(crate) width: u64,
}

/// The record beside a part's vectors.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) part: Part,
    #[serde(flatten)]
    pub(crate) origin: MadeFrom,
    /// The SHA-256 of the part's file.
    pub(crate) output_sha256: String,
}

impl PartRecord {
    /// The record's path for this output.
    pub(crate) fn place(output: &Path) -> PathBuf {
        let mut name: OsString = output.into();
        name.push(".part.json");
        name.into()
    }

    /// Whether this output has a record.
    pub(crate) fn is_beside(output: &Path) -> bool {
        Self::place(output).is_file()
    }

    /// Removes an outdated record of this output, if any.
    pub(crate) fn remove(output: &Path) -> Result<()> {
        let place = Self::place(output);
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| place.display().to_string())
            }
            _ => Ok(()),
        }
    }

    /// Writes the record beside a part's vectors.
    pub(crate) fn write(&self, output: &Path) -> Result<()> {
        let place = Self::place(output);
        let text = serde_json::to_vec_pretty(self)?;
        scratch::write_file(&place, |file| file.write_all(&text))
            .with_context(|| place.display().to_string())
    }

    fn read(output: &Path) -> Result<Self> {
        let place = Self::place(output);
        let text = fs::read(&place).with_context(|| {
            let place = place.display();
            format!("{place}: `gensen embed --part` writes it beside a part")
        })?;
        serde_json::from_slice(&text).with_context(|| place.display().to_string())
    }
}

/// The parts of one whole, in order.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The parts' files.
    pub(crate) files: Vec<PathBuf>,
    /// Lines of all parts together.
    pub(crate) lines: u64,
    /// Numbers of a vector.
    pub(crate) width: u64,
}

/// Checks that these files are the complete parts of one whole, each given once.
pub(crate) fn verify(files: &[PathBuf]) -> Result<Whole> {
    let mut parts = Vec::new();
    for file in files {
        parts.push((PartRecord::read(file)?, file));
    }
    parts.sort_by_key(|(record, _)| record.part.index);
    let (first, first_file) = parts.first().context("no parts")?;
    let (origin, count) = (&first.origin, first.part.count);
    for (record, file) in &parts {
        let same = |what: &str, same: bool| {
            let (a, b) = (file.display(), first_file.display());
            let problem = || anyhow!("{a} and {b} do not fit together: {what}");
            same.then_some(()).ok_or_else(problem)
        };
        let (a, b) = (&record.origin, origin);
        same("different numbers of parts", record.part.count == count)?;
        let input = a.input_sha256 == b.input_sha256 && a.input_lines == b.input_lines;
        same("different inputs", input)?;
        same("different models", a.models_sha256 == b.models_sha256)?;
        same(
            "different word vectors",
            a.vectors_sha256 == b.vectors_sha256,
        )?;
        let (ours, theirs) = (&a.options, &b.options);
        let what = format!("different options: {ours}; {theirs}");
        same(&what, ours == theirs)?;
        same("vectors of different widths", a.width == b.width)?;
        let (_, lines) = record.part.of(origin.input_lines);
        check_size(file, lines, origin.width)?;
        if sha256(std::slice::from_ref(*file))? != record.output_sha256 {
            let (file, record) = (file.display(), PartRecord::place(file));
            let record = record.display();
            bail!("{file}: changed since {record} was written (different SHA-256)");
        }
    }
    for index in 1..=count {
        let with = parts
            .iter()
            .filter(|(record, _)| record.part.index == index);
        match with.count() {
            1 => {}
            0 => bail!("part {index}/{count} is missing"),
            copies => bail!("part {index}/{count} is given {copies} times"),
        }
    }
    Ok(Whole {
        lines: origin.input_lines,
        width: origin.width,
        files: parts.iter().map(|(_, file)| (*file).clone()).collect(),
    })
}

/// Checks that a file has the number of vectors in its record.
fn check_size(file: &Path, lines: u64, width: u64) -> Result<()> {
    let whole = match npy::is_one(file) {
        Ok(true) => npy::holds(file, &[lines, width]),
        Ok(false) => complete_lines(file).map(|found| found == lines),
        Err(error) => Err(error),
    };
    if !whole.with_context(|| file.display().to_string())? {
        bail!(
            "{}: does not hold the part's {lines} vectors of {width} numbers",
            file.display()
        );
    }
    Ok(())
}

/// Lines with a line end; a truncated last line does not count.
fn complete_lines(file: &Path) -> io::Result<u64> {
    let mut bytes = File::open(file)?;
    let mut buffer = vec![0; 1 << 16];
    let mut lines = 0;
    loop {
        let read = bytes.read(&mut buffer)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += buffer[..read].iter().filter(|&&b| b == b'\n').count() as u64;
    }
}

/// The SHA-256 of files, one after the other.
pub(crate) fn sha256(files: &[PathBuf]) -> Result<String> {
    let mut digest = Digest::default();
    for path in files {
        let read = File::open(path).and_then(|file| digest.read(file));
        read.with_context(|| path.display().to_string())?;
    }
    Ok(hex(&digest.finish()))
}

/// As [`sha256`], of files that are in memory.
pub(crate) fn sha256_of(files: &[&[u8]]) -> String {
    let mut digest = Digest::default();
    files.iter().for_each(|file| digest.update(file));
    hex(&digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_to_end_are_the_whole() {
        for lines in [0, 1, 7, 100] {
            let mut next = 0;
            for index in 1..=6 {
                let (start, count) = Part { index, count: 6 }.of(lines);
                assert_eq!(start, next);
                next = start + count;
            }
            assert_eq!(next, lines);
        }
        for wrong in ["", "1", "0/2", "3/2", "1/0", "a/b", "-1/2"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
        assert_eq!("2/3".parse(), Ok(Part { index: 2, count: 3 }));
    }
}
