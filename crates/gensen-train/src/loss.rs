//! The loss of one batch, and the gradients it gives.

use burn::tensor::{Device, Int, Tensor};
use gensen_data::batch::{Batch, Sentences};
use gensen_model::dropout::Dropout;
use gensen_model::ops::indices;
use gensen_model::{Lookups, MultitaskModel};

use crate::optimizer::StepGradients;
use crate::precision::Autocast;

/// The number of items that each loss of a batch averages over: target words without `<s>`, or
/// examples.
pub fn counts(batch: &Batch) -> Vec<usize> {
    match batch {
        Batch::Seq2Seq(batch) => {
            let words = |target: &Sentences| target.ids.len().saturating_sub(target.len());
            batch.targets.iter().map(words).collect()
        }
        // One count per part of the loss.
        Batch::Distillation(batch) => vec![batch.sentences.len(); 3],
        Batch::Nli(_) | Batch::Pairs(_) | Batch::Classification(_) => vec![batch.len()],
    }
}

/// A loss and the number of correct predictions (argmax of the logits). `loss` must be present.
fn answered(
    loss: Option<(Tensor<1>, Tensor<2>)>,
    answers: impl ExactSizeIterator<Item = usize>,
) -> (Vec<Tensor<1>>, Option<Tensor<1>>) {
    #[allow(
        clippy::expect_used,
        reason = "a model is made with a head for each of the run's tasks"
    )]
    let (loss, logits) = loss.expect("the model has the task's head");
    let count = answers.len();
    let answers: Tensor<2, Int> = indices(&logits, answers).reshape([count, 1]);
    let correct = logits.argmax(1).equal(answers).int().sum().float();
    (vec![loss], Some(correct))
}

/// The losses of one batch on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// The mean loss of each target in nats per word, pair or label; for distillation, each part of
    /// the loss.
    pub losses: Vec<f64>,
    /// The number of target words or examples behind each loss.
    pub counts: Vec<usize>,
    /// The number of examples with a correct label, or whose partner ranked first; zero for other
    /// tasks.
    pub correct: usize,
}

impl Losses {
    /// Merges the losses of a batch's shares.
    pub fn join(mut shares: Vec<Self>) -> Self {
        if shares.len() == 1 {
            return shares.remove(0);
        }
        let mut joined = Self::default();
        let targets = shares.iter().map(|share| share.counts.len()).max();
        for target in 0..targets.unwrap_or(0) {
            let of_target = || {
                let both = |share: &Self| {
                    let loss = *share.losses.get(target)?;
                    Some((loss, *share.counts.get(target)?))
                };
                shares.iter().filter_map(both)
            };
            let count: usize = of_target().map(|(_, count)| count).sum();
            let sum: f64 = of_target().map(|(loss, count)| loss * count as f64).sum();
            joined.losses.push(sum / count.max(1) as f64);
            joined.counts.push(count);
        }
        joined.correct = shares.iter().map(|share| share.correct).sum();
        joined
    }
}

/// The losses of one batch on the device that computes them. Only [`Self::read`] waits for the
/// device.
#[derive(Debug)]
pub struct BatchLoss {
    /// The number of target words or examples behind each loss.
    counts: Vec<usize>,
    /// `[1]` each: the mean loss of each target, then the number of correct predictions for tasks
    /// that have them.
    values: Vec<Tensor<1>>,
    /// The sum of the losses and the embedding rows it depends on, until it is differentiated.
    graph: Option<(Tensor<1>, Lookups)>,
    /// The factor of the sum before it is differentiated.
    loss_scale: f32,
}

impl BatchLoss {
    /// Runs the model on `batch` in f32. `head` is the index of the task's first head among heads
    /// of its kind.
    pub fn new(model: &MultitaskModel, batch: &Batch, head: usize, dropout: &mut Dropout) -> Self {
        let (whole, autocast) = (counts(batch), Autocast::default());
        Self::of_share(model, batch, head, dropout, &whole, autocast)
    }

