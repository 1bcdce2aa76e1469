//! The Microsoft Research Paraphrase Corpus.

use super::Folder;
use super::data::{Labelled, TaskData};
use super::read::{LineEnds, TextEncoding, words};
use crate::error::Result;

/// `msr_paraphrase_{train,test}.txt`: a header, then `label, id, id, sentence, sentence` between
/// tabs; UTF-8. Quotes are characters like any other. SentEval separates words only at blanks.
pub(super) fn load(folder: &Folder) -> Result<TaskData> {
    let part = |name: &str| -> Result<Labelled> {
        let file = folder.read(name, TextEncoding::Utf8, LineEnds::Universal)?;
        let mut part = Labelled::default();
        for row in file.table(5) {
            let (line, columns) = row?;
            let label = line.class(columns[0], 2)?;
            part.push_pair(words(columns[3]), words(columns[4]), label);
        }
        file.not_empty(&part.labels)?;
        Ok(part.sorted())
    };
    Ok(TaskData::CrossValidated {
        train: part("msr_paraphrase_train.txt")?,
        test: part("msr_paraphrase_test.txt")?,
        classes: ["different", "paraphrase"].map(String::from).to_vec(),
    })
}
