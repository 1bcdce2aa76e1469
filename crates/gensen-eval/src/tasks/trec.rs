//! TREC: the type of answer that a question asks for.

use super::Folder;
use super::data::{Labelled, TaskData};
use super::read::{LineEnds, TextEncoding, strip, words};
use crate::error::Result;

const CLASSES: [&str; 6] = ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"];

/// `train_5500.label` and `TREC_10.label`: `CLASS:subclass question`; Latin-1.
pub(super) fn load(folder: &Folder) -> Result<TaskData> {
    let part = |name: &str| -> Result<Labelled> {
        let file = folder.read(name, TextEncoding::Latin1, LineEnds::Universal)?;
        let mut part = Labelled::default();
        for line in file.iter() {
            let (class, question) = strip(line.text)
                .split_once(':')
                .and_then(|(class, rest)| Some((class, rest.split_once(' ')?.1)))
                .ok_or_else(|| line.error("expected CLASS:subclass, a blank and a question"))?;
            part.push(words(question), line.named_class(class, &CLASSES)?);
        }
        file.not_empty(&part.labels)?;
        Ok(part.sorted())
    };
    Ok(TaskData::CrossValidated {
        train: part("train_5500.label")?,
        test: part("TREC_10.label")?,
        classes: CLASSES.map(String::from).to_vec(),
    })
}
