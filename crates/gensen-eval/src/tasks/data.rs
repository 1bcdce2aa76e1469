//! The contents of a task's files, ready for its protocol.

use ndarray::Array2;

use super::read::word_count;

/// Sentences, or pairs of them, with their classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// First sentences, words separated by one blank.
    pub sentences: Vec<String>,
    /// Second sentences of pairs; empty for single sentences.
    pub partners: Vec<String>,
    /// The class of each.
    pub labels: Vec<u32>,
}

impl Labelled {
    pub(super) fn push(&mut self, sentence: String, label: u32) {
        self.sentences.push(sentence);
        self.labels.push(label);
    }

    pub(super) fn push_pair(&mut self, first: String, second: String, label: u32) {
        self.partners.push(second);
        self.push(first, label);
    }

    /// Sorted in SentEval's order: by length, then the partner's length, then the label. Folds and batches are drawn by
    /// position, so the order is part of the protocol.
    pub(super) fn sorted(self) -> Self {
        let order = order(&self.sentences, &self.partners, |i| {
            f64::from(self.labels[i])
        });
        Self {
            labels: order.iter().map(|&i| self.labels[i]).collect(),
            partners: permuted(self.partners, &order),
            sentences: permuted(self.sentences, &order),
        }
    }

    /// As [`Self::sorted`], the partner's length first: SNLI's order.
    pub(super) fn sorted_by_partner(self) -> Self {
        let swap = |data: Self| Self {
            sentences: data.partners,
            partners: data.sentences,
            ..data
        };
        swap(swap(self).sorted())
    }

    /// The first `count` examples.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self {
            sentences: self.sentences.iter().take(count).cloned().collect(),
            partners: self.partners.iter().take(count).cloned().collect(),
            labels: self.labels.iter().take(count).copied().collect(),
        }
    }
}

/// Pairs of sentences with gold scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// First sentences.
    pub first: Vec<String>,
    /// Second sentences.
    pub second: Vec<String>,
    /// Gold scores.
    pub scores: Vec<f64>,
}

impl Scored {
    pub(super) fn push(&mut self, first: String, second: String, score: f64) {
        self.first.push(first);
        self.second.push(second);
        self.scores.push(score);
    }

    pub(super) fn sorted(self) -> Self {
        let order = order(&self.first, &self.second, |i| self.scores[i]);
        Self {
            scores: order.iter().map(|&i| self.scores[i]).collect(),
            first: permuted(self.first, &order),
            second: permuted(self.second, &order),
        }
    }
}

/// Captions, five per image, and the images' features.
#[derive(Clone, Debug, PartialEq)]
pub struct Captions {
    /// Captions `5 i` to `5 i + 4` describe image `i`.
    pub sentences: Vec<String>,
    /// `[images, width]`.
    pub images: Array2<f32>,
}

/// The feature vector of a pair with vectors u and v.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairFeatures {
    /// [|u - v|, u * v]
    Difference,
    /// [u, v, u * v, |u - v|]
    Inference,
}

/// A task's data, by the protocol it is scored with.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskData {
    /// Nested cross-validation.
    Nested {
        /// All examples.
        data: Labelled,
        /// Names of the classes, in the order of their numbers.
        classes: Vec<String>,
    },
    /// Cross-validation and a test set.
    CrossValidated {
        /// Training examples.
        train: Labelled,
        /// Test examples.
        test: Labelled,
        /// Names of the classes, in the order of their numbers.
        classes: Vec<String>,
    },
    /// Fixed splits.
    Split {
        /// Training examples.
        train: Labelled,
        /// Validation examples.
        valid: Labelled,
        /// Test examples.
        test: Labelled,
        /// Names of the classes, in the order of their numbers.
        classes: Vec<String>,
        /// Features of pairs.
        features: PairFeatures,
        /// Whether penalties are tried.
        regularised: bool,
    },
    /// Fixed splits, scored with increasing parts of the training data.
    LowResource {
        /// Training examples in the order in which they are added.
        train: Labelled,
        /// Validation examples.
        valid: Labelled,
        /// Test examples.
        test: Labelled,
        /// Numbers of training examples.
        sizes: Vec<usize>,
    },
    /// Supervised scores of pairs.
    Relatedness {
        /// Training pairs.
        train: Scored,
        /// Development pairs.
        dev: Scored,
        /// Test pairs.
        test: Scored,
    },
    /// Unsupervised scores of pairs by cosine.
    Similarity {
        /// Named sets of pairs.
        sets: Vec<(&'static str, Scored)>,
    },
    /// Image-caption retrieval.
    Retrieval {
        /// Training captions.
        train: Captions,
        /// Development captions.
        dev: Captions,
        /// Test captions.
        test: Captions,
    },
}

fn order(first: &[String], second: &[String], key: impl Fn(usize) -> f64) -> Vec<usize> {
    let length = |sentences: &[String], i: usize| sentences.get(i).map_or(0, |s| word_count(s));
    let keys: Vec<(usize, usize, f64)> = (0..first.len())
        .map(|i| (length(first, i), length(second, i), key(i)))
        .collect();
    let mut order: Vec<usize> = (0..first.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (keys[a], keys[b]);
        (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
    });
    order
}

fn permuted(values: Vec<String>, order: &[usize]) -> Vec<String> {
    if values.is_empty() {
        return values;
    }
    let mut values: Vec<Option<String>> = values.into_iter().map(Some).collect();
    order.iter().filter_map(|&i| values[i].take()).collect()
}
