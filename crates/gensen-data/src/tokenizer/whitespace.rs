use super::{Tokenizer, Tokens};

/// Splits at runs of ASCII white space, like the reference implementation. It leaves tokenised text
/// as it is; a non-breaking space does not end a word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whitespace;

impl Tokenizer for Whitespace {
    fn tokenize(&self, line: &str, tokens: &mut Tokens) {
        tokens.clear();
        // Unlike `split_ascii_whitespace`, Python's `bytes.split` also splits at the vertical tab.
        line.split(|c: char| c.is_ascii_whitespace() || c == '\x0b')
            .for_each(|word| tokens.push(word));
    }
}
