//! SNLI: natural language inference between an image's caption and another sentence.

use super::Folder;
use super::data::{Labelled, PairFeatures, TaskData};
use super::read::{LineEnds, TextEncoding, words};
use crate::error::Result;

/// The classes in SentEval's order.
const CLASSES: [&str; 3] = ["entailment", "neutral", "contradiction"];

/// `s1.SPLIT`, `s2.SPLIT` and `labels.SPLIT` for `train`, `dev` and `test`, line by line. The
/// sentences are read as Latin-1, as SentEval does.
pub(super) fn load(folder: &Folder) -> Result<TaskData> {
    let part = |split: &str| -> Result<Labelled> {
        let sentences = |side: &str| {
            folder.read(
                &format!("{side}.{split}"),
                TextEncoding::Latin1,
                LineEnds::Unicode,
            )
        };
        let (first, second) = (sentences("s1")?, sentences("s2")?);
        let labels = folder.read(
            &format!("labels.{split}"),
            TextEncoding::Utf8,
            LineEnds::Unicode,
        )?;
        labels.same_length(&first)?;
        labels.same_length(&second)?;
        let mut part = Labelled::default();
        for (label, (first, second)) in labels.iter().zip(first.lines.iter().zip(&second.lines)) {
            let class = label.named_class(label.text, &CLASSES)?;
            part.push_pair(words(first), words(second), class);
        }
        labels.not_empty(&part.labels)?;
        Ok(part.sorted_by_partner())
    };
    Ok(TaskData::Split {
        train: part("train")?,
        valid: part("dev")?,
        test: part("test")?,
        classes: CLASSES.map(String::from).to_vec(),
        features: PairFeatures::Inference,
        regularised: false,
    })
}
