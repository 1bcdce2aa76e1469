//! Probing tasks: properties of a sentence that its vector still holds (Conneau et al. 2018).

use std::collections::BTreeSet;

use super::Folder;
use super::data::{Labelled, PairFeatures, TaskData};
use super::read::{LineEnds, TextEncoding, words};
use crate::error::Result;

/// One file of `split, label, sentence` between tabs, splits `tr`, `va` and `te`; UTF-8. Classes
/// are the training labels in the order of their code points.
pub(super) fn load(folder: &Folder, name: &str) -> Result<TaskData> {
    let file = folder.read(name, TextEncoding::Utf8, LineEnds::Universal)?;
    let mut names = BTreeSet::new();
    for line in file.iter() {
        let columns = line.columns(3)?;
        if columns[0] == "tr" {
            names.insert(columns[1]);
        }
    }
    let names: Vec<&str> = names.into_iter().collect();
    let mut parts: [Labelled; 3] = Default::default();
    for line in file.iter() {
        let columns = line.columns(3)?;
        let part = line.named_class(columns[0], &["tr", "va", "te"])?;
        let label = names.binary_search(&columns[1]).map_err(|_| {
            line.error(format!(
                "label {:?} does not occur in the training data",
                columns[1]
            ))
        })?;
        let sentence = columns[columns.len() - 1];
        parts[part as usize].push(words(sentence), label as u32);
    }
    for part in &parts {
        file.not_empty(&part.labels)?;
    }
    let [train, valid, test] = parts.map(Labelled::sorted);
    Ok(TaskData::Split {
        train,
        valid,
        test,
        classes: names.into_iter().map(String::from).collect(),
        features: PairFeatures::Difference,
        regularised: true,
    })
}
