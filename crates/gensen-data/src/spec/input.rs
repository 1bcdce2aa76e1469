//! Where a task's examples come from.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::TaskKind;
use crate::error::DataError;

/// Where examples come from: a path, or a table with a path and settings.
///
/// Paths are relative to the configuration's base folder; `sample:NAME` is a file of the embedded
/// sample corpus. Files are plain or gzip, told by their first bytes.
///
/// | kind | a path may be |
/// | --- | --- |
/// | translation, seq2seq | rows `source TAB target` (more columns are ignored) |
/// | nli | rows `premise TAB hypothesis TAB label` (more columns are ignored); SNLI's or MultiNLI's own TSV, told by its header line, or JSONL, told by `.jsonl` in its name |
/// | skip-thought | a text, a folder of texts, or a `.tar`, `.tar.gz` or `.tgz` of texts |
/// | parsing | bracketed trees; SNLI's or MultiNLI's own TSV or JSONL, for its parses |
/// | pairs | rows `first TAB second`, or `first TAB second TAB hard negative` |
/// | distillation | sentences, one a line, with [`InputTable::teacher`] beside them |
/// | classification | rows `label TAB sentence` or `label TAB first TAB second`, all of one kind |
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Input {
    /// A path and nothing else.
    Path(String),
    /// A path with settings, or a pair of line-aligned files.
    Table(Box<InputTable>),
}

/// An input with settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputTable {
    /// A file or folder; not together with `source` and `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Source sentences, one a line (translation and seq2seq).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Target sentences: line `n` belongs to line `n` of `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The sentences after those of `source`, line by line (skip-thought, together with `source`
    /// and `previous`: the reference's prepared triples).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The sentences before those of `source`, line by line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The teacher's vectors (distillation): a `.npy` file of f16 or f32 numbers with one row for
    /// each line of `path`, blank lines included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Of a folder or tar, only documents whose name matches one of these patterns: `*` is any
    /// run of characters, `?` any one character. A pattern without `/` is compared with the last
    /// part of the name, another with the whole name inside the folder or tar.
    #[serde(
        deserialize_with = "string_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub include: Vec<String>,
    /// Of a folder or tar, no document whose name matches one of these patterns.
    #[serde(
        deserialize_with = "string_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub exclude: Vec<String>,
    /// The number of examples to keep: the first ones, or with `shuffle` a random choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The seed of the random choice that `limit` makes. The examples kept stay in file order
    /// (training visits them in an order of its own).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u64>,
    /// How running text is laid out (skip-thought).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<SentenceLayout>,
    /// The least words of each sentence of a triple; other triples are dropped (skip-thought).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_words: Option<u32>,
    /// The most words of each sentence of a triple; other triples are dropped (skip-thought).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_words: Option<u32>,
}

/// How running text is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentenceLayout {
    /// One sentence a line; a blank line ends a document.
    #[default]
    Lines,
    /// One paragraph a line, to be split into sentences.
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
    /// Checks that the files named fit the kind of task.
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
                    "line-aligned files are for translation and seq2seq; expected `path`",
                ));
            }
            (Some(_), ..) => {
                return Err(DataError::key(
                    "path",
                    "expected either `path`, or `source` and `target`",
                ));
            }
            (None, Some(_), None) => {
                return Err(DataError::key("target", "missing beside `source`"));
            }
            (None, None, Some(_)) => {
                return Err(DataError::key("source", "missing beside `target`"));
            }
            (None, None, None) => {
                return Err(DataError::key(
                    "path",
                    "missing: expected `path`, or `source` and `target`",
                ));
            }
        }
        Ok(())
    }

    /// Checks that the settings fit each other and the kind of task.
    pub(crate) fn check(&self, kind: TaskKind) -> Result<(), DataError> {
        self.check_files(kind)?;
        if (kind == TaskKind::Distillation) != self.teacher.is_some() {
            let problem = match self.teacher {
                Some(_) => "is for a task of kind distillation only",
                None => {
                    "missing: expected the teacher's vectors, `{ path = ..., teacher = \"x.npy\" }`"
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
            let problem = "is for running text (kind skip-thought, with `path`) only";
            return Err(DataError::key(key, problem));
        }
        if let (Some(min), Some(max)) = (self.min_words, self.max_words)
            && min > max
        {
            return Err(DataError::key(
                "min_words",
                format!("{min} is more than `max_words`, {max}"),
            ));
        }
        if self.limit == Some(0) {
            return Err(DataError::key(
                "limit",
                "0 keeps nothing; expected at least 1",
            ));
        }
        if self.shuffle.is_some() && self.limit.is_none() {
            return Err(DataError::key(
                "shuffle",
                "chooses which examples `limit` keeps, but there is no `limit`",
            ));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `#[serde(untagged)]`, which would swallow the reason: an unknown key shall be named.
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
