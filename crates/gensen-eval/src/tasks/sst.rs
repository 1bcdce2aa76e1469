//! The Stanford Sentiment Treebank, binary and fine-grained.

use super::Folder;
use super::data::{Labelled, PairFeatures, TaskData};
use super::read::{Encoding, Lines, strip, words};
use crate::error::Result;

/// `sentiment-{train,dev,test}`: `sentence TAB label` for two classes, `label BLANK sentence` for
/// five; UTF-8.
pub(super) fn load(folder: &Folder, classes: u32) -> Result<TaskData> {
    let part = |name: &str| -> Result<Labelled> {
        let file = folder.read(name, Encoding::Utf8, Lines::Universal)?;
        let mut part = Labelled::default();
        for line in file.iter() {
            let (sentence, label) = if classes == 2 {
                let columns = line.columns(2)?;
                (columns[0], columns[1])
            } else {
                let (label, sentence) = strip(line.text)
                    .split_once(' ')
                    .ok_or_else(|| line.error("expected a label, a blank and a sentence"))?;
                (sentence, label)
            };
            part.push(words(sentence), line.class(label, classes)?);
        }
        file.not_empty(&part.labels)?;
        Ok(part.sorted())
    };
    Ok(TaskData::Split {
        train: part("sentiment-train")?,
        valid: part("sentiment-dev")?,
        test: part("sentiment-test")?,
        classes,
        features: PairFeatures::Difference,
        regularised: true,
    })
}
