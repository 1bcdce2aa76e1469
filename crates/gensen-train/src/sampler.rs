//! Draws the task of each step and the index of the task's batch.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The number of past steps kept for readers that lag behind.
const REMEMBERED: usize = 4096;

/// Draws a task for each step, as a pure function of (seed, step).
///
/// Every `nli_every`-th step, counted from the first, trains an inference task; the others draw
/// another task by weight. If the tasks of a step are all of one sort, one of them is drawn by
/// weight.
#[derive(Debug)]
pub struct TaskSampler {
    seed: u64,
    weights: Vec<f64>,
    inference: Vec<bool>,
    nli_every: u64,
    /// The steps in which each task takes part.
    spans: Vec<Range<u64>>,
    positions: Mutex<Positions>,
}

#[derive(Debug)]
struct Positions {
    /// The next step to draw.
    next: u64,
    /// The number of batches that each task has had before `next`.
    given: Vec<u64>,
    /// (task, batch) of the steps just before `next`.
    recent: VecDeque<(usize, u64)>,
}

impl TaskSampler {
    /// `weights` and `inference` have one entry per task.
    pub fn new(seed: u64, weights: Vec<f64>, inference: Vec<bool>, nli_every: u64) -> Self {
        let given = vec![0; weights.len()];
        Self {
            seed,
            weights,
            inference,
            nli_every,
            spans: vec![0..u64::MAX; given.len()],
            positions: Mutex::new(Positions {
                next: 0,
                given,
                recent: VecDeque::new(),
            }),
        }
    }

    /// Restricts each task to a range of steps, counted from 0. Every step of the run must have a
    /// task.
    #[must_use]
    pub fn within(mut self, spans: Vec<Range<u64>>) -> Self {
        self.spans = spans;
        self
    }

    /// The task of a step counted from 0.
    pub fn task(&self, step: u64) -> usize {
        let takes_part = |task: usize| self.spans[task].contains(&step);
        let tasks = (0..self.weights.len()).filter(|&task| takes_part(task));
        let has = |inference: bool| tasks.clone().any(|task| self.inference[task] == inference);
        let mixed = has(true) && has(false);
        let wanted = mixed.then(|| step.is_multiple_of(self.nli_every.max(1)));
        let candidates = tasks
            .clone()
            .filter(|&task| wanted.is_none_or(|inference| self.inference[task] == inference));
        let total: f64 = candidates.clone().map(|task| self.weights[task]).sum();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let mut left = rng.random::<f64>() * total;
        let mut chosen = 0;
        for task in candidates {
            chosen = task;
            left -= self.weights[task];
            if left < 0.0 {
                break;
            }
        }
        chosen
    }

    /// The task of a step, and the number of batches that the task has had before.
    ///
    /// Steps are drawn once, in order; the last few thousand are kept.
    pub fn at(&self, step: u64) -> (usize, u64) {
        let mut positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let oldest = positions.next - positions.recent.len() as u64;
        if step < oldest {
            positions.next = 0;
            positions.given.fill(0);
            positions.recent.clear();
        }
        while positions.next <= step {
            let task = self.task(positions.next);
            let batch = positions.given[task];
            positions.given[task] += 1;
            positions.next += 1;
            positions.recent.push_back((task, batch));
            if positions.recent.len() > REMEMBERED {
                positions.recent.pop_front();
            }
        }
        let oldest = positions.next - positions.recent.len() as u64;
        positions.recent[(step - oldest) as usize]
    }

    /// The number of batches that each task has had before `step`.
    pub fn positions(&self, step: u64) -> Vec<u64> {
        let mut given = vec![0; self.weights.len()];
        (0..step).for_each(|step| given[self.task(step)] += 1);
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler() -> TaskSampler {
        TaskSampler::new(
            7,
            vec![1.0, 1.0, 2.0, 1.0],
            vec![false, false, false, true],
            10,
        )
    }

    #[test]
    fn every_tenth_step_is_inference_and_the_others_follow_the_weights() {
        let sampler = sampler();
        let given = sampler.positions(20_000);
        assert_eq!(given[3], 2_000);
        for (task, share) in [(0, 0.25), (1, 0.25), (2, 0.5)] {
            let found = given[task] as f64 / 18_000.0;
            assert!(
                (found - share).abs() < 0.02,
                "task {task}: {found} of the steps"
            );
        }
    }

    #[test]
    fn positions_are_a_function_of_the_step() {
        let ahead = sampler();
        let expected: Vec<_> = (0..9_000).map(|step| ahead.at(step)).collect();
        let seeking = sampler();
        for step in [8_999, 0, 5, 4_321, 8_998, 17] {
            assert_eq!(seeking.at(step), expected[step as usize], "step {step}");
        }
        let (task, batch) = expected[8_999];
        assert_eq!(sampler().positions(8_999)[task], batch);
    }

    #[test]
    fn tasks_take_part_in_their_steps_alone() {
        let spans = vec![0..300, 100..u64::MAX, 200..400, 150..250];
        let within = sampler().within(spans.clone());
        for step in 0..2_000 {
            assert!(spans[within.task(step)].contains(&step), "step {step}");
        }
        // Every tenth step trains inference while it is active together with other tasks.
        let inference = |step: &u64| within.task(*step) == 3;
        assert!((0..2_000).filter(inference).eq((150..250).step_by(10)));
        // Otherwise tasks are drawn as if they were the only ones.
        assert!((0..100).all(|step| within.task(step) == 0));
        let all = sampler().within(vec![0..u64::MAX; 4]);
        assert!((0..2_000).all(|step| all.task(step) == sampler().task(step)));
    }

    #[test]
    fn a_single_kind_of_task_takes_every_step() {
        let only = TaskSampler::new(1, vec![1.0], vec![true], 10);
        assert!((0..50).all(|step| only.task(step) == 0));
    }
}
