//! SNLI and MultiNLI: tables with a header line that names the columns.

use super::Workplace;
use super::text::{Output, Texts, Words, filter};
use crate::fetch::error::Result;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Reads the header line and finds columns by name.
pub fn header<const N: usize>(texts: &mut Texts, names: [&str; N]) -> Result<[usize; N]> {
    let mut line = String::new();
    texts.next(&mut line)?;
    let mut columns = [0; N];
    for (column, name) in columns.iter_mut().zip(names) {
        *column = line
            .split('\t')
            .position(|field| field == name)
            .ok_or_else(|| texts.wrong(format!("the header line names no column '{name}'")))?;
    }
    Ok(columns)
}

/// The fields at these columns, if the row has them.
pub fn fields<'a, const N: usize>(row: &'a str, columns: &[usize; N]) -> Option<[&'a str; N]> {
    let mut found = [""; N];
    for (field, &column) in found.iter_mut().zip(columns) {
        *field = row.split('\t').nth(column)?;
    }
    Some(found)
}

/// `premise TAB hypothesis TAB label`, in words; rows without a label are left out.
pub fn pairs(
    work: &Workplace<'_>,
    from: &str,
    to: &str,
    tokenizer: &str,
    lowercase: bool,
) -> Result<()> {
    let words = Words::new(tokenizer, "en", lowercase)?;
    let mut texts = work.text(from)?;
    let columns = header(&mut texts, ["gold_label", "sentence1", "sentence2"])?;
    let mut output = Output::create(&work.output(to)?)?;
    filter(&mut texts, &mut output, |line, scratch| {
        let [label, premise, hypothesis] = fields(line.text, &columns)
            .ok_or_else(|| line.wrong("the row has fewer columns than the header line"))?;
        match label {
            "-" => Ok(None),
            "entailment" | "neutral" | "contradiction" => Ok(Some(format!(
                "{}\t{}\t{label}",
                words.apply(premise, scratch),
                words.apply(hypothesis, scratch)
            ))),
            other => Err(line.wrong(format!(
                "'{other}' is no label; expected entailment, neutral, contradiction or -"
            ))),
        }
    })?;
    let left_out = texts.number().saturating_sub(1 + output.lines());
    if left_out > 0 {
        work.note(format!("{from}: {left_out} rows without a label left out"));
    }
    work.note_repairs(&texts);
    output.finish()
}

/// The distinct parse trees of both sentences, one a line, in the order they first appear.
pub fn parses(work: &Workplace<'_>, from: &[String], to: &str) -> Result<()> {
    let mut output = Output::create(&work.output(to)?)?;
    let mut seen = HashSet::new();
    for name in from {
        let mut texts = work.text(name)?;
        let columns = header(&mut texts, ["sentence1_parse", "sentence2_parse"])?;
        let (mut row, mut missing) = (String::new(), 0);
        while texts.next(&mut row)? {
            let trees = fields(&row, &columns)
                .ok_or_else(|| texts.wrong("the row has fewer columns than the header line"))?;
            for tree in trees.map(str::trim) {
                if !tree.starts_with('(') || !tree.ends_with(')') {
                    missing += 1;
                    continue;
                }
                // Two among a few million trees share a 64-bit hash once in a million corpora.
                let mut hasher = DefaultHasher::new();
                tree.hash(&mut hasher);
                if seen.insert(hasher.finish()) {
                    output.line(tree)?;
                }
            }
        }
        if missing > 0 {
            work.note(format!(
                "{name}: {missing} sentences without a parse left out"
            ));
        }
        work.note_repairs(&texts);
    }
    output.finish()
}
