//! The cache's key: a hash of everything that prepared data depends on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::task::TaskInputs;
use super::{DataOptions, PrepareProgress, Vocabularies, cache};
use crate::corpus::Origin;
use crate::digest::{Digest, hex};
use crate::error::DataError;
use crate::exclusion;
use crate::parallel;
use crate::spec::{InputTable, TaskSpec};
use crate::tokenizer::NonbreakingPrefixes;

/// The cache's key, and the state of the input files when they were hashed.
pub(super) fn of(
    tasks: &[TaskInputs<'_>],
    options: &DataOptions,
    given: Option<&Vocabularies>,
    base: &Path,
    progress: &dyn Fn(PrepareProgress<'_>),
) -> Result<(String, Stamps), DataError> {
    let inputs = hash_inputs(tasks, options.threads(), progress)?;
    let mut digest = Digest::default();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    add(&cache::FORMAT.to_string());
    add(&serde_json::to_string(options).map_err(DataError::setting("options"))?);
    NonbreakingPrefixes::SHIPPED
        .iter()
        .for_each(|list| add(list));
    let DataOptions {
        // Hashed as JSON above.
        source_words: _,
        target_words: _,
        tokenizer: _,
        lowercase: _,
        max_source_words: _,
        max_target_words: _,
        max_nli_words: _,
        count_nli: _,
        min_count: _,
        // The contents of these files are hashed below.
        nonbreaking_prefixes: _,
        punkt: _,
        further_words,
        first_words,
        exclude_sentences,
        // The result does not depend on it.
        threads: _,
    } = options;
    let resources = options.resources(base);
    for path in [resources.nonbreaking_prefixes, resources.punkt]
        .into_iter()
        .flatten()
    {
        for origin in Origin::all(&path)? {
            add(&hash_of(&origin)?);
        }
    }
    for words in [further_words, first_words] {
        add(&words.len().to_string());
        words.iter().for_each(|word| add(word));
    }
    for origin in exclusion::origins(exclude_sentences, base)? {
        add(&hash_of(&origin)?);
    }
    for task in tasks {
        let TaskInputs {
            spec,
            languages,
            tokenizer,
            splits,
            // Determined by the other fields and the inputs' contents.
            columns: _,
            wording: _,
            layout: _,
        } = task;
        let TaskSpec {
            name,
            // The inputs' settings and contents are hashed below.
            train: _,
            validation: _,
            test: _,
            // They determine the kind of examples, the languages and the tokeniser.
            kind: _,
            objective: _,
            source_language: _,
            target_language: _,
            tokenizer: _,
            // They choose among prepared examples, or are settings of training.
            neighbours: _,
            temperature: _,
            widths: _,
            cosine_weight: _,
            contrast_weight: _,
            matrix_weight: _,
            weight: _,
            from_step: _,
            until_step: _,
            batch_size: _,
            batch_words: _,
            loss_weight: _,
        } = spec;
        let kind = spec.form();
        add(&format!("{name} {kind:?} {languages:?} {tokenizer}"));
        for (split, corpora) in splits {
            add(split);
            for corpus in corpora {
                // Only a file's name matters, not its folder: the name determines the format.
                let settings = InputTable {
                    path: None,
                    teacher: None,
                    source: None,
                    target: None,
                    next: None,
                    previous: None,
                    ..corpus.table.clone()
                };
                add(&format!("{settings:?}"));
                for origin in corpus.origins() {
                    let name = origin.name();
                    let file = Path::new(&name).file_name();
                    add(&file.map_or(Cow::Borrowed(""), OsStr::to_string_lossy));
                    add(inputs.hash(&name));
                }
            }
        }
    }
    if let Some(given) = given {
        let targets = given
            .targets
            .iter()
            .map(|(task, vocabulary)| (task.as_str(), vocabulary));
        for (task, vocabulary) in [("", &given.source)].into_iter().chain(targets) {
            add(&format!("{task} {}", vocabulary.len()));
            vocabulary.words().for_each(&mut add);
        }
    }
    Ok((hex(&digest.finish())[..32].to_owned(), inputs))
}

/// The SHA-256 of an input's bytes as stored.
fn hash_of(origin: &Origin) -> Result<String, DataError> {
    let mut digest = Digest::default();
    let read = digest.read(origin.open()?);
    read.map_err(DataError::io(origin.name()))?;
    Ok(hex(&digest.finish()))
}

/// The hash of each input by name, and its state when it was hashed.
pub(super) struct Stamps(BTreeMap<String, HashedInput>);

struct HashedInput {
    hash: String,
    origin: Origin,
    size: u64,
    modified: Option<SystemTime>,
}

impl HashedInput {
    fn new(origin: &Origin) -> Result<Self, DataError> {
        let (size, modified) = origin.stamp()?;
        Ok(Self {
            hash: hash_of(origin)?,
            origin: origin.clone(),
            size,
            modified,
        })
    }
}

impl Stamps {
    /// The hash of an input.
    fn hash(&self, name: &str) -> &str {
        #[allow(
            clippy::expect_used,
            reason = "`hash_inputs` has hashed every origin of the same tasks"
        )]
        &self.0.get(name).expect("the hash of an input").hash
    }

    /// Checks that no file has changed since it was hashed, since its data would be cached under
    /// the wrong key.
    pub(super) fn check(&self) -> Result<(), DataError> {
        for (name, input) in &self.0 {
            if input.origin.stamp()? != (input.size, input.modified) {
                return Err(DataError::Damaged {
                    path: name.clone(),
                    problem: "it was changed during preparation".into(),
                });
            }
        }
        Ok(())
    }
}

/// Hashes the contents of all inputs.
fn hash_inputs(
    tasks: &[TaskInputs<'_>],
    threads: usize,
    progress: &dyn Fn(PrepareProgress<'_>),
) -> Result<Stamps, DataError> {
    let mut origins: BTreeMap<String, (&Origin, &str)> = BTreeMap::new();
    for task in tasks {
        for corpus in task.splits.iter().flat_map(|(_, corpora)| corpora) {
            let found = corpus.origins().into_iter();
            origins.extend(found.map(|origin| (origin.name(), (origin, &*task.spec.name))));
        }
    }
    let inputs = Mutex::new(BTreeMap::new());
    parallel::for_each(
        threads,
        |send| {
            origins.iter().all(|(name, origin)| {
                progress(PrepareProgress::Hashing { input: name });
                send((name, origin))
            });
            Ok(())
        },
        || Ok(()),
        |(), _, (name, (origin, task))| {
            let input = HashedInput::new(origin).map_err(|error| error.in_task(task))?;
            let mut inputs = inputs.lock().unwrap_or_else(PoisonError::into_inner);
            inputs.insert(name.clone(), input);
            Ok(())
        },
    )?;
    Ok(Stamps(
        inputs.into_inner().unwrap_or_else(PoisonError::into_inner),
    ))
}
