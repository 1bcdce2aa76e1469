//! Hashes of earlier downloads, for files without a published hash: the first download is trusted, later ones must
//! match.

use super::error::{Fault, FetchError, Result, at};
use super::store::create_parent;
use super::verify::FileHashes;
use gensen_data::text;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// A text file with a line per file: hash, size, name (or address).
pub struct Ledger {
    path: PathBuf,
    sums: HashMap<String, String>,
    /// Whether the last line lacks a line break, for example after editing.
    open_line: bool,
}

impl Ledger {
    /// Reads the ledger; a missing one is empty. An incomplete last line, as after a full disk, is removed.
    pub fn open(path: PathBuf) -> Result<Self> {
        let text = match text::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at(&path)(error)),
        };
        let mut sums = HashMap::new();
        let (mut text, mut open_line) = (text.as_str(), false);
        let last = &text[text.rfind('\n').map_or(0, |end| end + 1)..];
        if !last.is_empty() {
            open_line = last.splitn(3, ' ').count() == 3;
            if !open_line {
                let file = File::options().write(true).open(&path).map_err(at(&path))?;
                let size = file.metadata().map_err(at(&path))?.len();
                file.set_len(size - last.len() as u64).map_err(at(&path))?;
                text = &text[..text.len() - last.len()];
            }
        }
        for (number, line) in text.lines().enumerate() {
            let mut fields = line.splitn(3, ' ');
            let (Some(sum), Some(_), Some(key)) = (fields.next(), fields.next(), fields.next())
            else {
                return Err(FetchError::Line {
                    path,
                    line: number as u64 + 1,
                    problem: "expected a sum, a size and a name".into(),
                });
            };
            sums.insert(key.to_owned(), sum.to_owned());
        }
        Ok(Self {
            path,
            sums,
            open_line,
        })
    }

    /// Compares with the record of that name, or records it.
    pub fn check(&mut self, key: &str, found: &FileHashes) -> Result<Result<(), Fault>> {
        if let Some(recorded) = self.sums.get(key) {
            if *recorded == found.sha256 {
                return Ok(Ok(()));
            }
            return Ok(Err(Fault::Changed {
                recorded: recorded.clone(),
                found: found.sha256.clone(),
                ledger: self.path.clone(),
            }));
        }
        create_parent(&self.path)?;
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(at(&self.path))?;
        // A single write, so that an interrupted call leaves no partial line.
        let before = if self.open_line { "\n" } else { "" };
        file.write_all(format!("{before}{} {} {key}\n", found.sha256, found.size).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(at(&self.path))?;
        self.open_line = false;
        self.sums.insert(key.to_owned(), found.sha256.clone());
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_only_begun_is_recorded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sums.txt");
        let found = FileHashes {
            size: 1,
            sha256: "bb".into(),
            git_blob: String::new(),
        };
        for (before, after) in [
            ("aa 1 a\nbb", "aa 1 a\nbb 1 b\n"),
            ("bb 1", "bb 1 b\n"),
            // An editor removed the final line break, or added a byte-order mark.
            ("aa 1 a", "aa 1 a\nbb 1 b\n"),
            ("\u{feff}aa 1 a\n", "\u{feff}aa 1 a\nbb 1 b\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            let mut ledger = Ledger::open(path.clone()).unwrap();
            assert!(ledger.check("b", &found).unwrap().is_ok());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
            let kept = Ledger::open(path.clone()).unwrap().sums;
            assert_eq!(kept.contains_key("a"), before.contains('a'), "{kept:?}");
        }
        std::fs::write(&path, "aa\nbb 1 b\n").unwrap();
        let error = Ledger::open(path).err().unwrap().to_string();
        assert!(error.contains("sums.txt:1: expected a sum"), "{error}");
    }

    #[test]
    fn the_first_sum_is_recorded_and_later_ones_compared() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/sums.txt");
        let first = FileHashes {
            size: 1,
            sha256: "aa".into(),
            git_blob: String::new(),
        };
        let second = FileHashes {
            size: 1,
            sha256: "bb".into(),
            git_blob: String::new(),
        };
        let mut ledger = Ledger::open(path.clone()).unwrap();
        assert!(ledger.check("a name", &first).unwrap().is_ok());
        assert!(ledger.check("other", &second).unwrap().is_ok());
        let mut ledger = Ledger::open(path.clone()).unwrap();
        assert!(ledger.check("a name", &first).unwrap().is_ok());
        let fault = ledger.check("a name", &second).unwrap().unwrap_err();
        assert!(matches!(fault, Fault::Changed { .. }), "{fault}");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "aa 1 a name\nbb 1 other\n"
        );
    }
}
