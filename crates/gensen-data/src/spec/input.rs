//! The inputs of a task in a configuration.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::TaskKind;
use crate::error::DataError;

/// An input: a path, or a table with a path and settings.
///
/// Paths are relative to the configuration's base folder; `sample:NAME` is a file of the embedded
/// sample corpus. Files are plain or gzip, recognised by their first bytes.
///
/// | kind | contents of the path |
/// | --- | --- |
/// | translation, seq2seq | rows `source TAB target` (more columns are ignored) |
/// | nli | rows `premise TAB hypothesis TAB label` (more columns are ignored); the TSV of SNLI or MultiNLI, recognised by its header line, or their JSONL, recognised by its first row |
/// | skip-thought | a text, a folder of texts, or a `.tar`, `.tar.gz` or `.tgz` of texts |
/// | parsing | bracketed trees; the TSV or JSONL of SNLI or MultiNLI, for its parses |
/// | pairs | rows `first TAB second`, or `first TAB second TAB hard negative` |
/// | distillation | one sentence per line, together with [`InputTable::teacher`] |
/// | classification | rows `label TAB sentence`, or rows `label TAB first TAB second` |
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Input {
    /// A path only.
    Path(String),
    /// A path with settings, or a pair of line-aligned files.
    Table(Box<InputTable>),
}

/// An input with settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputTable {
    /// A file or folder; excludes `source` and `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A file of source sentences, one per line (translation and seq2seq).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A file of target sentences: line `n` belongs to line `n` of `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A file of the sentences after those of `source`, line by line (skip-thought, together with
    /// `source` and `previous`; the reference implementation prepares such triples).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// A file of the sentences before those of `source`, line by line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The teacher's vectors (distillation): a `.npy` file of f16 or f32 numbers with one row for
    /// each line of `path`, blank lines included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Reads only documents of a folder or tar whose name matches one of these patterns, in which
    /// `*` is any run of characters and `?` any one character. A pattern without `/` is matched
    /// against the file name, any other against the whole path in the folder or tar.
    #[serde(
        deserialize_with = "string_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub include: Vec<String>,
    /// Does not read documents of a folder or tar whose name matches one of these patterns.
    #[serde(
        deserialize_with = "string_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub exclude: Vec<String>,
    /// The number of examples to keep: the first ones, or a random selection if `shuffle` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The seed of the random selection for `limit`. The selected examples stay in file order;
    /// training shuffles them anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u64>,
    /// The layout of running text (skip-thought).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<SentenceLayout>,
    /// The minimal number of words of each sentence of a triple (skip-thought). Other triples are
    /// left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_words: Option<u32>,
    /// The maximal number of words of each sentence of a triple (skip-thought). Other triples are
    /// left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_words: Option<u32>,
}

/// The layout of running text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentenceLayout {
    /// One sentence per line; a blank line ends a document.
    #[default]
    Lines,
    /// One paragraph per line, which is split into sentences.
    Paragraphs,
}

impl Input {
    /// The input as a table.
    pub fn table(&self) -> InputTable {
        match self {
            Self::Path(path) => InputTable {
                path: Some(path.clone()),
                ..InputTable::default()
            },
            Self::Table(table) => (**table).clone(),
        }
    }
}

