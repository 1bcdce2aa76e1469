//! The positions of words in their line.

use std::ops::Range;

use crate::tokenizer::Tokens;
use crate::tokenizer::char_class::is_python_space;

/// Replaces the contents of `offsets` with the byte range of each word in `line`. Two words are
/// separated by white space or nothing, since the tokeniser drops nothing else.
pub fn align(line: &str, tokens: &Tokens, offsets: &mut Vec<Range<usize>>) {
    offsets.clear();
    let mut at = 0;
    for word in tokens.iter() {
        let rest = line[at..].trim_start_matches(is_python_space);
        at = line.len() - rest.len();
        let written: &[&str] = match word {
            "``" => &["``", "\"", "''"],
            "''" => &["''", "\""],
            _ => &[],
        };
        let length = written
            .iter()
            .find(|quote| rest.starts_with(**quote))
            .map_or(word.len(), |quote| quote.len());
        let end = at + rest.get(..length).map_or(rest.len(), str::len);
        offsets.push(at..end);
        at = end;
    }
}
