//! Quora's duplicate questions with little training data: the paper's low-resource experiment.

use super::Folder;
use super::data::{Labelled, TaskData};
use super::read::{LineEnds, TextEncoding, words};
use crate::error::Result;
use crate::random::MersenneTwister;

/// Sizes of the training sets, besides all pairs.
const SIZES: [usize; 5] = [1_000, 5_000, 10_000, 25_000, 100_000];
/// Seed of the shuffle before subsets are taken.
const SEED: u32 = 1111;

/// `train.tsv`, `dev.tsv` and `test.tsv`: `question, question, label` between tabs, or, as the
/// usual split has it, `label, question, question, id`; UTF-8.
pub(super) fn load(folder: &Folder) -> Result<TaskData> {
    let part = |name: &str| -> Result<Labelled> {
        let file = folder.read(name, TextEncoding::Utf8, LineEnds::Universal)?;
        let mut part = Labelled::default();
        for line in file.iter() {
            let columns = line.columns(3)?;
            let (first, second, label) = match columns[..] {
                [label, first, second, _] => (first, second, label),
                [first, second, label] => (first, second, label),
                _ => {
                    return Err(
                        line.error(format!("expected 3 or 4 columns, found {}", columns.len()))
                    );
                }
            };
            part.push_pair(words(first), words(second), line.class(label, 2)?);
        }
        file.not_empty(&part.labels)?;
        Ok(part)
    };
    let train = part("train.tsv")?;
    let all = train.labels.len();
    let mut sizes: Vec<usize> = SIZES.into_iter().filter(|&size| size < all).collect();
    sizes.push(all);
    let mut shuffled = Labelled::default();
    for i in MersenneTwister::new(SEED).permutation(all) {
        let i = i as usize;
        let (first, second) = (train.sentences[i].clone(), train.partners[i].clone());
        shuffled.push_pair(first, second, train.labels[i]);
    }
    Ok(TaskData::LowResource {
        train: shuffled,
        valid: part("dev.tsv")?.sorted(),
        test: part("test.tsv")?.sorted(),
        sizes,
    })
}
