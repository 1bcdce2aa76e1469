//! The `[[task]]` entries of a configuration.

mod check;
mod input;

use std::ops::Range;

use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

use self::input::one_or_many;
pub use self::input::{Input, InputTable, SentenceLayout};
use crate::batch::BatchSize;

/// The kind of a task: what it learns from.
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
    /// Contrastive learning: pairs of sentences that belong together, against the other pairs of
    /// the batch.
    Pairs,
    /// Sentences with a teacher's vectors for them.
    Distillation,
    /// Sentences or sentence pairs with one of any number of labels.
    Classification,
    /// Running text: each sentence identifies the next one among those of the batch. Configurations
    /// set [`Self::SkipThought`] with [`Objective::Contrast`] instead; see [`TaskSpec::form`].
    NextSentence,
}

/// The objective of a skip-thought task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Decoders generate the neighbouring sentences word by word.
    #[default]
    Decode,
    /// The next sentence is to be found among those of the batch.
    Contrast,
}

impl TaskKind {
    /// The names of the decoders, in the order of [`Seq2SeqBatch::targets`].
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

    /// Whether examples are neighbouring sentences of running text.
    pub(crate) fn is_running_text(self) -> bool {
        matches!(self, Self::SkipThought | Self::NextSentence)
    }

    /// Whether the loss of an example depends on the other examples of its batch.
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
    /// The task's name, used for folders and metrics.
    pub name: String,
    /// The kind of task.
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
    /// The neighbours that a skip-thought task decodes; default: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Vec<Neighbour>>,
    /// The objective of a skip-thought task; default: `decode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// The temperature: cosines are divided by it before a softmax over the batch (pairs,
    /// distillation, contrastive skip-thought).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Widths of prefixes of the vectors that are trained too, in ascending order; the loss is the
    /// mean over all widths (Matryoshka learning, Kusupati et al., 2022; pairs, contrastive
    /// skip-thought).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widths: Option<Vec<usize>>,
    /// The weight of the loss 1 - cosine with the teacher's vector (distillation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine_weight: Option<f64>,
    /// The weight of the contrastive loss against the teacher's vectors of the batch
    /// (distillation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast_weight: Option<f64>,
    /// The weight of the mean squared difference between the batch's matrix of cosines and that of
    /// the teacher (distillation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix_weight: Option<f64>,
    /// How often the task is drawn, relative to the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// The number of steps before the task is trained; default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_step: Option<u64>,
    /// The number of steps after which the task is no longer trained; default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_step: Option<u64>,
    /// Sentences (or pairs) per step and device; default: that of all tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Words per step and device, instead of `batch_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_words: Option<usize>,
    /// The factor of the task's gradients; default: 1. Losses are reported without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_weight: Option<f64>,
    /// The tokeniser; default: that of all tasks. Use `whitespace` for corpora that are tokenised
    /// already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// The language of the source sentences, for the tokeniser; default: `en`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_language: Option<String>,
    /// The language of the target sentences, for the tokeniser. Default: `fr` for a task named
    /// `fr-en` (English to French, as the reference implementation names tasks), and so for other
    /// languages; `en` for any other name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_language: Option<String>,
}

impl TaskSpec {
    /// A task with these training inputs and default settings.
    pub fn new(name: impl Into<String>, kind: TaskKind, train: Vec<Input>) -> Self {
        Self {
            name: name.into(),
            kind,
            train,
            validation: Vec::new(),
            test: Vec::new(),
            neighbours: None,
            objective: None,
            temperature: None,
            widths: None,
            cosine_weight: None,
            contrast_weight: None,
            matrix_weight: None,
            weight: None,
            from_step: None,
            until_step: None,
            batch_size: None,
            batch_words: None,
            loss_weight: None,
            tokenizer: None,
            source_language: None,
            target_language: None,
        }
    }

    /// The language of the source sentences.
    pub fn source_language(&self) -> &str {
        self.source_language.as_deref().unwrap_or("en")
    }

    /// The kind of the task's examples: [`TaskKind::NextSentence`] for skip-thought with
    /// [`Objective::Contrast`], otherwise the task's kind.
    pub fn form(&self) -> TaskKind {
        match (self.kind, self.objective) {
            (TaskKind::SkipThought, Some(Objective::Contrast)) => TaskKind::NextSentence,
            (kind, _) => kind,
        }
    }

    /// The decoders to train, as indices into [`TaskKind::decoders`].
    pub fn decoders(&self) -> Vec<usize> {
        match &self.neighbours {
            Some(neighbours) => neighbours.iter().map(|n| n.place()).collect(),
            None => (0..self.form().decoders().len()).collect(),
        }
    }

    /// The steps in which the task is trained, counted from 0.
    pub fn steps(&self) -> Range<u64> {
        self.from_step.unwrap_or(0)..self.until_step.unwrap_or(u64::MAX)
    }

    /// The batch size per step and device: the task's own, or else `of_all`.
    pub fn batch(&self, of_all: BatchSize) -> BatchSize {
        match (self.batch_size, self.batch_words) {
            (Some(sentences), _) => BatchSize::from(sentences),
            (None, Some(words)) => BatchSize::Words(words as u64),
            (None, None) => of_all,
        }
    }

    /// The factor of the task's gradients.
    pub fn loss_weight(&self) -> f64 {
        self.loss_weight.unwrap_or(1.0)
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

/// A neighbour of a sentence in running text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbour {
    /// The next sentence.
    Next,
    /// The previous sentence.
    Previous,
}

impl Neighbour {
    /// Its index among the decoders of a skip-thought task.
    pub fn place(self) -> usize {
        match self {
            Self::Next => 0,
            Self::Previous => 1,
        }
    }
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
