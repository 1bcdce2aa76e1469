//! The learning rate of each step: a pure function of the step.

use serde::{Deserialize, Serialize};

use crate::config::TrainingConfig;

/// The schedule of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Constant.
    #[default]
    Constant,
    /// Linear decay.
    Linear,
    /// Cosine decay (Loshchilov and Hutter, ICLR 2017).
    Cosine,
    /// Decay with the inverse square root of the step (Vaswani et al., NeurIPS 2017).
    InverseSquareRoot,
}

/// The factor of the learning rate in each step.
///
/// With `s` steps done before, `w` steps of warm-up, the end of the decay `e` and the final factor
/// `f` (the final rate over the rate):
///
/// | | factor |
/// | --- | --- |
/// | `s < w` | `(s + 1) / w` |
/// | constant | `1` |
/// | linear | `f + (1 - f) (1 - p)`, where `p = min((s - w) / (e - w), 1)` |
/// | cosine | `f + (1 - f) (1 + cos(pi p)) / 2` |
/// | inverse square root | `max(f, sqrt(max(w, 1) / (s + 1)))` |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    warmup: u64,
    end: u64,
    last: f64,
}

impl Schedule {
    /// The schedule of a configuration.
    pub fn new(training: &TrainingConfig) -> Self {
        let last = training.final_learning_rate.unwrap_or(0.0) / training.learning_rate;
        Self {
            kind: training.schedule,
            warmup: training.warmup_steps,
            end: training.schedule_steps.unwrap_or(training.steps),
            last,
        }
    }

    /// The factor of the learning rate in the step after `done` steps.
    pub fn factor(&self, done: u64) -> f64 {
        if done < self.warmup {
            return (done + 1) as f64 / self.warmup as f64;
        }
        let falling = |share: f64| self.last + (1.0 - self.last) * share;
        match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Linear => falling(1.0 - self.progress(done)),
            ScheduleKind::Cosine => {
                falling((1.0 + (std::f64::consts::PI * self.progress(done)).cos()) / 2.0)
            }
            ScheduleKind::InverseSquareRoot => {
                let share = self.warmup.max(1) as f64 / (done + 1) as f64;
                share.sqrt().max(self.last)
            }
        }
    }

    /// Progress of the decay, from 0 to 1.
    fn progress(&self, done: u64) -> f64 {
        let length = self.end.saturating_sub(self.warmup);
        if length == 0 {
            return 1.0;
        }
        ((done - self.warmup) as f64 / length as f64).min(1.0)
    }
}

/// Checks the keys of a schedule; the error is the problem.
pub(crate) fn check(training: &TrainingConfig) -> Result<(), String> {
    let warmup = training.warmup_steps;
    let falls_to_an_end = matches!(
        training.schedule,
        ScheduleKind::Linear | ScheduleKind::Cosine
    );
    if let Some(end) = training.schedule_steps {
        if !falls_to_an_end {
            return Err(format!(
                "training.schedule_steps = {end}: only a linear or cosine training.schedule ends"
            ));
        }
        if end <= warmup {
            return Err(format!(
                "training.schedule_steps = {end}: expected more than training.warmup_steps = {warmup}"
            ));
        }
    }
    let Some(rate) = training.final_learning_rate else {
        return Ok(());
    };
    if training.schedule == ScheduleKind::Constant {
        return Err(format!(
            "training.final_learning_rate = {rate}: a constant learning rate does not end in \
             another; expected a training.schedule"
        ));
    }
    let whole = training.learning_rate;
    if !(0.0..=whole).contains(&rate) {
        return Err(format!(
            "training.final_learning_rate = {rate}: expected 0 to training.learning_rate = {whole}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the script beside it.
    const GOLDEN: &str = include_str!("../tests/golden/schedule.json");

    #[derive(Deserialize)]
    struct Case {
        training: TrainingConfig,
        /// Rates by the number of steps done before.
        rates: Vec<(u64, f64)>,
    }

    #[test]
    fn rates_are_those_of_numpy() {
        let cases: Vec<Case> = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(cases.len(), 7);
        for case in cases {
            let schedule = Schedule::new(&case.training);
            for (done, expected) in case.rates {
                let found = case.training.learning_rate * schedule.factor(done);
                assert!(
                    (found - expected).abs() <= 1e-12 * case.training.learning_rate,
                    "{:?} after {done} steps: expected {expected}, found {found}",
                    case.training
                );
            }
        }
    }

    #[test]
    fn without_a_schedule_the_rate_is_the_configured_one_to_the_bit() {
        let schedule = Schedule::new(&TrainingConfig::default());
        for done in [0, 1, 99_999, 100_000, u64::MAX / 2] {
            assert_eq!(schedule.factor(done).to_bits(), 1.0_f64.to_bits());
        }
    }

    #[test]
    fn contradictions_name_their_keys() {
        for (text, expected) in [
            (
                "schedule_steps = 5",
                "schedule_steps = 5: only a linear or cosine",
            ),
            (
                "schedule = \"linear\"\nwarmup_steps = 5\nschedule_steps = 5",
                "more than training.warmup_steps = 5",
            ),
            ("final_learning_rate = 0.1", "expected a training.schedule"),
            (
                "schedule = \"cosine\"\nlearning_rate = 0.1\nfinal_learning_rate = 0.2",
                "0 to training.learning_rate = 0.1",
            ),
            (
                "schedule = \"linear\"\nfinal_learning_rate = nan",
                "final_learning_rate = NaN",
            ),
        ] {
            let training: TrainingConfig = toml::from_str(text).unwrap();
            let error = check(&training).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        let text =
            "schedule = \"inverse-square-root\"\nfinal_learning_rate = 1e-5\nwarmup_steps = 5";
        assert_eq!(check(&toml::from_str(text).unwrap()), Ok(()));
    }
}
