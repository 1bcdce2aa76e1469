//! Helpers for the tests of the program `gensen`.
#![allow(dead_code, reason = "no test uses all of it")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ndarray::Array2;
use ndarray_npy::read_npy;
use tempfile::TempDir;

pub fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference")
}

/// Embeds standard input with the first model.
pub const EMBED: [&str; 7] = [
    "embed",
    "--model",
    "tiny-1layer",
    "--input",
    "-",
    "--output",
    "v.npy",
];

/// A folder to work in, with the two models converted.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for name in ["tiny-1layer", "tiny-2layer"] {
            let file = |suffix| reference().join(name).join(format!("{name}{suffix}"));
            let (weights, vocabulary) = (file(".model"), file("_vocab.pkl"));
            let arguments = [
                "convert",
                "--weights",
                path(&weights),
                "--vocab",
                path(&vocabulary),
            ];
            let output = home.run(&[&arguments[..], &["--output", name]].concat(), b"");
            assert_eq!(text(&output.stdout), format!("{name}\n"));
        }
        home
    }

    /// A command of the program in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gensen"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    pub fn gensen(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // The program may end without reading everything.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    /// Runs a command that must succeed and print nothing on standard error except the chosen
    /// device and warnings about unknown words.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let output = self.gensen(arguments, input);
        let message = text(&output.stderr);
        let expected = ["device: ", "unknown to the model"];
        let is_expected = |line: &&str| expected.iter().any(|part| line.contains(part));
        let lines = message.lines().filter(|line| !is_expected(line));
        let message: Vec<&str> = lines.collect();
        let message = message.join("\n");
        assert!(output.status.success(), "{arguments:?}: {message}");
        assert_eq!(message, "", "{arguments:?}");
        output
    }

    /// Runs `gensen embed` with the first model; returns the vectors.
    #[track_caller]
    pub fn embed(&self, input: &[u8], more: &[&str]) -> Array2<f32> {
        self.run(&[&EMBED[..], more].concat(), input);
        read_npy(self.path("v.npy")).unwrap()
    }

    /// Runs a command that must fail with this exit code and a message that contains all of
    /// `expected`.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str], input: &[u8], code: i32, expected: &[&str]) {
        let before = self.files();
        let output = self.gensen(arguments, input);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
        assert_eq!(self.files(), before, "{arguments:?} left something behind");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

/// Runs a command whose standard output has no reader: it must end quietly.
#[track_caller]
pub fn ends_quietly(command: &mut Command) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{command:?}: {message}");
    let fault = ["panicked", "error"].into_iter();
    let found = fault.filter(|word| message.contains(word)).count();
    assert_eq!(found, 0, "{command:?}: {message}");
}

/// Runs a command whose standard output is full: it must report that and fail.
#[track_caller]
#[cfg(target_os = "linux")]
pub fn says_output_is_full(command: &mut Command) {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {message}");
    let expected = "error: standard output: No space left";
    assert!(message.contains(expected), "{command:?}: {message}");
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn sentences() -> Vec<String> {
    serde_json::from_slice(&fs::read(reference().join("sentences.json")).unwrap()).unwrap()
}

pub fn golden(name: &str) -> Array2<f32> {
    read_npy(reference().join(name)).unwrap()
}

#[track_caller]
pub fn close(found: &Array2<f32>, expected: &Array2<f32>, tolerance: f32) {
    assert_eq!(found.dim(), expected.dim());
    for ((place, a), b) in found.indexed_iter().zip(expected) {
        assert!(
            (a - b).abs() <= tolerance,
            "expected {b}, found {a} at {place:?}"
        );
    }
}
