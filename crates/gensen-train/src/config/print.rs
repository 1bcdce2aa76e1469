//! Prints a configuration as TOML: every key with its meaning and value.

use std::fmt::Write as _;

use documented::{Documented, DocumentedFields};
use gensen_data::spec::TaskSpec;
use serde::Serialize;
use toml::{Table, Value};

use super::{Config, ManagementConfig, ModelSizes, RunConfig, TrainingConfig, VocabularyConfig};
use crate::error::TrainError;
use crate::similarity::ValidationSpec;

impl Config {
    /// The configuration as TOML with a comment on each key. Omitted keys get their defaults; keys
    /// without a default are commented out. [`Config::load`] reads the same configuration from it.
    ///
    /// # Errors
    ///
    /// [`TrainError::Invalid`] for a number that TOML cannot hold.
    pub fn commented(&self) -> Result<String, TrainError> {
        let mut text = String::new();
        section::<RunConfig>(&mut text, "run", &self.run)?;
        section::<ModelSizes>(&mut text, "model", &self.model)?;
        section::<VocabularyConfig>(&mut text, "vocabulary", &self.vocabulary)?;
        section::<TrainingConfig>(&mut text, "training", &self.training)?;
        section::<ManagementConfig>(&mut text, "management", &self.management)?;
        entries::<ValidationSpec>(&mut text, "validation", &self.validations)?;
        entries::<TaskSpec>(&mut text, "task", &self.tasks)?;
        Ok(text)
    }
}

fn section<T: Documented + DocumentedFields + Serialize>(
    text: &mut String,
    name: &str,
    value: &T,
) -> Result<(), TrainError> {
    if !text.is_empty() {
        text.push('\n');
    }
    comment(text, T::DOCS);
    push(text, format_args!("[{name}]"));
    let table = table(name, value)?;
    for (key, doc) in T::FIELD_NAMES.iter().zip(T::FIELD_DOCS) {
        explained(text, key, doc, table.get(*key));
    }
    Ok(())
}

/// The entries of an array of tables. The first entry explains all keys, also those it omits;
/// without entries, a commented-out one does.
fn entries<T: Documented + DocumentedFields + Serialize>(
    text: &mut String,
    name: &str,
    values: &[T],
) -> Result<(), TrainError> {
    text.push('\n');
    comment(text, T::DOCS);
    if values.is_empty() {
        push(text, format_args!("# [[{name}]]"));
        for (key, doc) in T::FIELD_NAMES.iter().zip(T::FIELD_DOCS) {
            explained(text, key, doc, None);
        }
    }
    for (place, value) in values.iter().enumerate() {
        let table = table(name, value)?;
        if place > 0 {
            text.push('\n');
        }
        push(text, format_args!("[[{name}]]"));
        for (key, doc) in T::FIELD_NAMES.iter().zip(T::FIELD_DOCS) {
            match table.get(*key) {
                found if place == 0 => explained(text, key, doc, found),
                Some(found) => push(text, format_args!("{key} = {found}")),
                None => {}
            }
        }
    }
    Ok(())
}

fn explained(text: &mut String, key: &str, doc: &str, value: Option<&Value>) {
    comment(text, doc);
    match value {
        Some(value) => push(text, format_args!("{key} = {value}")),
        None => push(text, format_args!("# {key} =")),
    }
}

fn table(name: &str, value: &impl Serialize) -> Result<Table, TrainError> {
    Table::try_from(value).map_err(TrainError::invalid(&format!("[{name}]")))
}

fn comment(text: &mut String, doc: &str) {
    for line in doc.lines().take_while(|line| !line.starts_with("```")) {
        push(text, format_args!("{}", format!("# {line}").trim_end()));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_printed_is_read_as_the_same_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let configs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"));
        for entry in fs::read_dir(configs).unwrap() {
            let path = entry.unwrap().path();
            let config = Config::load(Some(&path), &[]).unwrap();
            let text = config.commented().unwrap();
            let copy = folder.path().join("copy.toml");
            fs::write(&copy, &text).unwrap();
            let again = Config::load(Some(&copy), &[]).unwrap_or_else(|e| panic!("{e}\n{text}"));
            // Warnings are about the original file.
            let expected = Config {
                warnings: again.warnings.clone(),
                ..config
            };
            assert_eq!(again, expected, "{}\n{text}", path.display());
        }
    }

    #[test]
    fn every_key_is_explained() {
        let text = Config::load(None, &[]).unwrap().commented().unwrap();
        for part in [
            "# Adam's step size.\nlearning_rate = 0.002\n",
            "# Whether a second GRU reads sentences from the end.\nbidirectional = true\n",
            "# The run's own folder. Default: `runs/NAME`.\n# folder =\n",
            "# How often the task is drawn, relative to the others.\n# weight =\n",
            "# [[validation]]\n",
            "name = \"fr-en\"\nkind = \"translation\"\n",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }
}
