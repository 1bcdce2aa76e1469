//! Tasks as a configuration describes them.

mod input;

use std::ops::Range;

use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

use self::input::one_or_many;
pub use self::input::{Input, InputTable, SentenceLayout};
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
    /// A task of these training inputs, everything else left out.
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
