//! The vocabularies and labels of a run, in its folder: word or label k belongs to row k of the
//! weights.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gensen_data::prepare::{PreparedData, PreparedTask};
use gensen_data::scratch;
use gensen_data::vocabulary::Vocabulary;

use crate::error::TrainError;

/// The subfolder of a run's folder.
const FOLDER: &str = "vocab";

/// The source vocabulary's file.
pub(crate) fn source(run: &Path) -> PathBuf {
    run.join(FOLDER).join("source.txt")
}

/// The vocabularies with their files: the source's, and that of each task with target words.
fn files(data: &PreparedData, run: &Path) -> Vec<(PathBuf, Arc<Vocabulary>)> {
    let mut files = vec![(source(run), Arc::clone(&data.source_vocabulary))];
    for task in &data.tasks {
        if let Some(vocabulary) = task.target_vocabularies.first() {
            let path = run.join(FOLDER).join(format!("target.{}.txt", task.name));
            files.push((path, Arc::clone(vocabulary)));
        }
    }
    files
}

/// The labels of each classification task, one a line in order, with their file.
fn labels(data: &PreparedData, run: &Path) -> Vec<(PathBuf, String)> {
    let tasks = data.tasks.iter().filter(|task| !task.labels.is_empty());
    let file = |task: &PreparedTask| {
        let path = run.join(FOLDER).join(format!("labels.{}.txt", task.name));
        (path, task.labels.join("\n") + "\n")
    };
    tasks.map(file).collect()
}

/// Writes the vocabularies and labels of a run.
pub(crate) fn write(data: &PreparedData, run: &Path) -> Result<(), TrainError> {
    let folder = run.join(FOLDER);
    fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
    for (path, vocabulary) in files(data, run) {
        vocabulary.save(path)?;
    }
    for (path, text) in labels(data, run) {
        scratch::write_file(&path, |file| file.write_all(text.as_bytes()))
            .map_err(TrainError::io(&path))?;
    }
    Ok(())
}

/// Refuses data whose words or labels differ from those that a run was trained with. Missing files
/// are ignored.
pub(crate) fn check(data: &PreparedData, run: &Path) -> Result<(), TrainError> {
    for (path, now) in labels(data, run) {
        if path.exists() && fs::read_to_string(&path).map_err(TrainError::io(&path))? != now {
            return Err(TrainError::Resume {
                folder: run.into(),
                problem: format!(
                    "the data has changed: its labels differ from those in {}",
                    path.display()
                ),
            });
        }
    }
    for (path, now) in files(data, run) {
        if !path.exists() {
            continue;
        }
        let before = Vocabulary::load(&path)?;
        if before == *now {
            continue;
        }
        let differ = |(_, (before, now)): &(usize, (&str, &str))| before != now;
        let pairs = before.words().zip(now.words());
        let what = match pairs.enumerate().find(differ) {
            Some((k, (before, now))) => format!("word {k} is now `{now}`, and was `{before}`"),
            None => format!(
                "there are now {} words, and were {}",
                now.len(),
                before.len()
            ),
        };
        return Err(TrainError::Resume {
            folder: run.into(),
            problem: format!("the data has changed: in {} {what}", path.display()),
        });
    }
    Ok(())
}
