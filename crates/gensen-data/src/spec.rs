//! Tasks as a configuration describes them.

use std::ops::Range;

use documented::{Documented, DocumentedFields};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::batch::BatchSize;
use crate::error::DataError;

/// What a task learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Sentences and their translations.
    Translation,
    /// Any other pairs of a source and a target text.
    Seq2seq,
    /// Running text: each sentence predicts the next one and the previous one.
    SkipThought,
    /// Bracketed trees: each sentence predicts its linearised constituency tree.
    Parsing,
    /// Natural language inference: pairs of sentences with one of three labels.
    Nli,
    /// Sentences that belong together, told from the rest of the batch.
    Pairs,
    /// Sentences and a teacher's vectors of them.
    Distillation,
    /// Sentences, or pairs of them, with labels of any number.
    Classification,
    /// Running text: each sentence is told from the batch's by the one before it. A configuration
    /// says [`Self::SkipThought`] with [`Objective::Contrast`]; see [`TaskSpec::form`].
    NextSentence,
}

/// What a skip-thought task does with a sentence's neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Decoders say them word by word.
    #[default]
    Decode,
    /// Finds the next sentence among the batch's.
    Contrast,
}

impl TaskKind {
    /// The names of the task's decoders, in the order of [`Seq2SeqBatch::targets`].
    ///
    /// [`Seq2SeqBatch::targets`]: crate::batch::Seq2SeqBatch::targets
    pub fn decoders(self) -> &'static [&'static str] {
        match self {
            Self::Translation | Self::Seq2seq | Self::Parsing => &["target"],
            Self::SkipThought => &["next", "previous"],
            Self::Nli
            | Self::Pairs
            | Self::Distillation
            | Self::Classification
            | Self::NextSentence => &[],
        }
    }

    /// Whether examples are neighbours in running text.
    pub(crate) fn is_running_text(self) -> bool {
        matches!(self, Self::SkipThought | Self::NextSentence)
    }

    /// Whether an example's loss depends on the rest of its batch.
    pub fn needs_whole_batch(self) -> bool {
        matches!(self, Self::Pairs | Self::Distillation | Self::NextSentence)
    }
}

/// One task: a `[[task]]` entry of a configuration.
///
/// ```
/// use gensen_data::spec::{TaskKind, TaskSpec};
///
/// let task: TaskSpec = toml::from_str(
///     r#"
///     name = "fr-en"
///     kind = "translation"
///     train = ["tatoeba.en-fr.tsv.gz", { source = "train.en.gz", target = "train.fr.gz" }]
///     validation = { source = "val.en", target = "val.fr", limit = 500 }
///     "#,
/// )?;
/// assert_eq!(task.kind, TaskKind::Translation);
/// assert_eq!(task.train.len(), 2);
/// assert_eq!(task.target_language(), "fr");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Documented, DocumentedFields, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// The task's name; it names folders and metrics.
    pub name: String,
    /// What the inputs hold.
    pub kind: TaskKind,
    /// Training inputs: one or a list.
    #[serde(deserialize_with = "one_or_many")]
    pub train: Vec<Input>,
    /// Validation inputs: none, one or a list.
    #[serde(
        default,
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub validation: Vec<Input>,
    /// Test inputs: none, one or a list.
    #[serde(
        default,
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<Input>,
    /// Which neighbours a skip-thought task's decoders say; both if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Vec<Neighbour>>,
    /// What a skip-thought task does with neighbours; `decode` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// What cosines are divided by before a softmax over the batch (pairs, distillation, skip-thought
    /// by contrast).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Widths at which prefixes of the vectors are contrasted too, the loss being the mean over
    /// widths (pairs, skip-thought by contrast; Kusupati et al., 2022).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widths: Option<Vec<usize>>,
    /// The weight of 1 - cosine to the teacher's vector (distillation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine_weight: Option<f64>,
    /// The weight of the softmax over the batch's teacher's vectors (distillation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast_weight: Option<f64>,
    /// The weight of the mean squared difference between the batch's matrix of cosines and the
    /// teacher's (distillation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix_weight: Option<f64>,
    /// How often the task is drawn, relative to the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Steps before the task takes part; none if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_step: Option<u64>,
    /// The step after which the task takes no part; the last if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_step: Option<u64>,
    /// The task's own number of sentences (or pairs) a step and device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// The task's own number of words a step and device, instead of `batch_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_words: Option<usize>,
    /// What the task's gradients are multiplied by; 1 if left out. Losses are reported without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_weight: Option<f64>,
    /// The task's own tokeniser; that of all tasks if left out. Corpora that are tokenised already
    /// say `whitespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Language of the source sentences, for the tokeniser; `en` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_language: Option<String>,
    /// Language of the target sentences, for the tokeniser. If left out, a task named like `fr-en`
    /// (English to French, as the reference names them) says `fr`; any other is taken as `en`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_language: Option<String>,
}

