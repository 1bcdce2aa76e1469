use super::rewriter::Rewriter;

/// The words of a line, in a buffer that can be reused for the next line.
///
/// ```
/// use gensen_data::tokenizer::{Tokenizer, Tokens, Whitespace};
///
/// let mut tokens = Tokens::default();
/// Whitespace.tokenize("the quick  fox", &mut tokens);
/// assert_eq!(tokens.iter().collect::<Vec<_>>(), ["the", "quick", "fox"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    text: String,
    ends: Vec<usize>,
    /// Reusable buffers for the tokenisers.
    pub(super) rewriter: Rewriter,
}

impl Tokens {
    /// Appends a word; an empty one is ignored.
    pub fn push(&mut self, word: &str) {
        self.text.push_str(word);
        if self.text.len() > self.ends.last().copied().unwrap_or(0) {
            self.ends.push(self.text.len());
        }
    }

    /// Appends the beginning of a word, which the next [`push`](Self::push) completes.
    pub(super) fn push_part(&mut self, part: &str) {
        self.text.push_str(part);
    }

    /// Removes all words and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no words.
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

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.ends == other.ends
    }
}

impl Eq for Tokens {}
