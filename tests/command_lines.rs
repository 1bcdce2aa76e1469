//! Random command lines on tiny inputs: whatever the arguments, `gensen` does not panic, writes nothing that
//! they do not name, and leaves nothing behind when it fails.
//!
//! Options are read from `--help`, so that new ones are covered without a change here. The lines are the same at every
//! run; others, and more: `PROPTEST_CASES=5000 PROPTEST_RNG_SEED=2 cargo test --release -p gensen --test command_lines`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use program::{Home, reference, text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Commands that do not terminate on their own, and `man`, which writes to any folder, even `/`. Other tests cover
/// their arguments.
const LEFT_OUT: [&str; 4] = ["help", "man", "serve", "train"];

/// Values tried for options and arguments, besides `a/NUMBER` and numbers.
const VALUES: [&str; 31] = [
    "",
    "-",
    "--",
    " ",
    ".",
    "..",
    "/",
    "/dev/null",
    "missing",
    "missing/missing",
    "model",
    "model/vocab.txt",
    "model/model.safetensors",
    "s.txt",
    "empty.txt",
    "glove.txt",
    "bytes.bin",
    "v.npy",
    "out.npy",
    "out.jsonl",
    "out.json",
    "out",
    "no\u{e9}l \u{1f600}",
    "last",
    "max",
    "moses",
    "f16",
    "npy",
    "cpu",
    "1/2",
    "nan",
];

/// Required options, each with a valid value.
const REQUIRED: [(&str, &str); 9] = [
    ("--model", "model"),
    ("--input", "s.txt"),
    ("--output", "out.npy"),
    ("--clusters", "2"),
    ("--query", "a man"),
    ("--vectors", "glove.txt"),
    ("--words", "s.txt"),
    ("--data", "."),
    ("--tasks", "MR"),
];

/// Valid values of the other options; options not listed get 2.
const FITTING: [(&str, &str); 18] = [
    ("--pool", "max"),
    ("--tokenizer", "nltk"),
    ("--language", "en"),
    ("--precision", "i8"),
    ("--device", "cpu"),
    ("--format", "npy"),
    ("--index", "v.npy"),
    ("--output-precision", "binary"),
    ("--projection", "pca"),
    ("--queries", "s.txt"),
    ("--threshold", "0.5"),
    ("--hidden-states", "h.npy"),
    ("--lengths", "l.npy"),
    ("--part", "1/2"),
    ("--cache", "cache"),
    ("--map", "map.svg"),
    ("--classifier", "lbfgs"),
    ("--baseline", "bow"),
];

/// A command and its options, each with whether it takes a value.
struct Command {
    name: String,
    options: Vec<(String, bool)>,
}

/// The commands of the program and their options, from `--help`.
fn commands(home: &Home) -> Vec<Command> {
    let help = |arguments: &[&str]| text(&home.gensen(arguments, b"").stdout).to_owned();
    let section = |help: &str, title: &str| -> Vec<String> {
        let lines = help.lines().skip_while(|line| *line != title).skip(1);
        lines
            .take_while(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let names = section(&help(&["--help"]), "Commands:").into_iter();
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    let names = names.filter(|name| !LEFT_OUT.contains(&name.as_str()));
    names
        .map(|name| {
            let page = help(&[&name, "-h"]);
            let options = page.lines().filter_map(|line| {
                let words = line.split_whitespace().take(3).collect::<Vec<_>>();
                let option = words.iter().find(|word| word.starts_with("--"))?;
                let takes_value = words.iter().any(|word| word.starts_with('<'));
                Some((option.trim_end_matches("...").to_owned(), takes_value))
            });
            let options = options.filter(|(option, _)| option != "--help").collect();
            Command { name, options }
        })
        .collect()
}

/// Every file and folder below `folder`, with the bytes of files.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

/// Writes the inputs into a new folder.
fn inputs(folder: &Path, model: &Path) {
    fs::create_dir(folder).unwrap();
    fs::create_dir(folder.join("model")).unwrap();
    for entry in fs::read_dir(model).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join("model").join(entry.file_name())).unwrap();
    }
    fs::copy(reference().join("glove-tiny.txt"), folder.join("glove.txt")).unwrap();
    fs::write(folder.join("s.txt"), "the dog\na man\n\nthe man\n").unwrap();
    fs::write(folder.join("empty.txt"), "").unwrap();
    fs::write(folder.join("bytes.bin"), [0xff, 0xfe, 0, 1, 2, b'\n', 0xc3]).unwrap();
    let vectors = ndarray::Array2::<f32>::ones((4, 24));
    ndarray_npy::write_npy(folder.join("v.npy"), &vectors).unwrap();
}

