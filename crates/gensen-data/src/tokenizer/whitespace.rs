use super::{Tokenizer, Tokens};

/// Splits on runs of ASCII white space, as the reference does: text that is tokenised already
/// keeps its words, and a non-breaking space stays inside its word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whitespace;

impl Tokenizer for Whitespace {
    fn tokenize(&self, line: &str, tokens: &mut Tokens) {
        tokens.clear();
        // Python's byte-string `split()` also splits on the vertical tab, which
        // `split_ascii_whitespace` leaves alone.
        line.split(|c: char| c.is_ascii_whitespace() || c == '\x0b')
            .for_each(|word| tokens.push(word));
    }
}