    /// Runs the model on `batch`, a share of a batch whose [`counts`] are `whole`. The
    /// differentiated loss is the share's part of the whole batch's loss, so that the shares'
    /// gradients add up to those of the whole batch: each mean is weighted by the share's count
    /// over the whole count.
    pub fn of_share(
        model: &MultitaskModel,
        batch: &Batch,
        head: usize,
        dropout: &mut Dropout,
        whole: &[usize],
        autocast: Autocast,
    ) -> Self {
        let mut lookups = Lookups::recorded().in_float_type(autocast.float_type);
        let mut counts = counts(batch);
        let recorded = &mut lookups;
        let (losses, correct) = match batch {
            Batch::Seq2Seq(batch) => {
                let losses = model.seq2seq_losses(batch, head, dropout, recorded);
                (losses, None)
            }
            Batch::Distillation(batch) => {
                let losses = model.distillation_losses(batch, head, dropout, recorded);
                #[allow(
                    clippy::expect_used,
                    reason = "a model is made with a head for each of the run's tasks"
                )]
                (losses.expect("the model has the task's head"), None)
            }
            Batch::Nli(batch) => {
                let labels = batch.labels.iter().map(|&label| label as usize);
                answered(model.inference_loss(batch, dropout, recorded), labels)
            }
            Batch::Classification(batch) => {
                let labels = batch.labels.iter().map(|&label| label as usize);
                answered(
                    model.classification_loss(batch, head, dropout, recorded),
                    labels,
                )
            }
            Batch::Pairs(batch) => {
                let partners = 0..batch.first.len();
                answered(
                    model.contrast_loss(batch, head, dropout, recorded),
                    partners,
                )
            }
        };
        counts.truncate(losses.len());
        let mut loss = Self::sum(losses, counts, whole, correct, lookups);
        loss.loss_scale = autocast.loss_scale;
        loss
    }

    fn sum(
        losses: Vec<Tensor<1>>,
        counts: Vec<usize>,
        whole: &[usize],
        correct: Option<Tensor<1>>,
        lookups: Lookups,
    ) -> Self {
        let values = losses.iter().map(|loss| loss.clone().inner());
        let values = values.chain(correct).collect();
        let parts = losses.into_iter().zip(counts.iter().zip(whole));
        let total = parts
            .map(|(loss, (&count, &whole))| {
                if count == whole {
                    loss
                } else {
                    loss * (count as f64 / whole.max(1) as f64)
                }
            })
            .reduce(|sum, loss| sum + loss);
        Self {
            counts,
            values,
            graph: total.map(|total| (total, lookups)),
            loss_scale: 1.0,
        }
    }

    /// The numbers to read back, `[1]` each, not tracked by automatic differentiation.
    pub fn values(&self) -> &[Tensor<1>] {
        &self.values
    }

    /// Interprets the numbers of [`Self::values`] once they are read back.
    pub fn losses(&self, numbers: &[f64]) -> Losses {
        let targets = self.counts.len().min(numbers.len());
        let correct = numbers.get(targets).copied().unwrap_or(0.0);
        Losses {
            losses: numbers[..targets].to_vec(),
            counts: self.counts.clone(),
            correct: correct as usize,
        }
    }

    /// Waits for the device and reads the losses.
    pub fn read(&self) -> Losses {
        if self.values.is_empty() {
            return self.losses(&[]);
        }
        let numbers = Tensor::cat(self.values.clone(), 0).into_data();
        self.losses(&numbers.iter().collect::<Vec<_>>())
    }

    /// Moves the numbers to read back to another device.
    #[must_use]
    pub fn to_device(mut self, device: &Device) -> Self {
        let values = self.values.into_iter();
        self.values = values.map(|value| value.to_device(device)).collect();
        self
    }

    /// The gradients of the sum of the losses, times the loss scale; empty on a second call.
    /// Tensors kept by the forward pass are dropped, so that the optimiser is the only owner of the
    /// parameters and updates them in place.
    pub fn backward(&mut self, model: &MultitaskModel) -> StepGradients {
        let Some((total, lookups)) = self.graph.take() else {
            return StepGradients::default();
        };
        let total = match self.loss_scale {
            1.0 => total,
            scale => total * scale,
        };
        StepGradients {
            loss_scale: self.loss_scale,
            ..StepGradients::take(model, &lookups, &mut total.backward())
        }
    }
}
