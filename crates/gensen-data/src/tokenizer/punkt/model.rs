//! Punkt's parameters for a language.

use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::tokenizer::TokenizerError;
use crate::tokenizer::error::read_text;

/// The size limit of a model's file in bytes; NLTK's own are below 2 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Flag: the word was seen in lower case at the beginning of a sentence.
pub const FIRST_LOWER: u32 = 1 << 4;
/// Flag: the word was seen with a capital inside a sentence.
pub const INSIDE_UPPER: u32 = 1 << 2;
/// Flags: the word was seen with a capital anywhere.
pub const UPPER: u32 = 0b1110;
/// Flags: the word was seen in lower case anywhere.
pub const LOWER: u32 = 0b111_0000;

/// Punkt's parameters for a language.
#[derive(Clone, Debug, Default)]
pub struct PunktModel {
    abbreviations: FxHashSet<String>,
    /// The second words of each first word.
    collocations: FxHashMap<String, FxHashSet<String>>,
    sentence_starters: FxHashSet<String>,
    cases: FxHashMap<String, u32>,
}

impl PunktModel {
    /// Reads the four files of a `punkt_tab` model.
    pub fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let mut collocations: FxHashMap<_, FxHashSet<_>> = FxHashMap::default();
        for_each_pair(&folder.join("collocations.tab"), |first, second| {
            collocations
                .entry(first.to_owned())
                .or_default()
                .insert(second.to_owned());
            true
        })?;
        let mut cases = FxHashMap::default();
        for_each_pair(&folder.join("ortho_context.tab"), |word, flags| {
            flags
                .parse()
                .map(|flags| cases.insert(word.to_owned(), flags))
                .is_ok()
        })?;
        Ok(Self {
            abbreviations: read_words(&folder.join("abbrev_types.txt"))?,
            collocations,
            sentence_starters: read_words(&folder.join("sent_starters.txt"))?,
            cases,
        })
    }

    /// Whether a word, in lower case and without its full stop, is an abbreviation.
    pub fn is_abbreviation(&self, word: &str) -> bool {
        self.abbreviations.contains(word)
    }

    /// Whether a full stop between these words does not end a sentence.
    pub fn is_collocation(&self, first: &str, second: &str) -> bool {
        self.collocations
            .get(first)
            .is_some_and(|seconds| seconds.contains(second))
    }

    /// Whether sentences often begin with this word.
    pub fn is_sentence_starter(&self, word: &str) -> bool {
        self.sentence_starters.contains(word)
    }

    /// The cases and positions in which a word was seen: [`UPPER`] and the other flags.
    pub fn case_of(&self, word: &str) -> u32 {
        self.cases.get(word).copied().unwrap_or(0)
    }
}

fn read_words(path: &Path) -> Result<FxHashSet<String>, TokenizerError> {
    let text = read_text(path, MAX_FILE_BYTES)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Calls `take` with the two columns of each line; it returns whether they are valid.
fn for_each_pair(
    path: &Path,
    mut take: impl FnMut(&str, &str) -> bool,
) -> Result<(), TokenizerError> {
    for (i, line) in read_text(path, MAX_FILE_BYTES)?.lines().enumerate() {
        let taken = line
            .split_once('\t')
            .is_some_and(|(first, second)| !second.contains('\t') && take(first, second));
        if !taken {
            return Err(TokenizerError::PunktLine {
                path: path.to_owned(),
                line: i + 1,
                found: line.chars().take(80).collect(),
            });
        }
    }
    Ok(())
}
