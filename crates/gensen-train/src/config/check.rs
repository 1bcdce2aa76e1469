//! Checks of a configuration that need no data.

use gensen_data::batch::BatchSize;

use super::{Config, DataSizes, per_task};
use crate::error::TrainError;
use crate::{best, schedule, similarity};

impl Config {
    pub(super) fn check(&self, origin: &str) -> Result<(), TrainError> {
        let error = |problem: String| Err(TrainError::config(origin, problem));
        let (training, management) = (&self.training, &self.management);
        let positive = [
            (
                "training.batch_size",
                training.batch_size.map_or(1, |size| size as u64),
            ),
            (
                "training.batch_words",
                training.batch_words.map_or(1, |size| size as u64),
            ),
            ("training.steps", training.steps),
            ("training.nli_every", training.nli_every),
            (
                "training.max_source_words",
                training.max_source_words as u64,
            ),
            (
                "training.max_target_words",
                training.max_target_words as u64,
            ),
            ("training.bucket_batches", training.bucket_batches),
            ("management.monitor_every", management.monitor_every),
            ("management.validate_every", management.validate_every),
            ("management.checkpoint_every", management.checkpoint_every),
            (
                "management.keep_checkpoints",
                management.keep_checkpoints as u64,
            ),
            (
                "vocabulary.source_words",
                self.vocabulary.source_words as u64,
            ),
            (
                "vocabulary.target_words",
                self.vocabulary.target_words as u64,
            ),
            ("vocabulary.min_count", self.vocabulary.min_count),
        ];
        if let (Some(sentences), Some(words)) = (training.batch_size, training.batch_words) {
            return error(format!(
                "training.batch_size = {sentences} and training.batch_words = {words}: expected \
                 one of the two"
            ));
        }
        for (key, value) in positive {
            if value == 0 {
                return error(format!("{key} = 0: expected a positive number"));
            }
        }
        for (key, value) in [
            ("training.learning_rate", training.learning_rate),
            ("training.clip_norm", training.clip_norm),
            (
                "vocabulary.word_vectors_deviation",
                self.vocabulary.word_vectors_deviation,
            ),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return error(format!("{key} = {value}: expected a positive number"));
            }
        }
        let rate = training.embedding_learning_rate.unwrap_or(0.0);
        if !(rate.is_finite() && rate >= 0.0) {
            return error(format!(
                "training.embedding_learning_rate = {rate}: expected a number of at least 0"
            ));
        }
        if self.tasks.is_empty() {
            return error("there is no [[task]]: expected at least one".into());
        }
        for (k, task) in self.tasks.iter().enumerate() {
            if self.tasks[..k].iter().any(|other| other.name == task.name) {
                return error(format!("two tasks are named `{}`", task.name));
            }
            if let Err(problem) = task.check() {
                return error(format!("task `{}`: {problem}", task.name));
            }
            let one = BatchSize::Sentences(1);
            if task.batch(training.batch()) == one && task.form().needs_whole_batch() {
                let key = match task.batch_size {
                    Some(_) => "batch_size",
                    None => "training.batch_size",
                };
                let name = &task.name;
                return error(format!(
                    "{key} = 1, and task `{name}` compares the examples of a batch: expected at \
                     least 2"
                ));
            }
        }
        if let Some(key) = self.empty_path() {
            return error(format!(
                "{key} = \"\": expected a path, or leave the key out"
            ));
        }
        if let Err(problem) = self.check_training() {
            return error(problem);
        }
        // Sizes that no model can have are refused before any data is read.
        let sizes = DataSizes {
            source_words: 8,
            target_words: vec![8],
            ..DataSizes::default()
        };
        let checked = self.model_config(&sizes).check();
        checked.map_err(TrainError::invalid(origin))
    }

    /// The first key whose path is empty, which would mean the current folder.
    fn empty_path(&self) -> Option<&'static str> {
        let (run, vocabulary) = (&self.run, &self.vocabulary);
        let excluded = self.training.exclude_sentences.iter();
        let excluded = excluded.map(|path| ("training.exclude_sentences", Some(path)));
        let one = [
            ("run.folder", run.folder.as_ref()),
            ("run.start_from", run.start_from.as_ref()),
            ("run.data", Some(&run.data)),
            (
                "vocabulary.nonbreaking_prefixes",
                vocabulary.nonbreaking_prefixes.as_ref(),
            ),
            ("vocabulary.punkt", vocabulary.punkt.as_ref()),
            ("vocabulary.word_vectors", vocabulary.word_vectors.as_ref()),
        ];
        let mut all = one.into_iter().chain(excluded);
        let empty = all.find(|(_, path)| path.is_some_and(|path| path.as_os_str().is_empty()));
        empty.map(|(key, _)| key)
    }

    /// Checks how the tasks are trained and validated; the error is the problem.
    fn check_training(&self) -> Result<(), String> {
        per_task::check(&self.tasks, self.training.steps)?;
        schedule::check(&self.training)?;
        let rate = self.training.word_dropout;
        if !(0.0..1.0).contains(&rate) {
            return Err(format!(
                "training.word_dropout = {rate}: expected 0 or more, and less than 1"
            ));
        }
        similarity::check(self)?;
        best::check(self)
    }
}
