//! Sentence pairs with similarity scores: held-out data to evaluate sentence vectors.

use std::path::Path;

use crate::corpus::Origin;
use crate::error::{DataError, LineFault};
use crate::lines::{LineReader, checked, numbered_lines};

/// Two sentences with a human judgement of their similarity.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredPair {
    /// The score, larger for more similar sentences, on any scale.
    pub score: f64,
    /// The sentences as in the file, not tokenised.
    pub sentences: [String; 2],
}

/// The columns of a row's score and first sentence; the second sentence follows it.
#[derive(Clone, Copy, Debug)]
struct RowLayout {
    score: usize,
    first: usize,
}

/// `score TAB sentence TAB sentence`.
const PLAIN: RowLayout = RowLayout { score: 0, first: 1 };

/// STS-Benchmark's format: genre, file, year, number, score, two sentences and, in some rows, their
/// sources.
const STS_BENCHMARK: RowLayout = RowLayout { score: 4, first: 5 };

/// Reads a file of scored pairs, plain or gzip. Rows are `score TAB sentence TAB sentence`, or in
/// STS-Benchmark's format if the first row has seven columns or more. Relative paths are relative
/// to `base`. Blank lines are skipped.
///
/// # Errors
/// [`DataError`] with file and line for a row with too few columns, a score that is not a finite
/// number or a blank sentence; for a file with fewer than two different scores.
///
/// ```
/// # let base = tempfile::tempdir()?;
/// std::fs::write(base.path().join("dev.tsv"), "4.5\ta dog runs\ta dog is running\n0\ta dog\tfog\n")?;
/// let pairs = gensen_data::scored_pairs::read("dev.tsv", base.path())?;
/// assert_eq!((pairs[0].score, &*pairs[1].sentences[1]), (4.5, "fog"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(path: &str, base: &Path) -> Result<Vec<ScoredPair>, DataError> {
    let origin = Origin::new(path, base);
    let file = origin.name();
    let mut reader = LineReader::new(file.as_str(), origin.open_text()?);
    let mut pairs: Vec<ScoredPair> = Vec::new();
    let mut columns = None;
    while let Some((text, first_line)) = reader.next_block()? {
        let rows = numbered_lines(checked(&file, first_line, &text)?, first_line);
        for (line, row) in rows.filter(|(_, row)| !row.trim().is_empty()) {
            let fields: Vec<&str> = row.split('\t').collect();
            let wanted = *columns.get_or_insert(match fields.len() {
                7.. => STS_BENCHMARK,
                _ => PLAIN,
            });
            let pair = pair(&fields, wanted);
            pairs.push(pair.map_err(|fault| DataError::line(&file, line, fault))?);
        }
    }
    reader.not_empty()?;
    if pairs.iter().all(|pair| pair.score == pairs[0].score) {
        let found = format!("{} pairs, all with the same score", pairs.len());
        return Err(DataError::NoExamples { input: file, found });
    }
    Ok(pairs)
}

fn pair(fields: &[&str], columns: RowLayout) -> Result<ScoredPair, LineFault> {
    let expected = columns.first + 2;
    let Some(sentences) = fields.get(columns.first..expected) else {
        let found = fields.len();
        return Err(LineFault::Columns { found, expected });
    };
    if sentences.iter().any(|sentence| sentence.trim().is_empty()) {
        return Err(LineFault::BlankSentence);
    }
    let score = fields[columns.score].trim();
    let number = score.parse().ok().filter(|x: &f64| x.is_finite());
    Ok(ScoredPair {
        score: number.ok_or_else(|| LineFault::Score(score.to_owned()))?,
        sentences: [sentences[0].to_owned(), sentences[1].to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<ScoredPair>, String> {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("dev.tsv"), text).unwrap();
        read("dev.tsv", base.path()).map_err(|error| crate::error::chain(&error))
    }

    #[test]
    fn both_layouts_give_the_same_pairs() {
        let plain = read_text("5.000\ta b\tc\r\n\n1\td\te f").unwrap();
        let expected = [(5.0, ["a b", "c"]), (1.0, ["d", "e f"])];
        let expected = expected.map(|(score, sentences)| ScoredPair {
            score,
            sentences: sentences.map(String::from),
        });
        assert_eq!(plain, expected);
        let own = "main-news\tMSRpar\t2012\t1\t5.000\ta b\tc\n\
                   main-news\tMSRpar\t2012\t2\t1\td\te f\tfrom\thttp\n";
        assert_eq!(read_text(own).unwrap(), expected);
    }

    #[test]
    fn faults_name_file_and_line() {
        for (text, expected) in [
            ("5\ta\tb\n4\ta\n", "dev.tsv, line 2: 2 tab-separated"),
            ("5\ta\tb\nhigh\ta\tb\n", "dev.tsv, line 2: score `high`"),
            ("5\ta\tb\nnan\ta\tb\n", "dev.tsv, line 2: score `nan`"),
            ("5\ta\t \n", "dev.tsv, line 1: a blank sentence"),
            ("a\tb\tc\td\t5\te\tf\ng\th\ti\n", "line 2: 3 tab-separated"),
            ("5\ta\tb\n5\tc\td\n", "2 pairs, all with the same score"),
            ("5\ta\tb\n", "1 pairs, all with the same score"),
            ("\n\n", "0 pairs"),
            ("", "is empty"),
        ] {
            let error = read_text(text).expect_err(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
