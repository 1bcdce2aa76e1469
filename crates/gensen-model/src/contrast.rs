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

/// Added to the logits of what is no negative.
const NOT_COUNTED: f32 = -1e9;

/// Rows of length 1, in f32 whatever the vectors are in.
fn unit_rows(vectors: Tensor<2>) -> Tensor<2> {
    let vectors = vectors.cast(DType::F32);
    let squares = vectors.clone().square().sum_dim(1);
    vectors / squares.clamp_min(1e-24).sqrt()
}

/// Mean cross-entropy `[1]` of `logits` `[n, m]`, the right column of each row being its own number.
fn diagonal_cross_entropy(logits: Tensor<2>) -> Tensor<1> {
    let [n, _] = logits.dims();
    let own = log_softmax(logits, 1).slice([0..n, 0..n]);
    let diagonal = Tensor::eye(n, &own.device());
    (own * diagonal).sum() / -(n as f64)
}

/// Which candidates are no negatives: `[n, n + negatives]`, none if all others are.
///
/// Another pair's second sentence is none if the two pairs have a sentence in common, and a
/// hard negative is none if it is a sentence of the pair. Which sentences are the same is what
/// [`PairsBatch::numbers`] says.
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

/// All sentences of a batch's pairs and its hard negatives, one after the other.
pub(crate) fn all_sentences(batch: &PairsBatch) -> Sentences {
    let mut all = batch.first.clone();
    batch.second.iter().for_each(|sentence| all.push(sentence));
    let negatives = batch.negatives.iter().filter(|ids| !ids.is_empty());
    negatives.for_each(|sentence| all.push(sentence));
    all
}

impl ContrastConfig {
    /// The mean loss `[1]`, in nats a pair, and the logits `[n, n + negatives]` of the first
    /// sentences' candidates, which are not tracked.
    ///
    /// `vectors` `[2 n + negatives, width]` are those of the first sentences, the second ones and the
    /// hard negatives. Cosines are divided by the temperature; each first sentence is to find its
    /// partner among all second sentences and hard negatives, and each second sentence its own
    /// among the first ones; the loss is the mean of both (Radford et al., 2021; with hard
    /// negatives as in Gao et al., 2021). With widths it is the mean over the vectors' beginnings
    /// of these widths and the whole vectors (Kusupati et al., 2022). `not_counted` is added to
    /// the logits.
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
            None => unreachable!("the whole width is one"),
        }
    }
}

/// Learns a teacher's vectors: a linear map from sentence vectors to them.
#[derive(Module, Debug)]
pub struct Distillation {
    /// `[teacher's width, width]`
    pub head: Dense,
    #[module(skip)]
    config: DistillationConfig,
}

impl Distillation {
    /// For sentence vectors of `width` numbers.
    pub fn new(config: &DistillationConfig, width: usize, init: &Initializer, name: &str) -> Self {
        let bound = 1.0 / (width as f32).sqrt();
        Self {
            head: Dense::new(init, name, [config.width, width], bound),
            config: config.clone(),
        }
    }

    /// The losses `[1]` each, times their weights, of those whose weight is not 0, for sentence
    /// vectors `[n, width]` and the teacher's `[n, teacher's width]`, row after row:
    ///
    /// 1. the mean of 1 - cosine between the mapped and the teacher's vector;
    /// 2. the mean cross-entropy of telling a sentence's own teacher's vector from the batch's, by
    ///    cosines with the mapped vector over the temperature;
    /// 3. the mean squared difference of the batch's two matrices of cosines, of the sentence
    ///    vectors themselves and of the teacher's.
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
