//! Tokenisers, which split text into words.
//!
//! All tokenisers implement [`Tokenizer`]; [`by_name`] creates one from its name in a configuration
//! or on a command line. The words of a line are written to a reusable [`Tokens`] buffer, so that
//! most lines are tokenised without allocating memory.

mod by_name;
mod char_class;
mod dots;
mod error;
mod language;
mod lowercase;
mod moses;
mod nltk;
mod prefixes;
mod ptb;
mod punkt;
mod rewriter;
mod tokens;
mod whitespace;

pub use by_name::{NAMES, Resources, by_name};
pub use error::TokenizerError;
pub use language::Language;
pub use lowercase::lowercase;
pub use moses::{MOSES_ENTITIES, Moses, MosesOptions};
pub use nltk::Nltk;
pub use prefixes::{NonbreakingPrefixes, Prefix};
pub use ptb::Ptb;
pub use punkt::Punkt;
pub use tokens::Tokens;
pub use whitespace::Whitespace;

use error::read_text;

/// Splits a line of text into words.
pub trait Tokenizer: Send + Sync {
    /// Replaces the contents of `tokens` with the words of `line`, in order. No word is empty or
    /// contains white space. It does not panic on any text.
    fn tokenize(&self, line: &str, tokens: &mut Tokens);
}
