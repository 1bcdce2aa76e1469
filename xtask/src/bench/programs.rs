//! Our programs and their peers: built here, or in a folder of `bench pack`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use gensen_data::scratch;

use super::pairs::{ENCODE, Pair};
use crate::repository::{cargo, root, run_whole};

/// Our programs and the peers' scripts.
pub(super) struct Programs {
    /// Our programs.
    binaries: PathBuf,
    /// The peers' scripts.
    pub(super) peers: PathBuf,
    /// The folder that replaces [`ENCODE`] in arguments.
    encode: PathBuf,
}

impl Programs {
    /// Builds programs with the workspace's features and these.
    pub(super) fn build(names: &[&str], features: Option<&str>) -> Result<Self> {
        let mut build = cargo();
        build.args(["build", "--release", "--workspace"]);
        for name in names {
            build.args(["--bin", name]);
        }
        if let Some(features) = features {
            build.args(["--features", features]);
        }
        run_whole(&mut build)?;
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let target = root().join(target);
        Ok(Self {
            binaries: target.join("release"),
            peers: root().join("benches/peers"),
            encode: target.join("bench-encode"),
        })
    }

    /// The programs in a folder of `bench pack`.
    pub(super) fn packed(folder: &Path) -> Self {
        Self {
            binaries: folder.into(),
            peers: folder.join("peers"),
            encode: folder.join("bench-encode"),
        }
    }

    /// Writes the model and the sentences for encoding.
    pub(super) fn prepare(&self, pairs: &[&Pair]) -> Result<()> {
        let sentence = self.encode.join("sentence.txt");
        if pairs.iter().any(|pair| pair.encodes()) && !sentence.is_file() {
            run_whole(&mut self.command(&["encode_speed", "make", ENCODE])?)?;
            scratch::write_file(&sentence, |file| {
                writeln!(file, "word4 word5 word6 word7 word8")
            })
            .with_context(|| sentence.display().to_string())?;
        }
        Ok(())
    }

    /// The path of one of our programs.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// One of our programs with its arguments.
    pub(super) fn command(&self, words: &[&str]) -> Result<Command> {
        let (program, arguments) = words.split_first().context("an empty command")?;
        let mut command = Command::new(self.path(program));
        command.args(arguments.iter().map(|argument| self.argument(argument)));
        Ok(command)
    }

    /// A peer's script with its arguments.
    pub(super) fn peer(&self, python: &Path, words: &[&str]) -> Result<Command> {
        let (script, arguments) = words.split_first().context("an empty command")?;
        let mut command = Command::new(python);
        command
            .arg(self.peers.join(script))
            .args(arguments.iter().map(|argument| self.argument(argument)));
        Ok(command)
    }

    fn argument(&self, argument: &str) -> OsString {
        match argument.strip_prefix(ENCODE) {
            Some("") => self.encode.clone().into(),
            Some(rest) => self.encode.join(rest.trim_start_matches('/')).into(),
            None => argument.into(),
        }
    }
}
