//! Losses of sentence vectors by their cosines: contrast within a batch, and distillation.

use std::collections::HashSet;

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Tensor};
use gensen_data::batch::{PairsBatch, Sentences};

use crate::config::{ContrastConfig, DistillationConfig};
use crate::init::Initializer;
use crate::layers::Dense;
use crate::ops::floats;

/// Added to the logits of candidates that are not negatives.
const NOT_COUNTED: f32 = -1e9;

/// Normalises rows to length 1, in f32.
fn unit_rows(vectors: Tensor<2>) -> Tensor<2> {
    let vectors = vectors.cast(DType::F32);
    let squares = vectors.clone().square().sum_dim(1);
    vectors / squares.clamp_min(1e-24).sqrt()
}

/// Mean cross-entropy `[1]` of `logits` `[n, m]`, where the right column of row k is k.
fn diagonal_cross_entropy(logits: Tensor<2>) -> Tensor<1> {
    let [n, _] = logits.dims();
    let own = log_softmax(logits, 1).slice([0..n, 0..n]);
    let diagonal = Tensor::eye(n, &own.device());
    (own * diagonal).sum() / -(n as f64)
}

/// The mask to add to the logits `[n, n + negatives]` of candidates that are not negatives; `None`
/// if all are.
///
/// Another pair's second sentence is not a negative if the two pairs have a sentence in common, nor
/// is a hard negative that is a sentence of the pair. [`PairsBatch::numbers`] identifies equal
/// sentences.
pub fn not_counted(batch: &PairsBatch) -> Option<Vec<f32>> {
    let [first, second, negatives] = batch.numbers();
    let negatives = negatives.into_iter().zip(&batch.negatives.lengths);
    let negatives = negatives.filter(|(_, length)| **length > 0);
    let negatives: Vec<usize> = negatives.map(|(number, _)| number).collect();
    let all = first.iter().chain(&second).chain(&negatives);
    let different: HashSet<&usize> = all.collect();
    if different.len() == first.len() + second.len() + negatives.len() {
        return None;
    }
    let pairs: Vec<[usize; 2]> = first.into_iter().zip(second).map(Into::into).collect();
    let mut mask = Vec::with_capacity(pairs.len() * (pairs.len() + negatives.len()));
    for (i, own) in pairs.iter().enumerate() {
        let others = pairs.iter().enumerate();
        mask.extend(others.map(|(j, other)| i != j && other.iter().any(|s| own.contains(s))));
        mask.extend(negatives.iter().map(|negative| own.contains(negative)));
    }
    let value = |masked: &bool| if *masked { NOT_COUNTED } else { 0.0 };
    mask.contains(&true)
        .then(|| mask.iter().map(value).collect())
}

/// First sentences, second sentences and hard negatives of a batch, in this order.
pub(crate) fn all_sentences(batch: &PairsBatch) -> Sentences {
    let mut all = batch.first.clone();
    batch.second.iter().for_each(|sentence| all.push(sentence));
    let negatives = batch.negatives.iter().filter(|ids| !ids.is_empty());
    negatives.for_each(|sentence| all.push(sentence));
    all
}

