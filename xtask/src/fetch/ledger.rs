//! The sums of earlier downloads, for files whose sum nobody published: the first download is
//! trusted, later ones have to be the same.

use super::error::{Fault, FetchError, Result, at};
use super::store::create_parent;
use super::verify::Found;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// A text file with a line for each file: its sum, its size, its name (or address).
pub struct Ledger {
    path: PathBuf,
    sums: HashMap<String, String>,
}

impl Ledger {
    /// Reads the ledger; a missing one is empty.
    pub fn open(path: PathBuf) -> Result<Self> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at(&path)(error)),
        };
        let mut sums = HashMap::new();
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
        Ok(Self { path, sums })
    }

    /// Compares with what is recorded under that name, or records it.
    pub fn check(&mut self, key: &str, found: &Found) -> Result<Result<(), Fault>> {
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
        // One write, so that an interrupted call leaves no half line.
        file.write_all(format!("{} {} {key}\n", found.sha256, found.size).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(at(&self.path))?;
        self.sums.insert(key.to_owned(), found.sha256.clone());
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sum_is_recorded_and_later_ones_compared() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/sums.txt");
        let first = Found {
            size: 1,
            sha256: "aa".into(),
            git_blob: String::new(),
        };
        let second = Found {
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
