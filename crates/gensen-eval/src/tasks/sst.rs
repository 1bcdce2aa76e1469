//! The Stanford Sentiment Treebank, binary and fine-grained.

use super::Folder;
use super::data::{Labelled, PairFeatures, TaskData};
use super::read::{LineEnds, TextEncoding, strip, words};
use crate::error::Result;

/// The classes of the two treebanks, in the order of their numbers.
pub(super) const BINARY: &[&str] = &["negative", "positive"];
pub(super) const FINE: &[&str] = &[
    "very negative",
    "negative",
    "neutral",
    "positive",
    "very positive",
];

/// `sentiment-{train,dev,test}`: `sentence TAB label` for two classes, `label BLANK sentence` for
/// five; UTF-8.
pub(super) fn load(folder: &Folder, classes: &[&str]) -> Result<TaskData> {
    let part = |name: &str| -> Result<Labelled> {
        let file = folder.read(name, TextEncoding::Utf8, LineEnds::Universal)?;
        let mut part = Labelled::default();
        for line in file.iter() {
            let (sentence, label) = if classes.len() == 2 {
                let columns = line.columns(2)?;
                (columns[0], columns[1])
            } else {
                let (label, sentence) = strip(line.text)
                    .split_once(' ')
                    .ok_or_else(|| line.error("expected a label, a blank and a sentence"))?;
                (sentence, label)
            };
            part.push(words(sentence), line.class(label, classes.len() as u32)?);
        }
        file.not_empty(&part.labels)?;
        Ok(part.sorted())
    };
    Ok(TaskData::Split {
        train: part("sentiment-train")?,
        valid: part("sentiment-dev")?,
        test: part("sentiment-test")?,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        features: PairFeatures::Difference,
        regularised: true,
    })
}
