//! A linear model: weights, biases and predictions; and with Adam's moments.

use super::examples::Subset;
use super::kernels::{self, ClassifierStep};
use crate::random::MersenneTwister;

/// Rows per batch of predictions.
const PREDICT_ROWS: usize = 64;

/// Weights `[outputs, width]` in one slice and biases `[outputs]`.
///
/// One output is a binary classifier, class 1 above zero; more outputs are the classes' scores.
#[derive(Clone, Debug)]
pub(crate) struct LinearModel {
    pub width: usize,
    pub weights: Vec<f32>,
    pub biases: Vec<f32>,
}

impl LinearModel {
    pub(crate) fn columns(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.chunks_exact(self.width)
    }

    /// Calls `visit` with the scores of each row, biases added.
    pub(crate) fn for_each_score(&self, rows: &[&[f32]], mut visit: impl FnMut(&[f32])) {
        let columns: Vec<&[f32]> = self.columns().collect();
        let mut scores = vec![0.0; PREDICT_ROWS * columns.len()];
        for batch in rows.chunks(PREDICT_ROWS) {
            let scores = &mut scores[..batch.len() * columns.len()];
            kernels::scores(batch, &columns, scores);
            for row in scores.chunks_exact_mut(columns.len()) {
                row.iter_mut()
                    .zip(&self.biases)
                    .for_each(|(score, bias)| *score += bias);
                visit(row);
            }
        }
    }

    /// The class of each row.
    pub(crate) fn predict(&self, subset: &Subset<'_>) -> Vec<u32> {
        let rows: Vec<&[f32]> = subset
            .rows
            .iter()
            .map(|&i| subset.examples.row(i))
            .collect();
        let mut classes = Vec::with_capacity(rows.len());
        self.for_each_score(&rows, |scores| classes.push(argmax(scores)));
        classes
    }
}

/// The class with the highest score; the first of equals.
pub(crate) fn argmax(scores: &[f32]) -> u32 {
    if let [score] = scores {
        return u32::from(*score > 0.0);
    }
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = class;
        }
    }
    best as u32
}

/// Softmax in place.
pub(crate) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// A model with Adam's moments.
#[derive(Clone, Debug)]
pub(crate) struct AdamModel {
    pub model: LinearModel,
    first: LinearModel,
    second: LinearModel,
    steps: i32,
}

impl AdamModel {
    /// Initialised as PyTorch's `nn.Linear`.
    pub(crate) fn new(rng: &mut MersenneTwister, width: usize, outputs: usize) -> Self {
        let (weights, biases) = rng.torch_linear(width, outputs);
        let zeros = LinearModel {
            width,
            weights: vec![0.0; weights.len()],
            biases: vec![0.0; outputs],
        };
        Self {
            model: LinearModel {
                width,
                weights,
                biases,
            },
            first: zeros.clone(),
            second: zeros,
            steps: 0,
        }
    }

    /// One step; `gradient(o)` is `(sign, weights' gradient, bias's gradient)` of output `o`.
    pub(crate) fn step<'g>(
        &mut self,
        decay: f32,
        gradient: impl Fn(usize) -> (f32, &'g [f32], f32),
    ) {
        self.steps += 1;
        let step = ClassifierStep::new(self.steps, decay);
        let width = self.model.width;
        for (output, bias) in self.model.biases.iter_mut().enumerate() {
            let at = output * width..(output + 1) * width;
            let (sign, weights, bias_gradient) = gradient(output);
            step.apply(
                sign,
                weights,
                &mut self.model.weights[at.clone()],
                &mut self.first.weights[at.clone()],
                &mut self.second.weights[at],
            );
            step.apply(
                sign,
                &[bias_gradient],
                std::slice::from_mut(bias),
                &mut self.first.biases[output..=output],
                &mut self.second.biases[output..=output],
            );
        }
    }
}