impl ContrastConfig {
    /// The mean loss `[1]`, in nats per pair, and the logits `[n, n + negatives]` of the first
    /// sentences' candidates, not tracked.
    ///
    /// `vectors` `[2 n + negatives, width]` are those of the first sentences, the second sentences
    /// and the hard negatives. Logits are cosines over the temperature. The loss is the mean of two
    /// cross-entropies: of each first sentence's partner among all second sentences and hard
    /// negatives, and of each second sentence's partner among the first sentences (Radford et al.,
    /// 2021; hard negatives as in Gao et al., 2021). With widths, it is averaged over prefixes of
    /// these widths and the whole vectors (Kusupati et al., 2022). `not_counted` is added to the
    /// logits.
    pub fn loss(
        &self,
        vectors: Tensor<2>,
        n: usize,
        not_counted: Option<Vec<f32>>,
    ) -> (Tensor<1>, Tensor<2>) {
        let [rows, whole] = vectors.dims();
        let shorter = self.widths.iter().filter(|&&width| width < whole);
        let widths: Vec<usize> = shorter.copied().chain([whole]).collect();
        let count = widths.len() as f64;
        let mut mask = None;
        let mut sum: Option<Tensor<1>> = None;
        let mut last = None;
        for width in widths {
            let part = if width == whole {
                vectors.clone()
            } else {
                vectors.clone().slice([0..rows, 0..width])
            };
            let unit = unit_rows(part);
            let anchors = unit.clone().slice([0..n, 0..width]);
            let candidates = unit.slice([n..rows, 0..width]);
            let logits = anchors.matmul(candidates.transpose()) / self.temperature;
            let logits = match &not_counted {
                None => logits,
                Some(numbers) => {
                    let mask = mask.get_or_insert_with(|| floats(&logits, numbers.clone()));
                    logits + mask.clone()
                }
            };
            let back = logits.clone().slice([0..n, 0..n]).transpose();
            last = Some(logits.clone().inner());
            let loss = diagonal_cross_entropy(logits) + diagonal_cross_entropy(back);
            sum = Some(match sum {
                None => loss,
                Some(sum) => sum + loss,
            });
        }
        match sum.zip(last) {
            Some((sum, logits)) => (sum / (2.0 * count), logits),
            None => unreachable!("the whole width is always among the widths"),
        }
    }
}

/// The distillation head: a linear map from sentence vectors to a teacher's vectors.
#[derive(Module, Debug)]
pub struct Distillation {
    /// `[teacher's width, width]`
    pub head: Dense,
    #[module(skip)]
    config: DistillationConfig,
}

impl Distillation {
    /// A head for sentence vectors of `width` numbers.
    pub fn new(config: &DistillationConfig, width: usize, init: &Initializer, name: &str) -> Self {
        let bound = 1.0 / (width as f32).sqrt();
        Self {
            head: Dense::new(init, name, [config.width, width], bound),
            config: config.clone(),
        }
    }

    /// The losses, `[1]` each, times their weights, without those of weight 0. Takes sentence
    /// vectors `[n, width]` and the teacher's `[n, teacher's width]`, row after row:
    ///
    /// 1. the mean of 1 - cosine between the mapped and the teacher's vector;
    /// 2. the mean cross-entropy of each sentence's teacher vector among the batch's, by cosines with
    ///    the mapped vector over the temperature;
    /// 3. the mean squared difference of the batch's two matrices of cosines: of the unmapped
    ///    sentence vectors, and of the teacher's.
    pub fn losses(&self, vectors: Tensor<2>, teacher: Vec<f32>) -> Vec<Tensor<1>> {
        let config = &self.config;
        let vectors = vectors.cast(DType::F32);
        let mapped = self.head.forward(vectors.clone());
        let teacher = unit_rows(floats(&mapped, teacher));
        let mapped = unit_rows(mapped);
        let [n, _] = mapped.dims();
        let mut losses = Vec::new();
        if config.cosine_weight > 0.0 {
            let cosines = (mapped.clone() * teacher.clone()).sum() / n as f64;
            losses.push((-cosines + 1.0) * config.cosine_weight);
        }
        if config.contrast_weight > 0.0 {
            let cosines = mapped.matmul(teacher.clone().transpose());
            let loss = diagonal_cross_entropy(cosines / config.temperature);
            losses.push(loss * config.contrast_weight);
        }
        if config.matrix_weight > 0.0 {
            let unit = unit_rows(vectors);
            let own = unit.clone().matmul(unit.transpose());
            let wanted = teacher.clone().matmul(teacher.transpose());
            losses.push((own - wanted).square().mean() * config.matrix_weight);
        }
        losses
    }
}
