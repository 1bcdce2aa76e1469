//! The tasks and their files, laid out as SentEval's scripts leave them.
//!
//! [`TASKS`] lists every task; a new one of a known family is one more entry.

mod binary;
mod captions;
mod data;
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
use read::{Encoding, Lines, TextFile};
use serde::{Deserialize, Serialize};
pub use table::{TASKS, select};

use crate::embedder::Identity;
use crate::error::{EvalError, Result};

/// Which part of an evaluation a task belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Transfer to other tasks.
    Downstream,
    /// What the vectors hold.
    Probing,
    /// Little training data.
    LowResource,
}

/// A task of the table.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Its name, SentEval's.
    pub name: &'static str,
    /// The part of an evaluation it belongs to.
    pub suite: Suite,
    /// The pooling the reference found best for it.
    pub best_pooling: Pooling,
    folder: &'static str,
    files: &'static [&'static str],
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Binary,
    Sst(&'static [&'static str]),
    Trec,
    Mrpc,
    SickRelatedness,
    SickEntailment,
    Snli,
    Sts(&'static [&'static str]),
    StsBenchmark,
    Captions,
    Probing,
    Quora,
}

impl Task {
    /// How to come by the task's files.
    pub fn how_to_fetch(&self) -> &'static str {
        match (self.suite, self.kind) {
            (_, Kind::Captions) => "image features come from elsewhere, see docs/evaluation.md",
            (Suite::Probing, _) => "cargo xtask fetch-data probing",
            (Suite::LowResource, _) => "no public copy, see docs/evaluation.md",
            (Suite::Downstream, _) => "cargo xtask fetch-data senteval",
        }
    }

    /// The folder of the task's files below `root`, if any of them is there.
    pub fn folder(&self, root: &Path) -> Option<PathBuf> {
        self.bases(root).find(|folder| {
            let mut names = self.file_names().into_iter();
            names.any(|name| folder.join(name).is_file())
        })
    }

    /// Where [`Self::load`] looks for the task's files if `root` is SentEval's `downstream` folder; there
    /// or not.
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

    /// Reads the task's files below `root`, SentEval's data folder or its `downstream` folder;
    /// `None` if none of them is there.
    ///
    /// # Errors
    ///
    /// [`EvalError::File`] if only some of the files are there; [`EvalError::Line`],
    /// [`EvalError::UnequalLines`] and [`EvalError::File`] if they are not as they should be.
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

    fn read(&self, name: &str, encoding: Encoding, lines: Lines) -> Result<TextFile> {
        TextFile::read(self.path(name), encoding, lines)
    }
}
