//! MR, CR, SUBJ and MPQA: a file of sentences for each of two classes.

use super::Folder;
use super::data::{Labelled, TaskData};
use super::read::{LineEnds, TextEncoding, words};
use crate::error::Result;

/// `positive` holds the sentences of class 1, `negative` those of class 0; Latin-1, one sentence per line.
pub(super) fn load(folder: &Folder, positive: &str, negative: &str) -> Result<TaskData> {
    // SentEval names a file's class by its extension.
    let class = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut data = Labelled::default();
    for (name, label) in [(positive, 1), (negative, 0)] {
        let file = folder.read(name, TextEncoding::Latin1, LineEnds::Unicode)?;
        file.not_empty(&file.lines)?;
        file.lines
            .iter()
            .for_each(|line| data.push(words(line), label));
    }
    Ok(TaskData::Nested {
        data: data.sorted(),
        classes: vec![class(negative), class(positive)],
    })
}
