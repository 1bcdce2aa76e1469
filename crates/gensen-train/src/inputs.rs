//! Checks that a run's inputs exist, before any work starts.

use std::path::{Path, PathBuf};

use gensen_data::spec::{Input, TaskSpec};
use gensen_data::text;

use crate::config::Config;
use crate::error::TrainError;

/// Training data sets and groups of `cargo xtask fetch-data`; each is in a folder of its name.
const SETS: [&str; 9] = [
    "glove",
    "multi30k",
    "nli",
    "nmt",
    "parses",
    "pg19",
    "pg19-small",
    "senteval",
    "wmt14",
];

/// The files of a task's inputs under one key, without those of the built-in sample corpus.
fn of_inputs(inputs: &[Input]) -> impl Iterator<Item = String> {
    let files = inputs.iter().flat_map(|input| {
        let table = input.table();
        let pair = [table.source, table.target, table.next, table.previous];
        [table.path, table.teacher]
            .into_iter()
            .chain(pair)
            .flatten()
    });
    files.filter(|file| !file.starts_with("sample:"))
}

/// Every file and folder that a run reads, with its key.
fn all(config: &Config) -> Vec<(String, PathBuf)> {
    let of_task = |task: &TaskSpec| {
        let keys = [
            ("train", &task.train),
            ("validation", &task.validation),
            ("test", &task.test),
        ];
        let of_key = |(key, inputs): (&str, &Vec<Input>)| {
            let key = format!("task `{}`, {key}", task.name);
            let files = of_inputs(inputs).map(PathBuf::from);
            files.map(|file| (key.clone(), file)).collect::<Vec<_>>()
        };
        keys.into_iter().flat_map(of_key).collect::<Vec<_>>()
    };
    let named = |key: &str, path: &Path| (key.to_owned(), path.to_owned());
    let excluded = config.training.exclude_sentences.iter();
    let excluded = excluded.filter(|path| !path.to_string_lossy().starts_with("sample:"));
    let vocabulary = &config.vocabulary;
    let vectors = vocabulary.word_vectors.iter();
    let judged = config.validations.iter();
    config
        .tasks
        .iter()
        .flat_map(of_task)
        .chain(excluded.map(|path| named("training.exclude_sentences", path)))
        .chain(vectors.map(|path| named("vocabulary.word_vectors", path)))
        .chain(judged.map(|v| {
            (
                format!("[[validation]] `{}`, path", v.name),
                v.path.clone().into(),
            )
        }))
        .collect()
}

/// Refuses a run with missing inputs, or with pipes and devices, since all inputs are read twice. The error names the first
/// one and, if it is missing and the command is known, the `cargo xtask fetch-data` command that fetches it.
///
/// # Errors
///
/// [`TrainError::Missing`], [`TrainError::Io`]. Inputs whose existence cannot be determined are left to their readers.
pub fn check(config: &Config) -> Result<(), TrainError> {
    let base = &config.run.data;
    for (key, file) in all(config) {
        let path = base.join(&file);
        if path.try_exists().unwrap_or(true) {
            if path.exists() && !path.is_dir() {
                text::regular(&path).map_err(TrainError::io(&path))?;
            }
            continue;
        }
        let first = file.iter().next().and_then(|name| name.to_str());
        let set = first.filter(|name| SETS.contains(name));
        let hint = set.map(|set| match base == Path::new("data") {
            true => format!("; run `cargo xtask fetch-data {set}`"),
            false => format!(
                "; run `cargo xtask fetch-data {set} --dir {}`",
                base.display()
            ),
        });
        return Err(TrainError::Missing {
            key,
            path,
            hint: hint.unwrap_or_default(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_are_those_of_the_catalogue() {
        let catalogue = include_str!("../../../xtask/catalogue.toml");
        let catalogue: toml::Table = catalogue.parse().unwrap();
        let sets = catalogue["set"].as_array().unwrap();
        for name in SETS {
            let set = sets.iter().any(|set| set["name"].as_str() == Some(name));
            assert!(set || catalogue["groups"].get(name).is_some(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_before_it_is_read_wherever_it_is_named() {
        let home = tempfile::tempdir().unwrap();
        let pipe = home.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let task = "[[task]]\nname = 't'\nkind = 'translation'\n";
        let sample = "train = 'sample:train.en-fr.tsv'\n";
        for keys in [
            format!("{task}train = 'pipe'"),
            format!("{task}{sample}[vocabulary]\nword_vectors = 'pipe'"),
            format!(
                "{task}{sample}[[validation]]\nname = 'dev'\nkind = 'similarity'\npath = 'pipe'"
            ),
            format!("{task}{sample}[training]\nexclude_sentences = ['pipe']"),
        ] {
            let data = home.path().display();
            let config: Config =
                toml::from_str(&format!("[run]\ndata = '{data}'\n{keys}")).unwrap();
            // A pipe without a writer: reading it would block for ever.
            let found = gensen_data::error::chain(&check(&config).unwrap_err());
            let expected = format!("{}: not a regular file", pipe.display());
            assert!(found.contains(&expected), "{keys}: {found}");
        }
    }

    #[test]
    fn a_missing_input_is_named_with_its_key_and_set() {
        let home = tempfile::tempdir().unwrap();
        let config = |data: &str, task: &str| -> Config {
            let text = format!(
                "[run]\ndata = '{data}'\n[[task]]\nname = 't'\nkind = 'translation'\n{task}"
            );
            toml::from_str(&text).unwrap()
        };
        let here = home.path().display().to_string();
        std::fs::write(home.path().join("there"), "a\tb\n").unwrap();
        for (data, task, expected) in [
            (&here[..], "train = 'there'", None),
            (&here, "train = 'sample:train.en-fr.tsv'", None),
            (
                &here,
                "train = ['there', 'absent']",
                Some("task `t`, train: "),
            ),
            (
                &here,
                "train = 'there'\ntest = 'nli/x.tsv'",
                Some("fetch-data nli --dir /"),
            ),
            (
                "data",
                "train = { source = 'nmt/x', target = 'y' }",
                Some("fetch-data nmt`"),
            ),
        ] {
            let found = check(&config(data, task)).map_err(|e| e.to_string());
            match expected {
                None => assert_eq!(found, Ok(())),
                Some(part) => {
                    let error = found.unwrap_err();
                    assert!(error.contains(part), "{error}");
                }
            }
        }
    }
}
