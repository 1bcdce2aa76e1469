//! Checks of the keys that a task may override: steps, batch size, weights.

use gensen_data::spec::TaskSpec;

/// Checks the tasks' own keys in a run of `steps` steps; the error is the problem.
pub(super) fn check(tasks: &[TaskSpec], steps: u64) -> Result<(), String> {
    for task in tasks {
        let name = &task.name;
        let span = task.steps();
        if span.is_empty() {
            return Err(format!(
                "until_step = {} of task `{name}`: expected more than its from_step, {}",
                span.end, span.start
            ));
        }
        if let (Some(sentences), Some(words)) = (task.batch_size, task.batch_words) {
            return Err(format!(
                "batch_size = {sentences} and batch_words = {words} of task `{name}`: expected \
                 one of the two"
            ));
        }
        for (key, value) in [
            ("batch_size", task.batch_size),
            ("batch_words", task.batch_words),
        ] {
            if value == Some(0) {
                return Err(format!(
                    "{key} = 0 of task `{name}`: expected a positive number"
                ));
            }
        }
        for (key, value) in [("weight", task.weight), ("loss_weight", task.loss_weight)] {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
                return Err(format!(
                    "{key} = {value} of task `{name}`: expected a positive number"
                ));
            }
        }
    }
    match first_step_without_task(tasks, steps) {
        None => Ok(()),
        Some(step) => Err(format!(
            "no task takes part after {step} of {steps} steps: expected from_step and until_step to \
             cover every step"
        )),
    }
}

/// The first step of a run, counted from 0, without a task.
fn first_step_without_task(tasks: &[TaskSpec], steps: u64) -> Option<u64> {
    let mut covered = 0;
    while covered < steps {
        let spans = tasks.iter().map(TaskSpec::steps);
        let end = spans.filter(|span| span.contains(&covered)).map(|s| s.end);
        match end.max() {
            Some(end) => covered = end,
            None => return Some(covered),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(own: &[&str]) -> Vec<TaskSpec> {
        let task = |(k, own): (usize, &&str)| {
            let text = format!("name = 't{k}'\nkind = 'translation'\ntrain = 'x'\n{own}");
            toml::from_str(&text).unwrap()
        };
        own.iter().enumerate().map(task).collect()
    }

    #[test]
    fn every_step_has_a_task() {
        for (own, expected) in [
            (&["", "from_step = 10"][..], None),
            (&["until_step = 40", "from_step = 40"], None),
            (&["until_step = 60", "from_step = 40"], None),
            (&["until_step = 100"], None),
            (&["from_step = 1", "until_step = 1"], None),
            (&["until_step = 40", "from_step = 41"], Some(40)),
            (&["from_step = 1"], Some(0)),
            (&["until_step = 99"], Some(99)),
            (
                &[
                    "until_step = 30",
                    "from_step = 20\nuntil_step = 50",
                    "from_step = 60",
                ],
                Some(50),
            ),
        ] {
            assert_eq!(
                first_step_without_task(&tasks(own), 100),
                expected,
                "{own:?}"
            );
        }
        let error = check(&tasks(&["until_step = 40"]), 100).unwrap_err();
        assert!(error.contains("after 40 of 100 steps"), "{error}");
    }

    #[test]
    fn mistakes_name_task_and_key() {
        for (own, expected) in [
            (
                "from_step = 5\nuntil_step = 5",
                "until_step = 5 of task `t0`",
            ),
            ("batch_size = 0", "batch_size = 0 of task `t0`"),
            ("batch_words = 0", "batch_words = 0 of task `t0`"),
            (
                "batch_size = 3\nbatch_words = 9",
                "batch_size = 3 and batch_words = 9 of task `t0`",
            ),
            ("loss_weight = 0", "loss_weight = 0 of task `t0`"),
            ("loss_weight = inf", "loss_weight = inf of task `t0`"),
            ("weight = -1", "weight = -1 of task `t0`"),
        ] {
            let error = check(&tasks(&[own]), 100).expect_err(own);
            assert!(error.contains(expected), "{own}: {error}");
        }
    }
}