impl InputTable {
    /// Checks that the files given are those of the kind of task.
    fn check_files(&self, kind: TaskKind) -> Result<(), DataError> {
        let pairs = matches!(kind, TaskKind::Translation | TaskKind::Seq2seq);
        let triple = [&self.source, &self.next, &self.previous];
        if self.next.is_some() || self.previous.is_some() {
            let whole = triple.iter().all(|file| file.is_some());
            if !kind.is_running_text() || !whole || self.path.is_some() || self.target.is_some() {
                return Err(DataError::key(
                    "next",
                    "a skip-thought task takes `source`, `next` and `previous` together, and no other file",
                ));
            }
            return Ok(());
        }
        match (&self.path, &self.source, &self.target) {
            (Some(_), None, None) => {}
            (None, Some(_), Some(_)) if pairs => {}
            (None, Some(_), Some(_)) => {
                return Err(DataError::key(
                    "source",
                    "line-aligned files are only for translation and seq2seq, expected `path`",
                ));
            }
            (Some(_), ..) => {
                return Err(DataError::key(
                    "path",
                    "expected either `path`, or `source` and `target`",
                ));
            }
            (None, Some(_), None) => {
                return Err(DataError::key("target", "missing, but `source` is given"));
            }
            (None, None, Some(_)) => {
                return Err(DataError::key("source", "missing, but `target` is given"));
            }
            (None, None, None) => {
                return Err(DataError::key(
                    "path",
                    "missing, expected `path`, or `source` and `target`",
                ));
            }
        }
        Ok(())
    }

    /// Checks that the settings are consistent and allowed for the kind of task.
    pub(crate) fn check(&self, kind: TaskKind) -> Result<(), DataError> {
        self.check_files(kind)?;
        if (kind == TaskKind::Distillation) != self.teacher.is_some() {
            let problem = match self.teacher {
                Some(_) => "only for a task of kind distillation",
                None => {
                    "missing, expected the teacher's vectors: `{ path = ..., teacher = \"x.npy\" }`"
                }
            };
            return Err(DataError::key("teacher", problem));
        }
        let skip_thought = kind.is_running_text();
        let running_text = skip_thought && self.path.is_some();
        let settings = [
            ("include", !self.include.is_empty(), running_text),
            ("exclude", !self.exclude.is_empty(), running_text),
            ("sentences", self.sentences.is_some(), running_text),
            ("min_words", self.min_words.is_some(), skip_thought),
            ("max_words", self.max_words.is_some(), skip_thought),
        ];
        if let Some((key, ..)) = settings.iter().find(|(_, given, fits)| *given && !fits) {
            let problem = "only for running text (kind skip-thought, with `path`)";
            return Err(DataError::key(key, problem));
        }
        if let (Some(min), Some(max)) = (self.min_words, self.max_words)
            && min > max
        {
            return Err(DataError::key(
                "min_words",
                format!("{min}, but `max_words` is {max}"),
            ));
        }
        if self.limit == Some(0) {
            return Err(DataError::key("limit", "0, expected at least 1"));
        }
        if self.shuffle.is_some() && self.limit.is_none() {
            return Err(DataError::key(
                "shuffle",
                "selects the examples that `limit` keeps, but there is no `limit`",
            ));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `#[serde(untagged)]`, whose errors do not name an unknown key.
        struct InputVisitor;
        impl<'de> Visitor<'de> for InputVisitor {
            type Value = Input;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path or a table with `path`, or `source` and `target`")
            }
            fn visit_str<E>(self, path: &str) -> Result<Input, E> {
                Ok(Input::Path(path.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Input, A::Error> {
                let table = InputTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Input::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(InputVisitor)
    }
}

pub(super) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Input>, D::Error> {
    struct InputsVisitor;
    impl<'de> Visitor<'de> for InputsVisitor {
        type Value = Vec<Input>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a path, a table, or a list of them")
        }
        fn visit_str<E>(self, path: &str) -> Result<Vec<Input>, E> {
            Ok(vec![Input::Path(path.to_owned())])
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Input>, A::Error> {
            let table = InputTable::deserialize(MapAccessDeserializer::new(map))?;
            Ok(vec![Input::Table(Box::new(table))])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<Input>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(InputsVisitor)
}

fn string_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct StringsVisitor;
    impl<'de> Visitor<'de> for StringsVisitor {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a pattern or a list of patterns")
        }
        fn visit_str<E>(self, pattern: &str) -> Result<Vec<String>, E> {
            Ok(vec![pattern.to_owned()])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(StringsVisitor)
}
