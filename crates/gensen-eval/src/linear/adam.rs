//! SentEval's own classifier: softmax regression trained with Adam and stopped early.
//!
//! This is not good practice (regularisation hardly matters, the stopping point does), but published numbers were made
//! with it. Initial weights and batches equal PyTorch's and NumPy's, so results differ from SentEval's only by rounding.
//!
//! All penalties of a grid start from the same weights and see the same batches. They are trained together, so that each
//! feature is loaded from memory once.

use super::examples::Subset;
use super::kernels;
use super::model::{AdamModel, LinearModel, softmax};
use super::{LossReduction, SentEvalOptions};
use crate::error::{EvalError, Result};
use crate::metrics;
use crate::random::MersenneTwister;

const BATCH: usize = 64;
/// Epochs between evaluations on the development data.
const EPOCHS_PER_CHECK: usize = 4;
const MAX_EPOCHS: usize = 200;
/// Patience: evaluations without improvement, counted over the whole run.
const TENACITY: usize = 5;
/// The share of the training data held out when no development set is given.
const HELD_OUT: f64 = 0.05;

/// A trained classifier and its training's result.
#[derive(Clone, Debug)]
pub(crate) struct AdamFit {
    pub model: LinearModel,
    /// The best accuracy on the development data, 0..=1.
    pub dev_accuracy: f64,
    /// Epochs trained.
    pub epochs: usize,
}

/// Trains one classifier for each penalty, stopping each by its accuracy on `dev`.
pub(crate) fn fit_with_dev(
    train: &Subset<'_>,
    dev: &Subset<'_>,
    classes: u32,
    decays: &[f32],
    options: SentEvalOptions,
) -> Result<Vec<AdamFit>> {
    train_all(
        MersenneTwister::new(options.seed),
        train,
        dev,
        classes,
        decays,
        options,
    )
}

/// As [`fit_with_dev`] for one penalty, with a random twentieth of `data` as `dev`.
pub(crate) fn fit_with_held_out(
    data: &Subset<'_>,
    classes: u32,
    decay: f32,
    options: SentEvalOptions,
) -> Result<LinearModel> {
    let mut rng = MersenneTwister::new(options.seed);
    let order = rng.permutation(data.rows.len());
    let (dev, train) = order.split_at((HELD_OUT * order.len() as f64) as usize);
    let fits = train_all(
        rng,
        &data.pick(train),
        &data.pick(dev),
        classes,
        &[decay],
        options,
    )?;
    fits.into_iter()
        .next()
        .map(|fit| fit.model)
        .ok_or_else(|| EvalError::shape("fits", 1, 0))
}

struct Contestant {
    decay: f32,
    state: AdamModel,
    /// For two classes, the difference of their weights, on which alone the prediction depends.
    difference: Vec<f32>,
    best: AdamFit,
    failures: usize,
    stopped: bool,
}

impl Contestant {
    fn update_difference(&mut self) {
        if let [zero, one] = self.state.model.columns().collect::<Vec<_>>()[..] {
            let pairs = one.iter().zip(zero);
            self.difference.clear();
            self.difference.extend(pairs.map(|(one, zero)| one - zero));
        }
    }

    fn columns(&self) -> Vec<&[f32]> {
        if self.difference.is_empty() {
            self.state.model.columns().collect()
        } else {
            vec![&self.difference]
        }
    }

    fn check(&mut self, dev: &Subset<'_>, labels: &[u32], epochs: usize) {
        let accuracy = metrics::accuracy(&self.state.model.predict(dev), labels);
        self.best.epochs = epochs;
        if accuracy > self.best.dev_accuracy {
            self.best.dev_accuracy = accuracy;
            self.best.model.clone_from(&self.state.model);
        } else {
            self.stopped = self.failures >= TENACITY;
            self.failures += 1;
        }
    }
}

