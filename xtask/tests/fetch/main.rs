//! `cargo xtask fetch-data` against a misbehaving server.
#![allow(clippy::disallowed_methods)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archives;
mod downloads;
mod server;
mod streams;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A data folder, and a catalogue with one set `x` of one file that is copied to `x/file`.
struct Place {
    folder: TempDir,
}

/// The result of a call.
struct Call {
    ok: bool,
    stdout: String,
    stderr: String,
}

impl Place {
    /// `urls` and `more` (lines of TOML) describe the file.
    fn new(urls: &[String], more: &str) -> Self {
        Self::with_steps(
            urls,
            more,
            r#"{ do = "copy", from = "file", to = "x/file" }"#,
        )
    }

    fn with_steps(urls: &[String], more: &str, steps: &str) -> Self {
        Self::with_catalogue(&format!(
            r#"
            [groups]
            [[set]]
            name = "x"
            about = "a file"
            licence = "none"
            routes = [{{ files = ["file"], steps = [{steps}] }}]
            [[file]]
            name = "file"
            urls = {urls:?}
            {more}
            "#
        ))
    }

    fn with_catalogue(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("catalogue.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("fetch-data")
            .args(arguments)
            .arg("--catalogue")
            .arg(self.folder.path().join("catalogue.toml"))
            .arg("--dir")
            .arg(self.folder.path().join("data"));
        if !arguments.contains(&"--patience") {
            command.args(["--patience", "5"]);
        }
        for name in ["all_proxy", "http_proxy", "https_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }

    fn call(&self, arguments: &[&str]) -> Call {
        self.command(arguments).output().unwrap().into()
    }

    /// All files with final names, that is, outside the scratch area.
    fn finished(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true if path.ends_with(".fetch") => {}
                    true => walk(&path, found),
                    false => found.push(path),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path(""), &mut found);
        found
    }

    fn downloads(&self) -> usize {
        std::fs::read_dir(self.path(".fetch/downloads")).map_or(0, Iterator::count)
    }

    /// Asserts that a call failed with a message that contains all of `said`, and left no file with
    /// a final name.
    fn refused(&self, call: &Call, said: &[&str]) {
        assert!(
            !call.ok,
            "it should have failed: {}{}",
            call.stdout, call.stderr
        );
        for said in said {
            assert!(
                call.stderr.contains(said),
                "expected '{said}' in: {}",
                call.stderr
            );
        }
        assert_eq!(self.finished(), Vec::<PathBuf>::new());
        assert!(!self.path(".fetch/done/x.toml").exists());
    }
}

impl Call {
    fn succeeded(&self) -> &Self {
        assert!(self.ok, "{}{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Call {
    fn from(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Bytes in which all offsets are distinguishable.
fn content(length: usize) -> Vec<u8> {
    (0..length as u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(length)
        .collect()
}
