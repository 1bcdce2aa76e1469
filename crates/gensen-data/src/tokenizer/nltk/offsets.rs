//! Where the words stand in the line.

use std::ops::Range;

use crate::tokenizer::Tokens;
use crate::tokenizer::char_class::is_python_space;

/// Replaces the contents of `offsets` by the place of each word in `line`, in bytes. Between two
/// words there is white space or nothing, for the tokeniser drops nothing else.
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