fn train_all(
    mut rng: MersenneTwister,
    train: &Subset<'_>,
    dev: &Subset<'_>,
    classes: u32,
    decays: &[f32],
    options: SentEvalOptions,
) -> Result<Vec<AdamFit>> {
    if train.rows.is_empty() || dev.rows.is_empty() {
        let found = format!("{} and {}", train.rows.len(), dev.rows.len());
        return Err(EvalError::shape(
            "training and development examples",
            "at least one",
            found,
        ));
    }
    let width = train.examples.width();
    let dev_labels = dev.labels();
    // PyTorch has a generator of its own.
    let state = AdamModel::new(
        &mut MersenneTwister::new(options.seed),
        width,
        classes as usize,
    );
    let mut contestants: Vec<Contestant> = decays
        .iter()
        .map(|&decay| Contestant {
            decay,
            difference: Vec::new(),
            best: AdamFit {
                model: state.model.clone(),
                dev_accuracy: -1.0,
                epochs: 0,
            },
            state: state.clone(),
            failures: 0,
            stopped: false,
        })
        .collect();
    contestants
        .iter_mut()
        .for_each(Contestant::update_difference);

    let mut step = StepBuffers::new(width, options.reduction);
    let mut epochs = 0;
    while epochs <= MAX_EPOCHS && contestants.iter().any(|c| !c.stopped) {
        for _ in 0..EPOCHS_PER_CHECK {
            let order = rng.permutation(train.rows.len());
            for batch in order.chunks(BATCH) {
                step.run(train, batch, &mut contestants);
            }
        }
        epochs += EPOCHS_PER_CHECK;
        for contestant in contestants.iter_mut().filter(|c| !c.stopped) {
            contestant.check(dev, &dev_labels, epochs);
        }
    }
    Ok(contestants.into_iter().map(|c| c.best).collect())
}

/// Buffers of one optimiser step for all contestants.
struct StepBuffers {
    width: usize,
    reduction: LossReduction,
    gradients: Vec<f32>,
}

impl StepBuffers {
    fn new(width: usize, reduction: LossReduction) -> Self {
        Self {
            width,
            reduction,
            gradients: Vec::new(),
        }
    }

    fn run(&mut self, train: &Subset<'_>, batch: &[u32], contestants: &mut [Contestant]) {
        let ids: Vec<u32> = batch.iter().map(|&i| train.rows[i as usize]).collect();
        let rows: Vec<&[f32]> = ids.iter().map(|&i| train.examples.row(i)).collect();
        let mut running: Vec<&mut Contestant> =
            contestants.iter_mut().filter(|c| !c.stopped).collect();

        let columns: Vec<&[f32]> = running.iter().flat_map(|c| c.columns()).collect();
        let count = columns.len();
        let per_model = count / running.len().max(1);
        let scale = match self.reduction {
            LossReduction::Mean => 1.0 / rows.len() as f32,
            LossReduction::Sum => 1.0,
        };
        let mut bias_gradients = vec![0.0; count];
        let derive = |row: usize, scores: &mut [f32]| {
            let label = train.examples.label(ids[row]);
            for (scores, contestant) in scores.chunks_exact_mut(per_model).zip(&running) {
                derivatives(scores, &contestant.state.model.biases, label, scale);
            }
            let sums = bias_gradients.iter_mut().zip(scores);
            sums.for_each(|(sum, error)| *sum += *error);
        };
        self.gradients.resize(count * self.width, 0.0);
        kernels::gradients(&rows, &columns, derive, &mut self.gradients);
        let weights = self.gradients.chunks_exact(per_model * self.width);
        let gradients = weights.zip(bias_gradients.chunks_exact(per_model));
        for (contestant, (weights, biases)) in running.iter_mut().zip(gradients) {
            contestant.state.step(contestant.decay, |output| {
                if per_model == 1 {
                    (if output == 1 { 1.0 } else { -1.0 }, weights, biases[0])
                } else {
                    (
                        1.0,
                        &weights[output * self.width..][..self.width],
                        biases[output],
                    )
                }
            });
            contestant.update_difference();
        }
    }
}

/// Turns scores without biases into `scale * (softmax - one-hot)`. A single score is the difference of two classes; its
/// derivative is that of the second.
fn derivatives(scores: &mut [f32], biases: &[f32], label: u32, scale: f32) {
    if let ([score], [zero, one]) = (&mut *scores, biases) {
        let probability = 1.0 / (1.0 + (-(*score + (one - zero))).exp());
        *score = scale * (probability - label as f32);
        return;
    }
    scores
        .iter_mut()
        .zip(biases)
        .for_each(|(score, bias)| *score += bias);
    softmax(scores);
    for (class, score) in scores.iter_mut().enumerate() {
        *score = scale * (*score - f32::from(u8::from(class as u32 == label)));
    }
}
