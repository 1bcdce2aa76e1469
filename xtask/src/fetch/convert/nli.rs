//! SNLI and MultiNLI: tables with a header line that names the columns.

use super::Workplace;
use super::table::FieldColumns;
use super::text::TextOutput;
use super::words::{Words, filter};
use crate::fetch::error::Result;
use gensen_data::{LABELS, check_tree, parse_label};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// `premise TAB hypothesis TAB label`, tokenised; rows without a label are dropped.
pub fn pairs(
    work: &Workplace<'_>,
    from: &str,
    to: &str,
    tokenizer: &str,
    lowercase: bool,
) -> Result<()> {
    let words = Words::new(tokenizer, "en", lowercase)?;
    let mut texts = work.text(from)?;
    let columns = FieldColumns::named(&mut texts, ["gold_label", "sentence1", "sentence2"])?;
    let mut output = TextOutput::create(&work.output(to)?)?;
    filter(&mut texts, &mut output, |line, scratch| {
        let [label, premise, hypothesis] = columns
            .of(line.text)
            .map_err(|problem| line.wrong(problem))?;
        let label = parse_label(label).map_err(|fault| line.wrong(fault.to_string()))?;
        Ok(label.map(|label| {
            format!(
                "{}\t{}\t{}",
                words.apply(premise, scratch),
                words.apply(hypothesis, scratch),
                LABELS[usize::from(label)]
            )
        }))
    })?;
    let left_out = texts.number().saturating_sub(1 + output.lines());
    if left_out > 0 {
        work.note(format!("{from}: {left_out} rows without a label left out"));
    }
    work.note_repairs(&texts);
    output.finish()
}

/// The distinct parse trees of both sentences, one per line, in order of first appearance.
pub fn parses(work: &Workplace<'_>, from: &[String], to: &str) -> Result<()> {
    let mut output = TextOutput::create(&work.output(to)?)?;
    let mut seen = HashSet::new();
    for name in from {
        let mut texts = work.text(name)?;
        let columns = FieldColumns::named(&mut texts, ["sentence1_parse", "sentence2_parse"])?;
        let (mut row, mut missing) = (String::new(), 0);
        while texts.next(&mut row)? {
            let trees = columns.of(&row).map_err(|problem| texts.wrong(problem))?;
            for tree in trees.map(str::trim) {
                if !check_tree(tree).unwrap_or(false) {
                    missing += 1;
                    continue;
                }
                // A 64-bit hash collides among a few million trees with probability 1e-6.
                let mut hasher = DefaultHasher::new();
                tree.hash(&mut hasher);
                if seen.insert(hasher.finish()) {
                    output.line(tree)?;
                }
            }
        }
        if missing > 0 {
            work.note(format!(
                "{name}: {missing} sentences without a whole parse left out"
            ));
        }
        work.note_repairs(&texts);
    }
    output.finish()
}
