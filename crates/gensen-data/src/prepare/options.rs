//! Settings of preparation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::tokenizer::Resources;

/// Settings common to all tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataOptions {
    /// The size of the source vocabulary, without the four special words.
    pub source_words: usize,
    /// The size of each target vocabulary, without the four special words.
    pub target_words: usize,
    /// The tokeniser's name; see [`NAMES`](crate::tokenizer::NAMES).
    pub tokenizer: String,
    /// For `moses`: a file of non-breaking prefixes or a folder of such files, instead of the
    /// built-in lists. Relative to the base folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonbreaking_prefixes: Option<PathBuf>,
    /// For `nltk`: the `punkt_tab` folder, to split sentences. Relative to the base folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub punkt: Option<PathBuf>,
    /// Whether words are lower-cased after tokenisation. Linearised trees never are.
    pub lowercase: bool,
    /// The number of words to which source sentences are truncated, without `<s>` and `</s>`.
    pub max_source_words: usize,
    /// The number of words to which target sentences are truncated, without `<s>` and `</s>`.
    pub max_target_words: usize,
    /// The number of words to which premises and hypotheses are truncated. The reference
    /// implementation has no limit.
    pub max_nli_words: usize,
    /// Whether the words of inference tasks count for the source vocabulary; the reference
    /// implementation does not count them. If there are no other tasks, they always count.
    pub count_nli: bool,
    /// Words that occur fewer times in the corpora are left out of the vocabularies.
    pub min_count: u64,
    /// Distinct words to append to the source vocabulary, in this order, if the corpora have fewer
    /// than `source_words` that occur `min_count` times; for instance words with pretrained vectors.
    #[serde(skip)]
    pub further_words: Arc<[String]>,
    /// The first words of the source vocabulary, special words included: those of a model, which
    /// keep their ids. The most frequent other words follow, up to `source_words`.
    #[serde(skip)]
    pub first_words: Arc<[String]>,
    /// Files and folders of files whose sentences are excluded from training, compared by
    /// [`normalise`](crate::exclusion::normalise). Relative to the base folder.
    #[serde(skip)]
    pub exclude_sentences: Vec<PathBuf>,
    /// The number of threads; 0 for one per core. The result does not depend on it.
    #[serde(skip)]
    pub threads: usize,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            source_words: 80_000,
            target_words: 30_000,
            tokenizer: "whitespace".into(),
            nonbreaking_prefixes: None,
            punkt: None,
            lowercase: true,
            max_source_words: 88,
            max_target_words: 88,
            max_nli_words: 256,
            count_nli: false,
            min_count: 1,
            further_words: Arc::default(),
            first_words: Arc::default(),
            exclude_sentences: Vec::new(),
            threads: 0,
        }
    }
}

impl DataOptions {
    pub(super) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            threads => threads,
        }
    }

    /// The files that tokenisers read; relative paths are relative to `base`.
    pub fn resources(&self, base: &Path) -> Resources {
        let at_base = |path: &Option<PathBuf>| path.as_ref().map(|path| base.join(path));
        Resources {
            nonbreaking_prefixes: at_base(&self.nonbreaking_prefixes),
            punkt: at_base(&self.punkt),
        }
    }

    pub(super) fn check(&self) -> Result<(), DataError> {
        for (key, value) in [
            ("source_words", self.source_words),
            ("target_words", self.target_words),
            ("max_source_words", self.max_source_words),
            ("max_target_words", self.max_target_words),
            ("max_nli_words", self.max_nli_words),
        ] {
            if value == 0 || value > 1 << 30 {
                return Err(DataError::key(
                    key,
                    format!("{value}, expected 1 to {}", 1 << 30),
                ));
            }
        }
        Ok(())
    }
}
