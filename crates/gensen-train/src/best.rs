//! Chooses the best checkpoint.

use crate::checkpoint::Best;
use crate::config::Config;
use crate::metrics::{Metric, Output, Unit};
use crate::tasks;

/// A measure on held-out data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Loss,
    Perplexity,
    Accuracy,
    Pearson,
    Spearman,
}

impl Measure {
    const ALL: [Self; 5] = [
        Self::Loss,
        Self::Perplexity,
        Self::Accuracy,
        Self::Pearson,
        Self::Spearman,
    ];
    /// Measures of `[[validation]]` entries.
    const OF_SIMILARITY: &[Self] = &[Self::Pearson, Self::Spearman];

    fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Perplexity => "perplexity",
            Self::Accuracy => "accuracy",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
        }
    }

    fn of(self, metric: &Metric) -> Option<f64> {
        match self {
            Self::Loss => metric.loss,
            Self::Perplexity => metric.perplexity,
            Self::Accuracy => metric.accuracy,
            Self::Pearson => metric.pearson,
            Self::Spearman => metric.spearman,
        }
    }

    fn more_is_better(self) -> bool {
        !matches!(self, Self::Loss | Self::Perplexity)
    }

    /// Measures of a task's output.
    fn of_output(output: &Output) -> &'static [Self] {
        match output.unit {
            Unit::Words => &[Self::Loss, Self::Perplexity],
            Unit::Answers => &[Self::Loss, Self::Accuracy],
            Unit::Vectors => &[Self::Loss],
        }
    }
}

/// The criterion of the best checkpoint: one measure, or the mean of all held-out losses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BestBy {
    /// `management.best_by`.
    text: Option<String>,
    measure: Measure,
}

/// Splits `NAME/MEASURE`.
fn parse(text: &str) -> Option<(&str, Measure)> {
    let (name, measure) = text.rsplit_once('/')?;
    let measure = Measure::ALL.into_iter().find(|m| m.name() == measure)?;
    Some((name, measure))
}

/// Checks `management.best_by`; the error is the problem.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    let Some(text) = &config.management.best_by else {
        return Ok(());
    };
    let held_out = config.tasks.iter().filter(|t| !t.validation.is_empty());
    let outputs = held_out.flat_map(tasks::outputs);
    let outputs = outputs.map(|output| (output.name.clone(), Measure::of_output(&output)));
    let similarities = config.validations.iter();
    let similarities = similarities.map(|v| (v.name.clone(), Measure::OF_SIMILARITY));
    let possible: Vec<String> = outputs
        .chain(similarities)
        .flat_map(|(name, measures)| measures.iter().map(move |m| format!("{name}/{}", m.name())))
        .collect();
    if possible.contains(text) {
        return Ok(());
    }
    Err(format!(
        "management.best_by = \"{text}\": expected {}",
        match possible.is_empty() {
            true => "held-out data to choose by, and there is none".into(),
            false => format!("one of {}", possible.join(", ")),
        }
    ))
}

impl BestBy {
    /// The criterion of a checked configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let text = config.management.best_by.clone();
        let named = text.as_deref().and_then(parse);
        Self {
            measure: named.map_or(Measure::Loss, |(_, measure)| measure),
            text,
        }
    }

    /// The value of a validation; `None` if it was not measured or is undefined.
    fn value(&self, metrics: &[Metric]) -> Option<f64> {
        if let Some((name, measure)) = self.text.as_deref().and_then(parse) {
            let metric = metrics.iter().find(|metric| metric.task == name)?;
            return measure.of(metric);
        }
        let losses: Vec<f64> = metrics.iter().filter_map(|metric| metric.loss).collect();
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        (!losses.is_empty()).then_some(mean)
    }

    /// The validation of a step as the new best, if it is better than the best so far.
    pub(crate) fn better(
        &self,
        metrics: &[Metric],
        step: u64,
        best: Option<&Best>,
    ) -> Option<Best> {
        let value = self.value(metrics).filter(|value| value.is_finite());
        let Some(value) = value else {
            if let Some(text) = &self.text {
                tracing::warn!("step {step}: {text} is undefined; it is not the best");
            }
            return None;
        };
        let better = best.is_none_or(|best| match self.measure.more_is_better() {
            true => value > best.value,
            false => value < best.value,
        });
        better.then(|| Best {
            step,
            value,
            by: self.text.clone(),
        })
    }

    /// Whether a best validation was chosen by this criterion.
    pub(crate) fn chose(&self, best: &Best) -> bool {
        best.by == self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Split;

    const TASKS: &str = "[[validation]]\nname = 'sts'\nkind = 'similarity'\npath = 'x'\n\
         [[task]]\nname = 'st'\nkind = 'skip-thought'\ntrain = 'x'\nvalidation = 'x'\n\
         [[task]]\nname = 'nli'\nkind = 'nli'\ntrain = 'x'\nvalidation = 'x'\n\
         [[task]]\nname = 'fr-en'\nkind = 'translation'\ntrain = 'x'\n";

    fn config(best_by: &str) -> Config {
        let mut config: Config = toml::from_str(TASKS).unwrap();
        config.management.best_by = Some(best_by.into());
        config
    }

    #[test]
    fn only_what_is_measured_can_choose() {
        for known in [
            "sts/pearson",
            "sts/spearman",
            "st/next/loss",
            "st/previous/perplexity",
            "nli/accuracy",
            "nli/loss",
        ] {
            assert_eq!(check(&config(known)), Ok(()), "{known}");
        }
        for unknown in [
            "sts",
            "sts/loss",
            "sts/kendall",
            "st/loss",
            "nli/perplexity",
            "fr-en/loss",
            "",
        ] {
            let error = check(&config(unknown)).expect_err(unknown);
            assert!(error.contains("sts/pearson, sts/spearman"), "{error}");
            assert!(error.contains(&format!("\"{unknown}\"")), "{error}");
        }
    }

    #[test]
    fn more_or_less_is_better_according_to_the_measure() {
        let metrics = |x: f64| {
            [
                Metric {
                    loss: Some(x),
                    ..Metric::new(1, Split::Validation, "st/next")
                },
                Metric {
                    loss: Some(-3.0 * x),
                    accuracy: Some(x),
                    ..Metric::new(1, Split::Validation, "nli")
                },
                Metric {
                    pearson: Some(x),
                    ..Metric::new(1, Split::Validation, "sts")
                },
                Metric::new(1, Split::Validation, "encoder"),
            ]
        };
        for (best_by, more) in [
            (Some("st/next/loss"), false),
            (Some("nli/accuracy"), true),
            (Some("sts/pearson"), true),
            // The mean of x and -3 x.
            (None, true),
        ] {
            let mut config = config("");
            config.management.best_by = best_by.map(Into::into);
            let by = BestBy::new(&config);
            let first = by.better(&metrics(0.5), 7, None).unwrap();
            assert_eq!((first.step, by.chose(&first)), (7, true));
            assert_eq!(by.better(&metrics(0.5), 8, Some(&first)), None);
            let higher = by.better(&metrics(0.6), 8, Some(&first));
            let lower = by.better(&metrics(0.4), 8, Some(&first));
            assert_eq!(
                (higher.is_some(), lower.is_some()),
                (more, !more),
                "{best_by:?}"
            );
        }
        let by = BestBy::new(&config("sts/spearman"));
        assert_eq!(by.better(&metrics(0.5), 7, None), None, "not measured");
    }
}
