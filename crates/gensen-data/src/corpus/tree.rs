//! Bracketed constituency trees, linearised.

use super::blocks::Block;
use super::origin::Origin;
use crate::error::{DataError, LineFault};
use crate::lines::LineReader;

/// A tree as a sentence and its linearised form (Vinyals et al., "Grammar as a Foreign Language",
/// 2015): both brackets of a constituent carry its label, and a word with its part of speech
/// becomes the placeholder `XX`.
///
/// `(S (NP-SBJ (NNP John)) (VP (VBZ has) (NP (DT a) (NN dog))) (. .))` gives
/// `John has a dog .` and `(S (NP XX )NP (VP XX (NP XX XX )NP )VP XX )S`.
///
/// Function tags are removed from labels (`NP-SBJ-1`, `PP=2`), as are traces (`-NONE-`) and
/// constituents that have nothing but traces. An outermost bracket without a label, or labelled
/// `ROOT` or `TOP`, is not a constituent. The Penn Treebank's names of brackets (`-LRB-`) are kept
/// as words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The words, separated by single spaces.
    pub(crate) source: String,
    /// The linearised tree, its symbols separated by single spaces.
    pub(crate) target: String,
}

/// An open bracket.
struct OpenBracket {
    /// The byte range of its label in the block.
    label: (usize, usize),
    /// The lengths of the tree's texts when it was opened, to remove an empty constituent.
    source: usize,
    target: usize,
    /// Brackets inside it.
    children: usize,
    /// Words directly inside it.
    words: usize,
}

/// Calls `visit` for every tree of a text with the line where it begins and the tree, or `None` for
/// a tree without words.
///
/// # Errors
/// Line and fault if brackets do not match or there is text outside of brackets; errors of `visit`.
pub(crate) fn each_tree<E>(
    text: &str,
    first_line: u64,
    mut visit: impl FnMut(u64, Option<&Tree>) -> Result<(), E>,
    fault: impl Fn(u64, LineFault) -> E,
) -> Result<(), E> {
    let mut tree = Tree::default();
    let mut open: Vec<OpenBracket> = Vec::new();
    let (mut line, mut tree_line) = (first_line, first_line);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => {
                line += 1;
                at += 1;
            }
            _ if is_blank(byte) => at += 1,
            b'(' => {
                if open.is_empty() {
                    tree_line = line;
                }
                if let Some(parent) = open.last_mut() {
                    parent.children += 1;
                }
                let end = atom_end(bytes, at + 1);
                let label = label_end(&text[at + 1..end]) + at + 1;
                open.push(OpenBracket {
                    label: (at + 1, label),
                    source: tree.source.len(),
                    target: tree.target.len(),
                    children: 0,
                    words: 0,
                });
                if !is_hidden(&text[at + 1..label], open.len()) {
                    push(&mut tree.target, &["(", &text[at + 1..label]]);
                }
                at = end;
            }
            b')' => {
                let Some(closed) = open.pop() else {
                    return Err(fault(
                        line,
                        LineFault::Tree("a closing bracket without an opening one"),
                    ));
                };
                close(
                    &mut tree,
                    &closed,
                    &text[closed.label.0..closed.label.1],
                    open.len() + 1,
                );
                at += 1;
                if open.is_empty() {
                    let whole = (!tree.source.is_empty()).then_some(&tree);
                    visit(tree_line, whole)?;
                    tree.source.clear();
                    tree.target.clear();
                }
            }
            _ => {
                let end = atom_end(bytes, at);
                let Some(parent) = open.last_mut() else {
                    return Err(fault(
                        line,
                        LineFault::Tree(
                            "text outside of brackets; expected a tree such as (S (NN word))",
                        ),
                    ));
                };
                parent.words += 1;
                if &text[parent.label.0..parent.label.1] != NONE {
                    push(&mut tree.source, &[&text[at..end]]);
                    push(&mut tree.target, &["XX"]);
                }
                at = end;
            }
        }
    }
    if !open.is_empty() {
        return Err(fault(
            tree_line,
            LineFault::Tree("the tree that begins here is not closed"),
        ));
    }
    Ok(())
}

/// Whether a line holds at least one tree with words.
///
/// # Errors
/// [`LineFault::Tree`] if brackets do not match or there is text outside of brackets.
pub fn check_tree(line: &str) -> Result<bool, LineFault> {
    let mut has_words = false;
    let visit = |_, tree: Option<&Tree>| {
        has_words |= tree.is_some();
        Ok(())
    };
    each_tree(line, 1, visit, |_, fault| fault)?;
    Ok(has_words)
}

/// The label of traces.
const NONE: &str = "-NONE-";

fn close(tree: &mut Tree, closed: &OpenBracket, label: &str, depth: usize) {
    if tree.source.len() == closed.source {
        // The constituent contains only traces.
        tree.target.truncate(closed.target);
    } else if closed.words == 1 && closed.children == 0 {
        // A word with its part of speech.
        tree.target.truncate(closed.target);
        push(&mut tree.target, &["XX"]);
    } else if !is_hidden(label, depth) {
        push(&mut tree.target, &[")", label]);
    }
}

/// Whether a bracket is left out: it has no label, or is the outermost with a root's label.
fn is_hidden(label: &str, depth: usize) -> bool {
    label.is_empty() || (depth == 1 && matches!(label, "ROOT" | "TOP"))
}

