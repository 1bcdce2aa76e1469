//! NLTK's `word_tokenize`.

mod contractions;
mod offsets;

mod steps;

use std::ops::Range;
use std::path::Path;

use super::char_class::is_python_space;
use super::{Punkt, Tokenizer, TokenizerError, Tokens};

/// NLTK's word tokeniser (`word_tokenize` of release 3.10).
///
/// Without a sentence splitter the whole line is one sentence, as with `preserve_line=True`: a full
/// stop is separated only at the end of the line. With one ([`Nltk::with_punkt`]) each sentence of
/// the line is tokenised by itself, as is the default of `word_tokenize`. Straight double quotes
/// become ` `` ` and `''`.
///
/// ```
/// use gensen_data::tokenizer::{Nltk, Tokenizer, Tokens};
///
/// let mut tokens = Tokens::default();
/// Nltk::new().tokenize("\"They'll save $3.88\", she said.", &mut tokens);
/// let words: Vec<&str> = tokens.iter().collect();
/// assert_eq!(words, ["``", "They", "'ll", "save", "$", "3.88", "''", ",", "she", "said", "."]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Nltk {
    punkt: Option<Punkt>,
}

impl Nltk {
    /// A tokeniser that treats every line as one sentence.
    pub fn new() -> Self {
        Self::default()
    }

    /// A tokeniser that splits a line into sentences first, with the model in a folder of the
    /// `punkt_tab` data.
    ///
    /// # Errors
    ///
    /// If a file of the model is missing, cannot be read or has a malformed line.
    pub fn with_punkt(folder: &Path) -> Result<Self, TokenizerError> {
        Ok(Self {
            punkt: Some(Punkt::read(folder)?),
        })
    }

    /// Like [`Tokenizer::tokenize`]; also replaces the contents of `offsets` with the byte range of
    /// each word in `line`. The text in that range is the word, except for double quotes: ` `` `
    /// and `''` may be `"` in the line, and ` `` ` may be `''`.
    ///
    /// ```
    /// use gensen_data::tokenizer::{Nltk, Tokens};
    ///
    /// let (mut tokens, mut offsets) = (Tokens::default(), Vec::new());
    /// Nltk::new().tokenize_with_offsets("Ça va \"bien\".", &mut tokens, &mut offsets);
    /// assert_eq!(offsets, [0..3, 4..6, 7..8, 8..12, 12..13, 13..14]);
    /// ```
    pub fn tokenize_with_offsets(
        &self,
        line: &str,
        tokens: &mut Tokens,
        offsets: &mut Vec<Range<usize>>,
    ) {
        self.tokenize(line, tokens);
        offsets::align(line, tokens, offsets);
    }
}

impl Tokenizer for Nltk {
    fn tokenize(&self, line: &str, tokens: &mut Tokens) {
        tokens.clear();
        let mut text = std::mem::take(&mut tokens.rewriter);
        let mut push_sentence = |sentence: &str| {
            steps::split_words(sentence, &mut text);
            text.text()
                .split(is_python_space)
                .for_each(|word| tokens.push(word));
        };
        match &self.punkt {
            Some(punkt) => punkt
                .sentences(line)
                .into_iter()
                .for_each(|sentence| push_sentence(&line[sentence])),
            None => push_sentence(line),
        }
        tokens.rewriter = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenize(line: &str) -> String {
        let mut tokens = Tokens::default();
        Nltk::new().tokenize(line, &mut tokens);
        tokens.iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn quotes_open_and_close() {
        assert_eq!(
            tokenize("\"a\" (''b'') ```c "),
            "`` a '' ( `` b '' ) `` ` c"
        );
        assert_eq!(tokenize("'em 'tis 's «d»"), "' em ' tis 's « d »");
    }

    #[test]
    fn joined_words_are_split_whatever_the_case() {
        assert_eq!(
            tokenize("CANNOT wanna, wanna x"),
            "CAN NOT wan na , wan na x"
        );
        assert_eq!(tokenize("scannot more'n d'Ye"), "scannot more 'n d 'Ye");
    }

    #[test]
    fn the_final_full_stop_is_set_apart() {
        assert_eq!(tokenize("Mr. X.\u{201d} \n"), "Mr. X . \u{201d}");
        assert_eq!(tokenize("1,5, a:b ...."), "1,5 , a : b ....");
    }
}
