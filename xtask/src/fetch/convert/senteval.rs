//! SentEval's transfer tasks, with the layout and tokenisation its loaders expect.

use super::Workplace;
use super::table::FieldColumns;
use super::text::TextOutput;
use super::words::{Words, convert};
use crate::fetch::error::{FetchError, Result};
use gensen_data::{LABELS, parse_label};

/// The tokeniser of SentEval's sentence similarity tasks.
const MOSES: &str = "moses+no-escape";

/// One sentence per line, with bytes as `cat -v` prints them, tokenised by the Penn Treebank's rules.
pub fn sentences(work: &Workplace<'_>, from: &str, to: &str) -> Result<()> {
    let words = Words::new("ptb", "en", false)?;
    let mut texts = work.text(from)?;
    let mut output = TextOutput::create(&work.output(to)?)?;
    let mut scratch = Default::default();
    while let Some(line) = texts.next_raw()? {
        output.line(&words.apply(&visible(line), &mut scratch))?;
    }
    work.note_repairs(&texts);
    output.finish()
}

/// Bytes outside printable ASCII as `M-x` and `^x`, so that the result is ASCII.
fn visible(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for &byte in line {
        let low = byte & 0x7f;
        if byte >= 0x80 {
            text.push_str("M-");
        }
        match low {
            b'\t' if byte < 0x80 => text.push('\t'),
            0x7f => text.push_str("^?"),
            0..0x20 => {
                text.push('^');
                text.push(char::from(low + 0x40));
            }
            _ => text.push(char::from(low)),
        }
    }
    text
}

/// Raw questions, Latin-1, without the quotes that SentEval removes. A carriage return inside a line becomes a blank, since
/// SentEval's reader would end the line there.
pub fn trec(work: &Workplace<'_>, from: &str, to: &str) -> Result<()> {
    let mut texts = work.text(from)?;
    let mut output = TextOutput::create(&work.output(to)?)?;
    while let Some(line) = texts.next_raw()? {
        let line: Vec<u8> = line
            .iter()
            .copied()
            .filter(|byte| !b"`'".contains(byte))
            .map(|byte| if byte == b'\r' { b' ' } else { byte })
            .collect();
        let has_class = ["ABBR:", "DESC:", "ENTY:", "HUM:", "LOC:", "NUM:"]
            .iter()
            .any(|class| line.starts_with(class.as_bytes()));
        if !has_class || !line.trim_ascii().contains(&b' ') {
            return Err(
                texts.wrong("expected 'CLASS:subclass question' with one of TREC's six classes")
            );
        }
        output.raw_line(&line)?;
    }
    work.note_repairs(&texts);
    output.finish()
}

/// `pair_ID sentence_A sentence_B relatedness_score entailment_judgment` with its header line,
/// both sentences tokenised.
pub fn sick(work: &Workplace<'_>, from: &str, to: &str) -> Result<()> {
    let words = Words::new(MOSES, "en", false)?;
    let mut texts = work.text(from)?;
    const NAMES: [&str; 5] = [
        "pair_ID",
        "sentence_A",
        "sentence_B",
        "relatedness_score",
        "entailment_judgment",
    ];
    let columns = FieldColumns::named(&mut texts, NAMES)?;
    let mut output = TextOutput::create(&work.output(to)?)?;
    output.line(&NAMES.join("\t"))?;
    convert(&mut texts, &mut output, |line, scratch| {
        let [id, a, b, score, label] = columns
            .of(line.text)
            .map_err(|problem| line.wrong(problem))?;
        let score = rated(score).map_err(|problem| line.wrong(problem))?;
        let label = parse_label(label).ok().flatten().ok_or_else(|| {
            line.wrong(format!(
                "label '{label}', expected ENTAILMENT, NEUTRAL or CONTRADICTION"
            ))
        })?;
        let label = LABELS[usize::from(label)].to_ascii_uppercase();
        let (a, b) = (words.apply(a, scratch), words.apply(b, scratch));
        Ok(format!("{id}\t{a}\t{b}\t{score}\t{label}"))
    })?;
    work.note_repairs(&texts);
    output.finish()
}

