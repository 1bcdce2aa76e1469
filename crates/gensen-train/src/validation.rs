//! Held-out losses and accuracy, and the effective rank of sentence vectors.

use std::time::Instant;

use burn::tensor::Tensor;
use faer::{Mat, Side};
use gensen_data::batch::{Batch, BatchSize, Sentences};
use gensen_data::dataset::Dataset;
use gensen_model::MultitaskModel;
use gensen_model::dropout::Dropout;

use crate::error::TrainError;
use crate::loss::BatchLoss;
use crate::metrics::{Metric, Output, Split};

/// The number of sentences for the effective rank.
const RANK_SENTENCES: usize = 500;

/// One task's held-out data.
#[derive(Clone, Copy, Debug)]
pub struct HeldOut<'a> {
    /// The examples.
    pub data: &'a Dataset,
    /// The split they belong to.
    pub split: Split,
    /// The task's outputs.
    pub outputs: &'a [Output],
    /// The index of the task's first head among heads of its kind.
    pub head: usize,
    /// The batch size.
    pub batch: BatchSize,
}

impl HeldOut<'_> {
    /// Losses (a mean over words, weighted by words) and accuracy. `model` must not be tracked by
    /// automatic differentiation.
    ///
    /// # Errors
    ///
    /// Examples that cannot be read.
    pub fn measure(&self, model: &MultitaskModel, step: u64) -> Result<Vec<Metric>, TrainError> {
        let started = Instant::now();
        let mut losses = vec![0.0; self.outputs.len()];
        let mut counts = vec![0_u64; self.outputs.len()];
        let mut correct = 0_u64;
        for batch in self.data.sequential(self.batch) {
            let loss = BatchLoss::new(model, &batch?, self.head, &mut Dropout::off()).read();
            for (k, (value, count)) in loss.losses.iter().zip(&loss.counts).enumerate() {
                losses[k] += value * *count as f64;
                counts[k] += *count as u64;
            }
            correct += loss.correct as u64;
        }
        let seconds = started.elapsed().as_secs_f64();
        let metric = |(k, output): (usize, &Output)| {
            let loss = losses[k] / counts[k].max(1) as f64;
            Metric {
                loss: Some(loss),
                perplexity: output.perplexity(loss),
                accuracy: output.accuracy(correct, counts[k]),
                count: Some(counts[k]),
                seconds: Some(seconds),
                ..Metric::new(step, self.split, &output.name)
            }
        };
        Ok(self.outputs.iter().enumerate().map(metric).collect())
    }

    /// Seconds that [`Self::measure`] takes, estimated from its first `batches` batches.
    ///
    /// # Errors
    ///
    /// Examples that cannot be read.
    pub fn seconds(&self, model: &MultitaskModel, batches: usize) -> Result<f64, TrainError> {
        let loss =
            |batch: &Batch| BatchLoss::new(model, batch, self.head, &mut Dropout::off()).read();
        // The first pass over a batch is slower.
        if let Some(first) = self.data.sequential(self.batch).next() {
            loss(&first?);
        }
        let started = Instant::now();
        let mut examples = 0;
        for batch in self.data.sequential(self.batch).take(batches) {
            let batch = batch?;
            loss(&batch);
            examples += batch.len();
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok(seconds * self.data.len() as f64 / examples.max(1) as f64)
    }
}

/// The first `count` sentences of held-out data.
///
/// # Errors
///
/// Examples that cannot be read.
pub fn first_sentences(
    data: &Dataset,
    size: BatchSize,
    count: usize,
) -> Result<Sentences, TrainError> {
    let mut sentences = Sentences::default();
    for batch in data.sequential(size) {
        let batch = batch?;
        for sentence in batch.first_sentences().iter().take(count - sentences.len()) {
            sentences.push(sentence);
        }
        if sentences.len() == count {
            break;
        }
    }
    Ok(sentences)
}

/// The effective rank of a data set's sentence vectors, by the model's own pooling.
///
/// # Errors
///
/// Examples that cannot be read.
pub fn effective_rank(
    model: &MultitaskModel,
    data: &Dataset,
    step: u64,
    size: BatchSize,
) -> Result<Metric, TrainError> {
    let sentences = first_sentences(data, size, RANK_SENTENCES)?;
    let vectors = model.encode(&sentences, &mut Dropout::off());
    Ok(Metric {
        effective_rank: Some(effective_rank_of(vectors)),
        count: Some(sentences.len() as u64),
        ..Metric::new(step, Split::Validation, "encoder")
    })
}

/// `exp` of the entropy of the variance spectrum of vectors `[sentences, width]`
/// (Roy and Vetterli, EUSIPCO 2007); 0 when they are all the same.
fn effective_rank_of(vectors: Tensor<2>) -> f64 {
    let [n, width] = vectors.dims();
    let centred = vectors.clone() - vectors.mean_dim(0);
    // The non-zero eigenvalues of X X^T and X^T X are the same; take the smaller matrix.
    let gram = if n <= width {
        centred.clone().matmul(centred.transpose())
    } else {
        centred.clone().transpose().matmul(centred)
    };
    let size = n.min(width);
    let numbers: Vec<f64> = gram.into_data().iter::<f64>().collect();
    let gram = Mat::from_fn(size, size, |i, j| numbers[i * size + j]);
    let Ok(eigenvalues) = gram.self_adjoint_eigenvalues(Side::Lower) else {
        return 0.0;
    };
    let total: f64 = eigenvalues.iter().filter(|x| **x > 0.0).sum();
    if total.is_nan() || total <= 1e-12 {
        return 0.0;
    }
    let shares = eigenvalues
        .iter()
        .map(|x| x / total)
        .filter(|share| *share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn effective_rank_counts_directions() {
        let device = Device::flex();
        let identity = Tensor::<2>::eye(8, &device) * 3.0;
        let rank = effective_rank_of(identity);
        assert!(
            (rank - 7.0).abs() < 1e-3,
            "eight corners of a simplex span 7: {rank}"
        );
        let line = Tensor::<2>::from_floats([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], &device);
        let rank = effective_rank_of(line);
        assert!((rank - 1.0).abs() < 1e-3, "points on a line: {rank}");
        assert_eq!(effective_rank_of(Tensor::ones([5, 3], &device)), 0.0);
    }
}