fn push(text: &mut String, parts: &[&str]) {
    if !text.is_empty() {
        text.push(' ');
    }
    parts.iter().for_each(|part| text.push_str(part));
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

fn atom_end(bytes: &[u8], start: usize) -> usize {
    let ends = |&byte: &u8| is_blank(byte) || byte == b'(' || byte == b')';
    bytes[start..]
        .iter()
        .position(ends)
        .map_or(bytes.len(), |length| start + length)
}

/// The end of a label without its function tags. A label that begins with a hyphen (`-NONE-`,
/// `-LRB-`) has none.
fn label_end(label: &str) -> usize {
    if label.starts_with('-') {
        return label.len();
    }
    label
        .find(['-', '='])
        .filter(|&end| end > 0)
        .unwrap_or(label.len())
}

/// Reads a file of trees and calls `emit` with blocks of whole trees, until it returns `false`.
pub(super) fn read(origin: &Origin, emit: &mut dyn FnMut(Block) -> bool) -> Result<(), DataError> {
    let mut lines = LineReader::new(origin.name(), origin.open_text()?);
    while let Some((text, line)) = lines.next_block_where(last_whole_tree)? {
        if !emit(Block::new(lines.file().clone(), line, text)) {
            return Ok(());
        }
    }
    lines.not_empty()
}

/// The end of the last line that ends outside of all brackets. After an unmatched closing bracket,
/// text counts as outside; reading the block then reports the error.
fn last_whole_tree(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut cut) = (0i64, None);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\n' if depth <= 0 => cut = Some(at + 1),
            _ => {}
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::chain;

    fn trees(text: &str) -> Result<Vec<(u64, Option<Tree>)>, String> {
        let mut found = Vec::new();
        each_tree(
            text,
            1,
            |line, tree| {
                found.push((line, tree.cloned()));
                Ok(())
            },
            |line, fault| DataError::line("f", line, fault),
        )
        .map_err(|error| chain(&error))?;
        Ok(found)
    }

    fn one(text: &str) -> (String, String) {
        let tree = trees(text).unwrap().remove(0).1.unwrap();
        (tree.source, tree.target)
    }

    #[test]
    fn linearised_as_in_the_paper() {
        let (source, target) = one("(S (NP (NNP John)) (VP (VBZ has) (NP (DT a) (NN dog))) (. .))");
        assert_eq!(source, "John has a dog .");
        assert_eq!(target, "(S (NP XX )NP (VP XX (NP XX XX )NP )VP XX )S");
    }

    #[test]
    fn roots_function_tags_and_traces_are_stripped() {
        let (source, target) = one(
            "( (S (NP-SBJ-1 (NNP Jo) ) (VP (VBD was) (VP=2 (VBN seen) (NP (-NONE- *-1) ) (PP-LGS (-NONE- *)) )) (-LRB- -LRB-) ))",
        );
        assert_eq!(source, "Jo was seen -LRB-");
        assert_eq!(target, "(S (NP XX )NP (VP XX (VP XX )VP )VP XX )S");
        assert_eq!(one("(ROOT (ROOT (NN x)(NN y)))").1, "(ROOT XX XX )ROOT");
        assert_eq!(one("(TOP (X|Y (NN a) (NN b)))").1, "(X|Y XX XX )X|Y");
        assert_eq!(
            one("(NP dog cat)"),
            ("dog cat".into(), "(NP XX XX )NP".into())
        );
        assert_eq!(
            one("(NP (DT the) dog)"),
            ("the dog".into(), "(NP XX XX )NP".into())
        );
        assert_eq!(one("(NN dog)"), ("dog".into(), "XX".into()));
    }

    #[test]
    fn trees_may_spread_over_lines() {
        let found =
            trees("\n(S\n  (NN a)\r\n (NN b))\n\n( (S (-NONE- *)))\n(S (NN c) (NN d))").unwrap();
        assert_eq!(
            found.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [2, 6, 7]
        );
        assert!(found[1].1.is_none());
        assert_eq!(found[2].1.as_ref().unwrap().source, "c d");
    }

    #[test]
    fn unbalanced_trees_name_their_line() {
        assert!(
            trees("(S (NN a))\n(S (NN b)\n")
                .unwrap_err()
                .contains("line 2: the tree that begins here")
        );
        assert!(
            trees("(S (NN a)))\n")
                .unwrap_err()
                .contains("line 1: a closing bracket")
        );
        assert!(
            trees("(S (NN a))\nno tree\n")
                .unwrap_err()
                .contains("line 2: text outside")
        );
    }

    #[test]
    fn depth_does_not_overflow_the_stack() {
        let deep = format!(
            "{}(NN x) (NN y){}",
            "(A ".repeat(200_000),
            ")".repeat(200_000)
        );
        assert_eq!(one(&deep).0, "x y");
    }

    #[test]
    fn blocks_end_between_trees() {
        assert_eq!(last_whole_tree(b"(S a)\n(S\n b)\n(S c"), Some(13));
        assert_eq!(last_whole_tree(b"(S\n a\n"), None);
        assert_eq!(last_whole_tree(b"(S a))\nx\n"), Some(9));
    }
}
