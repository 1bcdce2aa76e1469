//! Rows of natural language inference corpora: plain TSV, and the formats of SNLI and MultiNLI.

use serde::Deserialize;

use crate::error::LineFault;

/// The format of rows, and the indices of their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Tab-separated, in the order of the task's own format.
    Plain,
    /// Tab-separated as in SNLI and MultiNLI, in the order of the file's header line.
    Named {
        label: usize,
        sentences: [usize; 2],
        parses: [usize; 2],
        /// Columns in the header line.
        width: usize,
    },
    /// One JSON object per line.
    Json,
}

/// The fields of a row that tasks use.
/// They borrow from the line, except for JSON strings with escapes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InferenceRow<'a> {
    pub(crate) label: std::borrow::Cow<'a, str>,
    pub(crate) sentences: [std::borrow::Cow<'a, str>; 2],
    /// Empty for plain rows.
    pub(crate) parses: [std::borrow::Cow<'a, str>; 2],
}

#[derive(Deserialize)]
struct InferenceJson<'a> {
    #[serde(borrow)]
    gold_label: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    sentence1: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    sentence2: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    sentence1_parse: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    sentence2_parse: std::borrow::Cow<'a, str>,
}

impl Columns {
    /// The columns named by the header line, if the text begins with one.
    pub(crate) fn of_header(text: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
        let header = std::str::from_utf8(&text[..end])
            .ok()?
            .trim_end_matches('\r');
        let place = |name: &str| {
            let mut columns = header.split('\t').take(MAX_COLUMNS);
            columns.position(|column| column == name)
        };
        Some(Self::Named {
            label: place("gold_label")?,
            sentences: [place("sentence1")?, place("sentence2")?],
            parses: [place("sentence1_parse")?, place("sentence2_parse")?],
            width: header.split('\t').count(),
        })
    }

    /// The fields of a row.
    pub(crate) fn row<'a>(&self, line: &'a str) -> Result<InferenceRow<'a>, LineFault> {
        let (label, sentences, parses) = match *self {
            Self::Json => {
                let row: InferenceJson<'_> = serde_json::from_str(line).map_err(LineFault::Json)?;
                return Ok(InferenceRow {
                    label: row.gold_label,
                    sentences: [row.sentence1, row.sentence2],
                    parses: [row.sentence1_parse, row.sentence2_parse],
                });
            }
            Self::Plain => (2, [0, 1], None),
            Self::Named {
                label,
                sentences,
                parses,
                width,
            } => {
                // In a row with more fields than the header line, columns are ambiguous.
                let found = 1 + memchr::memchr_iter(b'\t', line.as_bytes()).count();
                if found > width {
                    return Err(LineFault::MoreColumns { found, width });
                }
                (label, sentences, Some(parses))
            }
        };
        let others = sentences.into_iter().chain(parses.into_iter().flatten());
        let expected = 1 + others.fold(label, usize::max);
        let mut columns = [""; MAX_COLUMNS];
        let mut found = 0;
        for (place, column) in columns.iter_mut().zip(line.split('\t')) {
            *place = column;
            found += 1;
        }
        if found < expected {
            return Err(LineFault::Columns { found, expected });
        }
        let column = |place: usize| columns[place].into();
        Ok(InferenceRow {
            label: column(label),
            sentences: sentences.map(column),
            parses: parses.map_or(["".into(), "".into()], |parses| parses.map(column)),
        })
    }
}

/// The most columns read; further ones are ignored. MultiNLI has 15.
const MAX_COLUMNS: usize = 32;

/// The labels of natural language inference, in the order of their numbers.
pub const LABELS: [&str; 3] = ["entailment", "neutral", "contradiction"];

/// The number of a label, in upper or lower case: its index in [`LABELS`]. `None` for `-`, which
/// marks a pair whose annotators did not agree.
///
/// # Errors
/// [`LineFault::Label`].
pub fn parse_label(label: &str) -> Result<Option<u8>, LineFault> {
    let label = label.trim();
    match LABELS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(label))
    {
        Some(number) => Ok(Some(number as u8)),
        None if label == "-" => Ok(None),
        None => Err(LineFault::Label(label.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "gold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tcaptionID";

    #[test]
    fn headers_name_the_columns() {
        let columns = Columns::of_header(format!("{HEADER}\r\nx").as_bytes()).unwrap();
        let row = columns
            .row("neutral\tb1\tb2\tp1\tp2\ta dog\ta cat\t7")
            .unwrap();
        assert_eq!(row.label, "neutral");
        assert_eq!(row.sentences, ["a dog", "a cat"]);
        assert_eq!(row.parses, ["p1", "p2"]);
        let short = columns.row("neutral\tb1\tb2\tp1").unwrap_err();
        assert!(
            matches!(
                short,
                LineFault::Columns {
                    found: 4,
                    expected: 7
                }
            ),
            "{short}"
        );
        let long = "neutral\tb1\tb2\tp1\tp2\ta dog\ta cat\t7\tneutral";
        let long = columns.row(long).unwrap_err();
        assert!(
            matches!(long, LineFault::MoreColumns { found: 9, width: 8 }),
            "{long}"
        );
        assert_eq!(Columns::of_header(b"a dog\ta cat\tneutral\n"), None);
    }

    #[test]
    fn plain_rows_may_have_more_columns() {
        let row = Columns::Plain.row("a\tb\tneutral\tmore\tand more").unwrap();
        assert_eq!(
            (row.sentences, row.label.as_ref()),
            (["a".into(), "b".into()], "neutral")
        );
        let wide = format!("a\tb\tneutral{}", "\tx".repeat(100));
        assert!(Columns::Plain.row(&wide).is_ok());
        let short = Columns::Plain.row("a\tb").unwrap_err();
        assert!(
            matches!(
                short,
                LineFault::Columns {
                    found: 2,
                    expected: 3
                }
            ),
            "{short}"
        );
    }

    #[test]
    fn json_rows() {
        let row = r#"{"gold_label": "-", "sentence1": "a \"dog\"", "sentence2": "b", "pairID": 3, "annotator_labels": ["x"]}"#;
        let row = Columns::Json.row(row).unwrap();
        assert_eq!(row.sentences, ["a \"dog\"", "b"]);
        let error = Columns::Json.row("{}").unwrap_err();
        assert!(matches!(error, LineFault::Json(_)), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("gold_label"), "{cause}");
        assert!(matches!(Columns::Json.row("a\tb"), Err(LineFault::Json(_))));
    }

    #[test]
    fn labels() {
        assert_eq!(parse_label("contradiction").unwrap(), Some(2));
        assert_eq!(parse_label("NEUTRAL").unwrap(), Some(1));
        assert_eq!(parse_label(" Entailment ").unwrap(), Some(0));
        assert_eq!(parse_label("-").unwrap(), None);
        for unknown in ["maybe", ""] {
            let error = parse_label(unknown).unwrap_err();
            assert!(
                matches!(&error, LineFault::Label(label) if label == unknown),
                "{error}"
            );
        }
    }
}
