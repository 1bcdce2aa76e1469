//! Semantic textual similarity: the yearly sets, and the benchmark made from them.

use super::Folder;
use super::data::{Scored, TaskData};
use super::read::{LineEnds, TextEncoding, strip, words};
use crate::error::Result;

/// For each set `STS.input.SET.txt` with `sentence TAB sentence` and `STS.gs.SET.txt` with a score
/// from 0 to 5 or nothing, line by line; UTF-8. Pairs without a score are left out.
pub(super) fn load(folder: &Folder, sets: &[&'static str]) -> Result<TaskData> {
    let set = |name: &&'static str| -> Result<(&'static str, Scored)> {
        let read = |kind: &str| {
            folder.read(
                &format!("STS.{kind}.{name}.txt"),
                TextEncoding::Utf8,
                LineEnds::Unicode,
            )
        };
        let (inputs, scores) = (read("input")?, read("gs")?);
        inputs.same_length(&scores)?;
        let mut part = Scored::default();
        for (input, score) in inputs.iter().zip(scores.iter()) {
            if strip(score.text).is_empty() {
                continue;
            }
            let columns: Vec<&str> = input.text.split('\t').collect();
            let [first, second, ..] = columns[..] else {
                return Err(input.error("expected two sentences with a tab between them"));
            };
            part.push(words(first), words(second), score.score(score.text)?);
        }
        scores.not_empty(&part.scores)?;
        Ok((*name, part.sorted()))
    };
    Ok(TaskData::Similarity {
        sets: sets.iter().map(set).collect::<Result<_>>()?,
    })
}

/// `sts-{train,dev,test}.csv`: `genre, file, year, id, score, sentence, sentence` between tabs;
/// UTF-8.
pub(super) fn load_benchmark(folder: &Folder) -> Result<TaskData> {
    let part = |name: &str| -> Result<Scored> {
        let file = folder.read(name, TextEncoding::Utf8, LineEnds::Universal)?;
        let mut part = Scored::default();
        for line in file.iter() {
            let columns = line.columns(7)?;
            part.push(
                words(columns[5]),
                words(columns[6]),
                line.score(columns[4])?,
            );
        }
        file.not_empty(&part.scores)?;
        Ok(part.sorted())
    };
    Ok(TaskData::Relatedness {
        train: part("sts-train.csv")?,
        dev: part("sts-dev.csv")?,
        test: part("sts-test.csv")?,
    })
}