#[test]
fn no_command_line_panics_or_writes_what_it_does_not_name() {
    let home = Home::new();
    let commands = commands(&home);
    let names: Vec<&str> = commands
        .iter()
        .map(|command| command.name.as_str())
        .collect();
    assert!(
        names.contains(&"embed") && names.contains(&"eval"),
        "{names:?}"
    );
    let embed = commands
        .iter()
        .find(|command| command.name == "embed")
        .unwrap();
    let with_value = |name: &str| (name.to_owned(), true);
    assert!(
        embed.options.contains(&with_value("--output")),
        "{:?}",
        embed.options
    );
    assert!(embed.options.contains(&("--normalize".to_owned(), false)));

    let value = prop_oneof![
        8 => select(&VALUES[..]).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => (-1_i32..4).prop_map(|number| number.to_string()),
        1 => "[0-9a-z/:@.=-]{0,6}",
    ];
    // An index into the command's options (past the end: an argument), a value, and whether they
    // are joined with `=`. `None` selects a valid value of the option.
    let value = proptest::option::weighted(0.2, value);
    let arguments = vec(
        (any::<prop::sample::Index>(), value.clone(), any::<bool>()),
        0..3,
    );
    let required = vec((0_u8..40, value), REQUIRED.len());
    let case = (0..commands.len(), required, arguments);
    let config = Config::default();
    let mut runner = TestRunner::new(Config {
        cases: std::env::var("PROPTEST_CASES").map_or(48, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        rng_seed: match config.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            seed => seed,
        },
        ..config
    });
    let folder = home.path("case");
    let codes = Cell::new([0_u32; 3]);
    let outcome = runner.run(&case, |(which, required, arguments)| {
        let Command { name, options } = &commands[which];
        let mut line = vec![name.clone()];
        // Most command lines include the required options, so that most get past argument parsing.
        let knows = |option: &str| options.iter().any(|(name, _)| name == option);
        for ((option, fitting), (chance, value)) in REQUIRED.into_iter().zip(required) {
            if chance > 0 && knows(option) {
                line.extend([option.to_owned(), value.unwrap_or(fitting.to_owned())]);
            }
        }
        for (place, value, joined) in arguments {
            let option = options.get(place.index(options.len() + 1));
            // Most options may be given once only.
            if option.is_some_and(|(option, _)| line.contains(option)) {
                continue;
            }
            let fitting = FITTING
                .iter()
                .find(|(name, _)| option.is_some_and(|(option, _)| option == name));
            let value = value.unwrap_or_else(|| fitting.map_or("2", |(_, value)| value).to_owned());
            match option {
                Some((option, true)) if joined => line.push(format!("{option}={value}")),
                Some((option, true)) => line.extend([option.clone(), value]),
                Some((option, false)) => line.push(option.clone()),
                None => line.push(value),
            }
        }
        let _ = fs::remove_dir_all(&folder);
        inputs(&folder, &home.path("tiny-1layer"));
        let before = contents(&folder);
        let output = home
            .command(&line.iter().map(String::as_str).collect::<Vec<_>>())
            .current_dir(&folder)
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_HOME", home.path("hub"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        prop_assert!(matches!(code, Some(0..=2)), "{line:?}: {code:?}: {message}");
        prop_assert!(!message.contains("panicked"), "{line:?}: {message}");
        let mut counted = codes.get();
        counted[code.unwrap() as usize] += 1;
        codes.set(counted);
        let after = contents(&folder);
        // A named path, everything below it, and files named after it, such as `out.npy.part.json`.
        let is_named = |path: &Path| {
            let path = path.strip_prefix(&folder).unwrap().to_str().unwrap();
            let values = line.iter().flat_map(|argument| {
                let joined = argument.split_once('=').map(|(_, value)| value);
                joined.into_iter().chain([argument.as_str()])
            });
            let mut values = values.filter(|value| !value.is_empty());
            values.any(|value| path.starts_with(value) || Path::new(value).starts_with(path))
        };
        for (path, bytes) in &before {
            let unchanged = after.get(path) == Some(bytes);
            prop_assert!(
                unchanged || is_named(path),
                "{line:?}: {path:?} changed: {message}"
            );
        }
        for path in after.keys().filter(|path| !before.contains_key(*path)) {
            prop_assert!(is_named(path), "{line:?}: {path:?} was left: {message}");
            prop_assert!(
                code == Some(0),
                "{line:?} failed and left {path:?}: {message}"
            );
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let [done, failed, refused] = codes.get();
    println!("{done} lines succeeded, {failed} failed, {refused} were wrong usage");
    assert!(done > 0 && failed > 0 && refused > 0);
}
