//! Checking the settings of a task.

use super::{TaskKind, TaskSpec};
use crate::error::DataError;

impl TaskSpec {
    /// Checks that the settings are allowed for the kind of task and in range.
    ///
    /// # Errors
    /// [`DataError::Specification`] with the key.
    pub fn check(&self) -> Result<(), DataError> {
        use TaskKind::{Distillation, NextSentence, Pairs, SkipThought};
        let form = self.form();
        if self.kind == NextSentence {
            let problem =
                "`next-sentence`: expected `skip-thought` with `objective = \"contrast\"`";
            return Err(DataError::key("kind", problem));
        }
        let contrast = matches!(form, Pairs | NextSentence);
        let distillation = form == Distillation;
        let skip_thought = "a task of kind skip-thought";
        let contrasts = "a task of kind pairs, or skip-thought with `objective = \"contrast\"`";
        let distils = "a task of kind distillation";
        let in_batch = "a task of kind pairs or distillation, or skip-thought with \
                        `objective = \"contrast\"`";
        let decoding = "a skip-thought task that decodes";
        for (key, given, fits, what) in [
            (
                "objective",
                self.objective.is_some(),
                self.kind == SkipThought,
                skip_thought,
            ),
            (
                "neighbours",
                self.neighbours.is_some(),
                form == SkipThought,
                decoding,
            ),
            ("widths", self.widths.is_some(), contrast, contrasts),
            (
                "temperature",
                self.temperature.is_some(),
                contrast || distillation,
                in_batch,
            ),
            (
                "cosine_weight",
                self.cosine_weight.is_some(),
                distillation,
                distils,
            ),
            (
                "contrast_weight",
                self.contrast_weight.is_some(),
                distillation,
                distils,
            ),
            (
                "matrix_weight",
                self.matrix_weight.is_some(),
                distillation,
                distils,
            ),
        ] {
            if given && !fits {
                return Err(DataError::key(key, format!("only for {what}")));
            }
        }
        if let Some(neighbours) = &self.neighbours
            && (neighbours.is_empty()
                || neighbours.len() == 2 && neighbours[0] == neighbours[1]
                || neighbours.len() > 2)
        {
            let problem = "a skip-thought task takes one or both of \"next\" and \"previous\"";
            return Err(DataError::key("neighbours", problem));
        }
        let temperature = self.temperature.unwrap_or(1.0);
        if !(temperature.is_finite() && temperature > 0.0) {
            let problem = format!("{temperature}, expected a positive number");
            return Err(DataError::key("temperature", problem));
        }
        for (key, weight) in [
            ("cosine_weight", self.cosine_weight),
            ("contrast_weight", self.contrast_weight),
            ("matrix_weight", self.matrix_weight),
        ] {
            let weight = weight.unwrap_or(1.0);
            if !(weight.is_finite() && weight >= 0.0) {
                let problem = format!("{weight}, expected at least 0");
                return Err(DataError::key(key, problem));
            }
        }
        let weights = [self.cosine_weight, self.contrast_weight, self.matrix_weight];
        if weights == [Some(0.0); 3] {
            let problem = "all three weights are 0, expected a positive one";
            return Err(DataError::key("cosine_weight", problem));
        }
        if let Some(widths) = &self.widths
            && (widths.first().is_none_or(|&width| width == 0)
                || !widths.is_sorted_by(|a, b| a < b))
        {
            let problem = format!("{widths:?}, expected positive numbers in ascending order");
            return Err(DataError::key("widths", problem));
        }
        Ok(())
    }
}