/// A gold score, a number from 0 to 5, without blanks around it.
fn rated(score: &str) -> Result<&str, String> {
    match score.trim().parse::<f64>() {
        Ok(number) if (0.0..=5.0).contains(&number) => Ok(score.trim()),
        _ => Err(format!("score '{score}', expected a number from 0 to 5")),
    }
}

/// A gold score, or nothing where a pair was not rated.
fn rated_or_not(score: &str) -> Result<&str, String> {
    match score.trim() {
        "" => Ok(""),
        score => rated(score),
    }
}

/// `STS.input.NAME.txt` tokenised, `STS.gs.NAME.txt` unchanged: an empty line for unrated pairs.
pub fn sts(work: &Workplace<'_>, input: &str, gold: &str, name: &str, to: &str) -> Result<()> {
    let words = Words::new(MOSES, "en", true)?;
    let mut pairs = work.text(input)?;
    let mut output = TextOutput::create(&work.output(&format!("{to}/STS.input.{name}.txt"))?)?;
    convert(&mut pairs, &mut output, |line, scratch| {
        let [a, b] = FieldColumns::first()
            .of(line.text)
            .map_err(|problem| line.wrong(problem))?;
        Ok(format!(
            "{}\t{}",
            words.apply(a, scratch),
            words.apply(b, scratch)
        ))
    })?;
    let mut texts = work.text(gold)?;
    let mut scores = TextOutput::create(&work.output(&format!("{to}/STS.gs.{name}.txt"))?)?;
    let mut score = String::new();
    while texts.next(&mut score)? {
        scores.line(rated_or_not(&score).map_err(|problem| texts.wrong(problem))?)?;
    }
    if scores.lines() != output.lines() {
        return Err(FetchError::Input {
            path: work.input(gold)?,
            problem: format!(
                "it has {} scores for {} pairs",
                scores.lines(),
                output.lines()
            ),
        });
    }
    work.note_repairs(&pairs);
    output.finish()?;
    scores.finish()
}

/// The same from one table `score TAB sentence TAB sentence`.
pub fn sts_table(work: &Workplace<'_>, from: &str, name: &str, to: &str) -> Result<()> {
    let words = Words::new(MOSES, "en", true)?;
    let mut texts = work.text(from)?;
    let mut output = TextOutput::create(&work.output(&format!("{to}/STS.input.{name}.txt"))?)?;
    let mut scores = TextOutput::create(&work.output(&format!("{to}/STS.gs.{name}.txt"))?)?;
    let (mut row, mut scratch) = (String::new(), Default::default());
    while texts.next(&mut row)? {
        let [score, a, b] = FieldColumns::first()
            .of(&row)
            .map_err(|problem| texts.wrong(problem))?;
        let score = rated_or_not(score).map_err(|problem| texts.wrong(problem))?;
        let (a, b) = (words.apply(a, &mut scratch), words.apply(b, &mut scratch));
        output.line(&format!("{a}\t{b}"))?;
        scores.line(score)?;
    }
    work.note_repairs(&texts);
    output.finish()?;
    scores.finish()
}

/// `genre file year id score sentence sentence`; further columns are dropped.
pub fn sts_benchmark(work: &Workplace<'_>, from: &str, to: &str) -> Result<()> {
    let words = Words::new(MOSES, "en", true)?;
    let mut texts = work.text(from)?;
    let mut output = TextOutput::create(&work.output(to)?)?;
    convert(&mut texts, &mut output, |line, scratch| {
        let [genre, file, year, id, score, a, b] = FieldColumns::first()
            .of(line.text)
            .map_err(|problem| line.wrong(problem))?;
        let score = rated(score).map_err(|problem| line.wrong(problem))?;
        let (a, b) = (words.apply(a, scratch), words.apply(b, scratch));
        Ok(format!("{genre}\t{file}\t{year}\t{id}\t{score}\t{a}\t{b}"))
    })?;
    work.note_repairs(&texts);
    output.finish()
}

