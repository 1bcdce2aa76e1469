//! SICK: relatedness and entailment of the same pairs.

use super::Folder;
use super::data::{Labelled, PairFeatures, Scored, TaskData};
use super::read::{Line, LineEnds, TextEncoding, TextFile, words};
use crate::error::Result;

const FILES: [&str; 3] = [
    "SICK_train.txt",
    "SICK_trial.txt",
    "SICK_test_annotated.txt",
];
const CLASSES: [&str; 3] = ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"];

fn read(folder: &Folder, name: &str) -> Result<TextFile> {
    folder.read(name, TextEncoding::Utf8, LineEnds::Universal)
}

/// The two sentences of each row, its score and its label.
fn pairs(file: &TextFile) -> impl Iterator<Item = Result<(Line<'_>, [String; 2], [&str; 2])>> {
    file.table(5).map(|row| {
        let (line, columns) = row?;
        let sentences = [words(columns[1]), words(columns[2])];
        Ok((line, sentences, [columns[3], columns[4]]))
    })
}

/// `SICK_{train,trial,test_annotated}.txt`: a header, then `id, sentence, sentence, score, label`
/// between tabs; UTF-8.
pub(super) fn load_relatedness(folder: &Folder) -> Result<TaskData> {
    let part = |name: &str| -> Result<Scored> {
        let file = read(folder, name)?;
        let mut part = Scored::default();
        for row in pairs(&file) {
            let (line, [first, second], [score, _]) = row?;
            part.push(first, second, line.score(score)?);
        }
        file.not_empty(&part.scores)?;
        Ok(part.sorted())
    };
    let [train, dev, test] = FILES;
    Ok(TaskData::Relatedness {
        train: part(train)?,
        dev: part(dev)?,
        test: part(test)?,
    })
}

/// The same files, their labels instead of their scores.
pub(super) fn load_entailment(folder: &Folder) -> Result<TaskData> {
    let part = |name: &str| -> Result<Labelled> {
        let file = read(folder, name)?;
        let mut part = Labelled::default();
        for row in pairs(&file) {
            let (line, [first, second], [_, label]) = row?;
            part.push_pair(first, second, line.named_class(label, &CLASSES)?);
        }
        file.not_empty(&part.labels)?;
        Ok(part.sorted())
    };
    let [train, valid, test] = FILES;
    Ok(TaskData::Split {
        train: part(train)?,
        valid: part(valid)?,
        test: part(test)?,
        classes: CLASSES.map(String::from).to_vec(),
        features: PairFeatures::Difference,
        regularised: true,
    })
}
