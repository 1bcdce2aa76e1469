//! Tokenisers: text in, words out.
//!
//! Every tokeniser is one file behind [`Tokenizer`]. The words of a line are written into a
//! reusable [`Tokens`] buffer, so that tokenising a corpus allocates nothing per line.

mod whitespace;

pub use whitespace::Whitespace;

/// The words of one line, held in one buffer that is reused from line to line.
///
/// ```
/// use gensen_data::tokenizer::{Tokenizer, Tokens, Whitespace};
///
/// let mut tokens = Tokens::default();
/// Whitespace.tokenize("the quick  fox", &mut tokens);
/// assert_eq!(tokens.iter().collect::<Vec<_>>(), ["the", "quick", "fox"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    text: String,
    ends: Vec<usize>,
}

impl Tokens {
    /// Appends a word; an empty one is left out.
    pub fn push(&mut self, word: &str) {
        if !word.is_empty() {
            self.text.push_str(word);
            self.ends.push(self.text.len());
        }
    }

    /// Forgets the words and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The words in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|i| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            &self.text[start..self.ends[i]]
        })
    }
}

/// Splits a line of text into words.
pub trait Tokenizer: Send + Sync {
    /// Replaces the contents of `tokens` by the words of `line`, in order. No word is empty or
    /// holds white space. Never panics, whatever the text.
    fn tokenize(&self, line: &str, tokens: &mut Tokens);
}