impl TaskSpec {
    /// The language of the source sentences.
    pub fn source_language(&self) -> &str {
        self.source_language.as_deref().unwrap_or("en")
    }

    /// What the task's examples are: its kind, and for skip-thought its objective.
    pub fn form(&self) -> TaskKind {
        match (self.kind, self.objective) {
            (TaskKind::SkipThought, Some(Objective::Contrast)) => TaskKind::NextSentence,
            (kind, _) => kind,
        }
    }

    /// The decoders to train, as places in [`TaskKind::decoders`].
    pub fn decoders(&self) -> Vec<usize> {
        match &self.neighbours {
            Some(neighbours) => neighbours.iter().map(|n| n.place()).collect(),
            None => (0..self.form().decoders().len()).collect(),
        }
    }

    /// Checks that the task's settings fit its kind and are in range.
    ///
    /// # Errors
    /// [`DataError::Specification`] with the key.
    pub fn check(&self) -> Result<(), DataError> {
        use TaskKind::{Distillation, NextSentence, Pairs, SkipThought};
        let form = self.form();
        if self.kind == NextSentence {
            let problem =
                "`next-sentence`: expected `skip-thought` with `objective = \"contrast\"`";
            return Err(DataError::key("kind", problem));
        }
        let contrast = matches!(form, Pairs | NextSentence);
        let distillation = form == Distillation;
        let skip_thought = "a task of kind skip-thought";
        let contrasts = "a task of kind pairs, or skip-thought with `objective = \"contrast\"`";
        let distils = "a task of kind distillation";
        let in_batch = "a task of kind pairs or distillation, or skip-thought with \
                        `objective = \"contrast\"`";
        let decoding = "a skip-thought task that decodes";
        for (key, given, fits, what) in [
            (
                "objective",
                self.objective.is_some(),
                self.kind == SkipThought,
                skip_thought,
            ),
            (
                "neighbours",
                self.neighbours.is_some(),
                form == SkipThought,
                decoding,
            ),
            ("widths", self.widths.is_some(), contrast, contrasts),
            (
                "temperature",
                self.temperature.is_some(),
                contrast || distillation,
                in_batch,
            ),
            (
                "cosine_weight",
                self.cosine_weight.is_some(),
                distillation,
                distils,
            ),
            (
                "contrast_weight",
                self.contrast_weight.is_some(),
                distillation,
                distils,
            ),
            (
                "matrix_weight",
                self.matrix_weight.is_some(),
                distillation,
                distils,
            ),
        ] {
            if given && !fits {
                return Err(DataError::key(key, format!("is for {what} only")));
            }
        }
        if let Some(neighbours) = &self.neighbours
            && (neighbours.is_empty()
                || neighbours.len() == 2 && neighbours[0] == neighbours[1]
                || neighbours.len() > 2)
        {
            let problem = "a skip-thought task takes one or both of \"next\" and \"previous\"";
            return Err(DataError::key("neighbours", problem));
        }
        let temperature = self.temperature.unwrap_or(1.0);
        if !(temperature.is_finite() && temperature > 0.0) {
            let problem = format!("{temperature}; expected a positive number");
            return Err(DataError::key("temperature", problem));
        }
        for (key, weight) in [
            ("cosine_weight", self.cosine_weight),
            ("contrast_weight", self.contrast_weight),
            ("matrix_weight", self.matrix_weight),
        ] {
            let weight = weight.unwrap_or(1.0);
            if !(weight.is_finite() && weight >= 0.0) {
                let problem = format!("{weight}; expected a number of at least 0");
                return Err(DataError::key(key, problem));
            }
        }
        let weights = [self.cosine_weight, self.contrast_weight, self.matrix_weight];
        if weights == [Some(0.0); 3] {
            let problem = "0, as the other two weights are; expected one that is not";
            return Err(DataError::key("cosine_weight", problem));
        }
        if let Some(widths) = &self.widths
            && (widths.first().is_none_or(|&width| width == 0)
                || !widths.is_sorted_by(|a, b| a < b))
        {
            let problem = format!("{widths:?}; expected positive numbers in ascending order");
            return Err(DataError::key("widths", problem));
        }
        Ok(())
    }

    /// The steps that the task takes part in, by how many were done before.
    pub fn steps(&self) -> Range<u64> {
        self.from_step.unwrap_or(0)..self.until_step.unwrap_or(u64::MAX)
    }

    /// How much of the task each device takes in a step: the task's own size, or that of all tasks.
    pub fn batch(&self, of_all: BatchSize) -> BatchSize {
        match (self.batch_size, self.batch_words) {
            (Some(sentences), _) => BatchSize::from(sentences),
            (None, Some(words)) => BatchSize::Words(words as u64),
            (None, None) => of_all,
        }
    }

