//! Validation and test of a run's model.

use burn::module::Module;
use gensen_model::MultitaskModel;

use super::{Event, Run};
use crate::average::Average;
use crate::checkpoint;
use crate::curves;
use crate::error::TrainError;
use crate::metrics::{Metric, Split};
use crate::{tasks, validation};

impl Run<'_> {
    /// Reports metrics to the caller, in `metrics.jsonl`, for TensorBoard and as curves.
    pub(super) fn report(&mut self, metrics: Vec<Metric>) -> Result<(), TrainError> {
        (self.watch)(Event::Metrics(&metrics));
        self.events.append(&metrics)?;
        self.log.append(metrics)?;
        curves::draw(&self.folder.join("curves.svg"), self.log.metrics())
    }

    /// Validates every task and the sentence vectors; returns whether the result is the best so
    /// far.
    pub(super) fn validate(&mut self) -> Result<bool, TrainError> {
        self.take_in_steps()?;
        let metrics = self.measure(&self.judged(), self.state.step, Split::Validation)?;
        let (step, best) = (self.state.step, self.state.best.as_ref());
        let better = self.best_by.better(&metrics, step, best);
        self.report(metrics)?;
        let improved = better.is_some();
        self.state.best = better.or(self.state.best.take());
        Ok(improved)
    }

    /// The model that is validated and exported: the mean of the weights once averaging has begun.
    pub(super) fn judged(&self) -> MultitaskModel {
        let average = self.average.as_ref().and_then(Average::mean);
        average.map_or_else(|| self.model.valid(), Clone::clone)
    }

    /// The model to export and its step: that of the best validation, or the last one without
    /// validations.
    pub(super) fn best_model(&self) -> Result<(u64, MultitaskModel), TrainError> {
        let model = self.judged();
        match self.checkpoints.named("best") {
            Some(best) if best != self.state.step => {
                let checkpoint = self.checkpoints.path(best);
                checkpoint::verify(&checkpoint)?;
                Ok((best, checkpoint::load_judged(&checkpoint, model)?))
            }
            _ => Ok((self.state.step, model)),
        }
    }

    /// Tests the model of a step, unless that was done before.
    pub(super) fn test(&mut self, model: &MultitaskModel, step: u64) -> Result<(), TrainError> {
        let done = |m: &Metric| m.split == Split::Test && m.step == step;
        if self.log.metrics().iter().any(done) {
            return Ok(());
        }
        let metrics = self.measure(model, step, Split::Test)?;
        if metrics.is_empty() {
            return Ok(());
        }
        self.report(metrics)
    }

    fn measure(
        &self,
        model: &MultitaskModel,
        step: u64,
        split: Split,
    ) -> Result<Vec<Metric>, TrainError> {
        let mut metrics = Vec::new();
        let mut ranked = split != Split::Validation;
        for held_out in tasks::held_out(self.config, self.data, &self.outputs, split) {
            metrics.extend(held_out.measure(model, step)?);
            if !ranked {
                let (data, size) = (held_out.data, held_out.batch);
                metrics.push(validation::effective_rank(model, data, step, size)?);
                ranked = true;
            }
        }
        if split == Split::Validation {
            let similarities = self.similarities.iter();
            metrics.extend(similarities.map(|pairs| pairs.measure(model, step)));
        }
        Ok(metrics)
    }

    /// Whether this is a validation step and the best validation is too long ago.
    pub(super) fn patience_is_over(&self) -> bool {
        let management = &self.config.management;
        let (step, patience) = (self.state.step, management.early_stopping_patience);
        let best = self.state.best.as_ref().map_or(0, |best| best.step);
        let validated = step.is_multiple_of(management.validate_every);
        patience > 0 && validated && step - best >= patience
    }
}