/// The same table from `sentence,sentence,score`, where fields may be quoted. The missing columns (genre, file, year) are
/// `unknown`; the row's number is its id.
pub fn sts_benchmark_csv(work: &Workplace<'_>, from: &str, to: &str) -> Result<()> {
    let words = Words::new(MOSES, "en", true)?;
    let mut texts = work.text(from)?;
    let mut output = TextOutput::create(&work.output(to)?)?;
    convert(&mut texts, &mut output, |line, scratch| {
        let row = comma_separated(line.text).ok_or_else(|| line.wrong("a quote is not closed"))?;
        let [a, b, score] = row.as_slice() else {
            return Err(line.wrong(format!(
                "expected two sentences and a score, found {} fields",
                row.len()
            )));
        };
        let score = rated(score).map_err(|problem| line.wrong(problem))?;
        let (a, b) = (words.apply(a, scratch), words.apply(b, scratch));
        Ok(format!(
            "unknown\tunknown\tunknown\t{}\t{score}\t{a}\t{b}",
            line.number()
        ))
    })?;
    work.note_repairs(&texts);
    output.finish()
}

/// Splits at commas outside quotes (RFC 4180, one line a record).
fn comma_separated(line: &str) -> Option<Vec<String>> {
    let mut row = vec![String::new()];
    let mut characters = line.chars().peekable();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        let field = row.last_mut()?;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => row.push(String::new()),
            other => field.push(other),
        }
    }
    (!quoted).then_some(row)
}

/// Whether SentEval's loader of SNLI ends a line at this character: it reads Latin-1 and splits with Python's
/// `str.splitlines`, so that byte 0x85 is a line end even inside a UTF-8 character.
fn ends_line_in_latin_1(character: char) -> bool {
    matches!(character, '\x0b' | '\x0c' | '\x1c'..='\x1e')
        || character
            .encode_utf8(&mut [0; 4])
            .bytes()
            .any(|byte| byte == 0x85)
}

/// `s1.SPLIT` and `s2.SPLIT` tokenised by the Penn Treebank's rules, and `labels.SPLIT`; rows without a label are dropped.
pub fn snli(work: &Workplace<'_>, from: &str, split: &str, to: &str) -> Result<()> {
    let words = Words::new("ptb", "en", false)?;
    let mut texts = work.text(from)?;
    let columns = FieldColumns::named(&mut texts, ["gold_label", "sentence1", "sentence2"])?;
    let open = |kind: &str| TextOutput::create(&work.output(&format!("{to}/{kind}.{split}"))?);
    let (mut labels, mut first, mut second) = (open("labels")?, open("s1")?, open("s2")?);
    let (mut row, mut scratch) = (String::new(), Default::default());
    let mut blanked = 0;
    while texts.next(&mut row)? {
        let [label, a, b] = columns.of(&row).map_err(|problem| texts.wrong(problem))?;
        let Some(label) = parse_label(label).map_err(|fault| texts.wrong(fault.to_string()))?
        else {
            continue;
        };
        labels.line(LABELS[usize::from(label)])?;
        for (output, sentence) in [(&mut first, a), (&mut second, b)] {
            let mut sentence = words.apply(sentence, &mut scratch);
            if sentence.contains(ends_line_in_latin_1) {
                sentence = sentence.replace(ends_line_in_latin_1, " ");
                blanked += 1;
            }
            output.line(&sentence)?;
        }
    }
    if blanked > 0 {
        work.note(format!(
            "{from}: {blanked} sentences contained characters that SentEval treats as line ends; replaced by blanks"
        ));
    }
    work.note_repairs(&texts);
    labels.finish()?;
    first.finish()?;
    second.finish()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn bytes_are_made_visible_as_cat_does() {
        // printf 'a\tb\001\177\351\200\377\211\n' | cat -v
        assert_eq!(
            visible(b"a\tb\x01\x7f\xe9\x80\xff\x89"),
            "a\tb^A^?M-iM-^@M-^?M-^I"
        );
    }

    #[test]
    fn quotes_enclose_commas() {
        let row = |line| comma_separated(line).unwrap();
        assert_eq!(row("a,b,1.0"), ["a", "b", "1.0"]);
        assert_eq!(
            row("\"a, \"\"b\"\"\",c \"d\",2"),
            ["a, \"b\"", "c \"d\"", "2"]
        );
        assert_eq!(comma_separated("\"a,b"), None);
    }
}