    /// The language of the target sentences.
    pub fn target_language(&self) -> &str {
        if let Some(language) = &self.target_language {
            return language;
        }
        match self.name.split_once('-') {
            Some((target, "en")) if target.len() == 2 => target,
            _ => "en",
        }
    }
}

/// A sentence beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbour {
    /// The sentence after it.
    Next,
    /// The sentence before it.
    Previous,
}

impl Neighbour {
    /// Its place among a skip-thought task's decoders.
    pub fn place(self) -> usize {
        match self {
            Self::Next => 0,
            Self::Previous => 1,
        }
    }
}

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
    /// Keep so many examples: the first ones, or with `shuffle` a random choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The seed of the random choice that `limit` makes. The examples kept stay in file order
    /// (training visits them in an order of its own).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u64>,
    /// How running text is laid out (skip-thought).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<SentenceLayout>,
    /// Keep only triples whose three sentences have at least so many words (skip-thought).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_words: Option<u32>,
    /// Keep only triples whose three sentences have at most so many words (skip-thought).
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

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Input>, D::Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str) -> Result<TaskSpec, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn an_unknown_key_is_named() {
        let unknown = task("name='a'\nkind='nli'\ntrain={path='x', limits=3}").unwrap_err();
        assert!(unknown.to_string().contains("limits"), "{unknown}");
        let unknown = task("name='a'\nkind='nli'\ntrain='x'\nvalid='y'").unwrap_err();
        assert!(unknown.to_string().contains("valid"), "{unknown}");
        let kind = task("name='a'\nkind='nly'\ntrain='x'").unwrap_err();
        assert!(kind.to_string().contains("skip-thought"), "{kind}");
        let negative = task("name='a'\nkind='nli'\ntrain={path='x', limit=-3}").unwrap_err();
        assert!(negative.to_string().contains("-3"), "{negative}");
    }

    #[test]
    fn json_and_toml_say_the_same_and_survive_a_round_trip() {
        let toml = task(
            "name='st'\nkind='skip-thought'\n\
             train=[{path='books.tar.gz', exclude='Woolf*', limit=10, shuffle=1, sentences='paragraphs', min_words=3}]",
        )
        .unwrap();
        let json: TaskSpec = serde_json::from_str(
            r#"{"name": "st", "kind": "skip-thought", "train": {"path": "books.tar.gz",
                "exclude": ["Woolf*"], "limit": 10, "shuffle": 1, "sentences": "paragraphs", "min_words": 3}}"#,
        )
        .unwrap();
        assert_eq!(toml, json);
        let again = task(&toml::to_string(&toml).unwrap()).unwrap();
        assert_eq!(toml, again);
    }

    #[test]
    fn contradictions_are_named() {
        let check = |table: &str, kind| {
            let table: InputTable = toml::from_str(table).unwrap();
            table.check(kind).map_err(|error| error.to_string())
        };
        let pair = TaskKind::Translation;
        assert_eq!(check("source='a'\ntarget='b'", pair), Ok(()));
        assert!(check("source='a'", pair).unwrap_err().contains("`target`"));
        assert!(
            check("path='a'\nsource='b'\ntarget='c'", pair)
                .unwrap_err()
                .contains("`path`")
        );
        assert!(check("limit=3", pair).unwrap_err().contains("`path`"));
        assert!(
            check("path='a'\nlimit=0", pair)
                .unwrap_err()
                .contains("`limit`")
        );
        assert!(
            check("path='a'\nshuffle=3", pair)
                .unwrap_err()
                .contains("`shuffle`")
        );
        assert!(
            check("path='a'\nmin_words=3", pair)
                .unwrap_err()
                .contains("`min_words`")
        );
        assert!(
            check("source='a'\ntarget='b'", TaskKind::Nli)
                .unwrap_err()
                .contains("`source`")
        );
        let book = TaskKind::SkipThought;
        assert!(
            check("path='a'\nmin_words=3\nmax_words=2", book)
                .unwrap_err()
                .contains("`min_words`")
        );
    }

    #[test]
    fn languages_follow_from_names() {
        let language = |name: &str| {
            let spec = task(&format!("name='{name}'\nkind='translation'\ntrain='x'")).unwrap();
            (
                spec.source_language().to_owned(),
                spec.target_language().to_owned(),
            )
        };
        assert_eq!(language("de-en"), ("en".into(), "de".into()));
        assert_eq!(language("news"), ("en".into(), "en".into()));
        let spec = task("name='de-en'\nkind='translation'\ntrain='x'\nsource_language='fr'\ntarget_language='en'").unwrap();
        assert_eq!(
            (spec.source_language(), spec.target_language()),
            ("fr", "en")
        );
    }
}
