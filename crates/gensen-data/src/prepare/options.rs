//! Settings of preparation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::tokenizer::Resources;

/// Settings that all tasks share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataOptions {
    /// Words of the source vocabulary, besides the four special ones.
    pub source_words: usize,
    /// Words of each target vocabulary, besides the four special ones.
    pub target_words: usize,
    /// The tokeniser's name.
    pub tokenizer: String,
    /// For `moses`: a file of non-breaking prefixes or a folder of such files, in place of the
    /// lists that are built in. Relative to the base folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonbreaking_prefixes: Option<PathBuf>,
    /// For `nltk`: the `punkt_tab` folder, to split sentences. Relative to the base folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub punkt: Option<PathBuf>,
    /// Whether words are put in lower case, after tokenisation (linearised trees never are).
    pub lowercase: bool,
    /// The most words of a source sentence; longer ones are cut; `<s>` and `</s>` do not count.
    pub max_source_words: usize,
    /// The most words of a target sentence; longer ones are cut; `<s>` and `</s>` do not count.
    pub max_target_words: usize,
    /// The most words of a premise or hypothesis; longer ones are cut (the reference has no limit).
    pub max_nli_words: usize,
    /// Whether the text of inference tasks counts for the source vocabulary (the reference: no).
    /// Where there is no other task it always does.
    pub count_nli: bool,
    /// Words that fill the source vocabulary up, in this order, where the corpora have fewer than
    /// `source_words`: those that there are word vectors of. Each to occur once.
    #[serde(skip)]
    pub further_words: Arc<[String]>,
    /// Words that the source vocabulary begins with, special words included: a model's own, which keep
    /// their ids. The most frequent other words follow until there are `source_words`.
    #[serde(skip)]
    pub first_words: Arc<[String]>,
    /// Files, and folders of files, whose sentences are not to be trained on; see
    /// [`normalise`](crate::exclusion::normalise). Relative to the base folder.
    #[serde(skip)]
    pub exclude_sentences: Vec<PathBuf>,
    /// Threads to work with; 0 stands for all cores. The result does not depend on it.
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

    /// The files that tokenisers read, their paths relative to `base`.
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
                    format!("{value}; expected 1 to {}", 1 << 30),
                ));
            }
        }
        Ok(())
    }
}
