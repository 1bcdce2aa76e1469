//! The loss of one batch, and the gradients it gives.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use gensen_data::batch::Batch;
use gensen_model::dropout::Dropout;
use gensen_model::{Lookups, MultitaskModel};

use crate::optimizer::StepGradients;

/// The losses of one batch.
#[derive(Debug)]
pub struct BatchLoss {
    /// The mean loss in nats of each target: a word of each decoder's target, or a pair.
    pub losses: Vec<f64>,
    /// Target words, or pairs.
    pub counts: Vec<usize>,
    /// Pairs whose label was guessed right; zero for other tasks.
    pub correct: usize,
    /// The sum of the losses, if there are any, and the embedding rows they depend on, until
    /// differentiated.
    graph: Option<(Tensor<1>, Lookups)>,
}

impl BatchLoss {
    /// Runs the model on `batch`, a task whose first decoder is `first_decoder`.
    pub fn new(
        model: &MultitaskModel,
        batch: &Batch,
        first_decoder: usize,
        dropout: &mut Dropout,
    ) -> Self {
        let mut lookups = Lookups::recorded();
        match batch {
            Batch::Seq2Seq(batch) => {
                let losses = model.seq2seq_losses(batch, first_decoder, dropout, &mut lookups);
                let words = |sentences: &gensen_data::batch::Sentences| {
                    sentences.ids.len().saturating_sub(sentences.len())
                };
                let counts = batch.targets.iter().map(words).collect();
                Self::sum(losses, counts, 0, lookups)
            }
            Batch::Nli(batch) => {
                let Some(logits) = model.inference_logits(batch, dropout, &mut lookups) else {
                    return Self::sum(Vec::new(), Vec::new(), 0, lookups);
                };
                let pairs = batch.labels.len();
                let labels: Vec<i64> = batch.labels.iter().map(|&l| i64::from(l)).collect();
                let labels = TensorData::new(labels, [pairs, 1]);
                let labels = Tensor::<2, Int>::from_data(labels, &logits.device());
                let guesses = logits.clone().inner().argmax(1);
                let correct = guesses.equal(labels.clone().inner()).int().sum();
                let correct = correct.into_data().iter::<i64>().sum::<i64>();
                let loss = -log_softmax(logits, 1).gather(1, labels).mean();
                let correct = correct.unsigned_abs() as usize;
                Self::sum(vec![loss], vec![pairs], correct, lookups)
            }
        }
    }

    fn sum(losses: Vec<Tensor<1>>, counts: Vec<usize>, correct: usize, lookups: Lookups) -> Self {
        let values = losses.iter().map(|loss| {
            let data = loss.clone().inner().into_data();
            data.iter::<f64>().sum()
        });
        let losses_on_host = values.collect();
        let total = losses.into_iter().reduce(|sum, loss| sum + loss);
        Self {
            losses: losses_on_host,
            counts,
            correct,
            graph: total.map(|total| (total, lookups)),
        }
    }

    /// The gradients of the sum of the losses; none when asked again. What the forward pass kept is
    /// let go, so that the optimiser finds parameters that nobody else holds and updates them in
    /// place.
    pub fn backward(&mut self, model: &MultitaskModel) -> StepGradients {
        let Some((total, lookups)) = self.graph.take() else {
            return StepGradients::default();
        };
        StepGradients::take(model, &lookups, &mut total.backward())
    }
}
