//! The tasks and their files, laid out as SentEval's scripts leave them.
//!
//! [`TASKS`] lists every task. A new task in a known layout is a new entry of the table; a new layout is a variant of
//! `Kind`, its reader and its names of files.

mod binary;
mod captions;
mod data;
mod kept;
mod mrpc;
mod probing;
mod quora;
mod read;
mod sick;
mod snli;
mod sst;
mod sts;
mod table;
mod trec;

use std::path::{Path, PathBuf};

pub use data::{Captions, Labelled, PairFeatures, Scored, TaskData};
pub use gensen_data::pooling::Pooling;
pub use kept::KeptTasks;
use read::{LineEnds, TextEncoding, TextFile};
use serde::{Deserialize, Serialize};
pub use table::{TASKS, select};

use crate::embedder::Identity;
use crate::error::{EvalError, Result};

/// The group a task belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Transfer tasks.
    Downstream,
    /// Probing tasks: properties of sentences that vectors hold.
    Probing,
    /// Little training data.
    LowResource,
}

/// A task of the table.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Its name, SentEval's.
    pub name: &'static str,
    /// Its group.
    pub suite: Suite,
    /// The pooling the reference found best for it.
    pub best_pooling: Pooling,
    folder: &'static str,
    files: &'static [&'static str],
    kind: Kind,
}

/// The layout of a task's files, each with a reader of its own; `binary`, `probing` and `sts` read those of any task.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Two files of sentences, those of class 1 first.
    Binary,
    /// The names of the classes.
    Sst(&'static [&'static str]),
    Trec,
    Mrpc,
    SickRelatedness,
    SickEntailment,
    Snli,
    /// The names of the sets, which are those of the files too.
    Sts(&'static [&'static str]),
    StsBenchmark,
    Captions,
    /// One file of `split TAB label TAB sentence`.
    Probing,
    Quora,
}

impl Task {
    /// How to get the task's files.
    pub fn how_to_fetch(&self) -> &'static str {
        match (self.suite, self.kind) {
            (_, Kind::Captions) => "image features come from elsewhere, see docs/evaluation.md",
            (Suite::Probing, _) => "cargo xtask fetch-data probing",
            (Suite::LowResource, _) => "no public copy, see docs/evaluation.md",
            (Suite::Downstream, _) => "cargo xtask fetch-data senteval",
        }
    }

    /// Whether it classifies single sentences.
    pub fn has_classes(&self) -> bool {
        matches!(
            self.kind,
            Kind::Binary | Kind::Sst(_) | Kind::Trec | Kind::Probing
        )
    }

    /// The folder of the task's files below `root`, if any of them exists.
    pub fn folder(&self, root: &Path) -> Option<PathBuf> {
        self.bases(root).find(|folder| {
            let mut names = self.file_names().into_iter();
            names.any(|name| folder.join(name).is_file())
        })
    }

    /// The paths where [`Self::load`] looks for the task's files if `root` is SentEval's `downstream` folder,
    /// existing or not.
    pub fn paths(&self, root: &Path) -> Vec<PathBuf> {
        let folder = root.join(self.folder);
        let names = self.file_names().into_iter();
        names.map(|name| folder.join(name)).collect()
    }

    fn bases(&self, root: &Path) -> impl Iterator<Item = PathBuf> {
        [root.join("downstream"), root.to_owned()]
            .map(|base| base.join(self.folder))
            .into_iter()
    }

    /// Reads the task's files below `root`, SentEval's data folder or its `downstream` folder; `None` if none of them
    /// exists.
    ///
    /// # Errors
    ///
    /// [`EvalError::File`] if only some of the files exist; [`EvalError::Line`], [`EvalError::UnequalLines`] and
    /// [`EvalError::File`] if they are malformed.
    pub fn load(&self, root: &Path) -> Result<Option<TaskData>> {
        let Some(folder) = self.find(root)? else {
            return Ok(None);
        };
        let file = |i: usize| self.files[i];
        match self.kind {
            Kind::Binary => binary::load(&folder, file(0), file(1)),
            Kind::Sst(classes) => sst::load(&folder, classes),
            Kind::Trec => trec::load(&folder),
            Kind::Mrpc => mrpc::load(&folder),
            Kind::SickRelatedness => sick::load_relatedness(&folder),
            Kind::SickEntailment => sick::load_entailment(&folder),
            Kind::Snli => snli::load(&folder),
            Kind::Sts(sets) => sts::load(&folder, sets),
            Kind::StsBenchmark => sts::load_benchmark(&folder),
            Kind::Captions => captions::load(&folder),
            Kind::Probing => probing::load(&folder, file(0)),
            Kind::Quora => quora::load(&folder),
        }
        .map(Some)
    }

    /// SHA-256 over the names and contents of the task's files, in hexadecimal; `None` if the task
    /// has no files below `root`.
    ///
    /// # Errors
    ///
    /// As [`Self::load`] for missing files; [`EvalError::Io`].
    pub fn data_hash(&self, root: &Path) -> Result<Option<String>> {
        let Some(folder) = self.find(root)? else {
            return Ok(None);
        };
        let mut identity = Identity::default();
        for name in self.file_names() {
            identity.add(name.as_bytes());
            identity.add_file(&folder.path(&name))?;
        }
        Ok(Some(identity.finish()))
    }

    fn file_names(&self) -> Vec<String> {
        match self.kind {
            Kind::Sts(sets) => sets
                .iter()
                .flat_map(|set| ["input", "gs"].map(|kind| format!("STS.{kind}.{set}.txt")))
                .collect(),
            _ => self.files.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn find(&self, root: &Path) -> Result<Option<Folder>> {
        let Some(folder) = self.folder(root).map(Folder) else {
            return Ok(None);
        };
        let mut paths = self.file_names().into_iter().map(|name| folder.path(&name));
        if let Some(path) = paths.find(|path| !path.is_file()) {
            let problem = format!(
                "{} needs this file, which is missing ({})",
                self.name,
                self.how_to_fetch()
            );
            return Err(EvalError::File { path, problem });
        }
        Ok(Some(folder))
    }
}

/// The folder of a task's files.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str, encoding: TextEncoding, lines: LineEnds) -> Result<TextFile> {
        TextFile::read(self.path(name), encoding, lines)
    }
}
