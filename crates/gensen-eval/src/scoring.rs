//! Scoring of one task: vectors to features to its protocol.

use ndarray::Array2;

use crate::embedder::SentenceVectors;
use crate::error::Result;
use crate::linear::{Examples, SentEvalOptions};
use crate::metrics::{CAPTIONS, correlations, cosine, f1, percent};
use crate::protocol::{Classifier, Protocol, inner_k_fold, k_fold, split};
use crate::ranking::{CaptionedImages, rank_images};
use crate::relatedness::{CosineScores, ScoredPairs, relatedness};
use crate::scores::{Scores, Similarity};
use crate::tasks::{Captions, Labelled, PairFeatures, Scored, TaskData};

/// Width of the space captions and images are projected into.
const PROJECTION: usize = 1000;

/// Settings of scoring.
pub(crate) struct Scoring<'a> {
    pub classifier: Classifier,
    pub folds: usize,
    pub progress: &'a (dyn Fn(f64) + Sync),
}

impl TaskData {
    /// Every sentence of the task, in groups.
    pub fn sentences(&self) -> Vec<&[String]> {
        match self {
            Self::Nested { data, .. } => groups(&[data]),
            Self::CrossValidated { train, test, .. } => groups(&[train, test]),
            Self::Split {
                train, valid, test, ..
            }
            | Self::LowResource {
                train, valid, test, ..
            } => groups(&[train, valid, test]),
            Self::Relatedness { train, dev, test } => scored_groups([train, dev, test]),
            Self::Similarity { sets } => scored_groups(sets.iter().map(|(_, set)| set)),
            Self::Retrieval { train, dev, test } => [train, dev, test]
                .map(|part| part.sentences.as_slice())
                .to_vec(),
        }
    }
}

fn groups<'a>(parts: &[&'a Labelled]) -> Vec<&'a [String]> {
    parts
        .iter()
        .flat_map(|part| [part.sentences.as_slice(), part.partners.as_slice()])
        .collect()
}

fn scored_groups<'a>(parts: impl IntoIterator<Item = &'a Scored>) -> Vec<&'a [String]> {
    parts
        .into_iter()
        .flat_map(|part| [part.first.as_slice(), part.second.as_slice()])
        .collect()
}

/// Scores a task with the vectors of its sentences.
pub(crate) fn score(
    data: &TaskData,
    vectors: &SentenceVectors,
    scoring: &Scoring<'_>,
) -> Result<Scores> {
    let protocol = |classes| Protocol {
        progress: scoring.progress,
        ..Protocol::new(scoring.classifier, classes, scoring.folds)
    };
    let count = |classes: &[String]| classes.len() as u32;
    let options = match scoring.classifier {
        Classifier::SentEval(options) => options,
        Classifier::Lbfgs => SentEvalOptions::default(),
    };
    match data {
        TaskData::Nested { data, classes } => {
            let x = features(vectors, data, PairFeatures::Difference);
            let found = inner_k_fold(
                Examples::new(&x, &data.labels, count(classes))?,
                &protocol(count(classes)),
            )?;
            Ok(Scores::Accuracy {
                accuracies: found.mean,
                f1: None,
                folds: found.folds,
            })
        }
        TaskData::CrossValidated {
            train,
            test,
            classes,
        } => {
            let [train_x, test_x] =
                [train, test].map(|part| features(vectors, part, PairFeatures::Difference));
            let found = k_fold(
                Examples::new(&train_x, &train.labels, count(classes))?,
                Examples::new(&test_x, &test.labels, count(classes))?,
                &protocol(count(classes)),
            )?;
            let paraphrases = classes.len() == 2 && !test.partners.is_empty();
            let f1 = paraphrases.then(|| percent(f1(&found.predictions, &test.labels)));
            Ok(Scores::Accuracy {
                accuracies: found.accuracies,
                f1,
                folds: Vec::new(),
            })
        }
        TaskData::Split {
            train,
            valid,
            test,
            classes,
            features: kind,
            regularised,
        } => {
            let x = [train, valid, test].map(|part| features(vectors, part, *kind));
            let accuracies = split(
                Examples::new(&x[0], &train.labels, count(classes))?,
                Examples::new(&x[1], &valid.labels, count(classes))?,
                Examples::new(&x[2], &test.labels, count(classes))?,
                *regularised,
                &protocol(count(classes)),
            )?;
            Ok(Scores::Accuracy {
                accuracies,
                f1: None,
                folds: Vec::new(),
            })
        }
        TaskData::LowResource {
            train,
            valid,
            test,
            sizes,
        } => {
            let [valid_x, test_x] =
                [valid, test].map(|part| features(vectors, part, PairFeatures::Difference));
            let mut found = Vec::with_capacity(sizes.len());
            for &size in sizes {
                let part = train.first(size);
                let x = features(vectors, &part, PairFeatures::Difference);
                let accuracies = split(
                    Examples::new(&x, &part.labels, 2)?,
                    Examples::new(&valid_x, &valid.labels, 2)?,
                    Examples::new(&test_x, &test.labels, 2)?,
                    true,
                    &Protocol::new(scoring.classifier, 2, scoring.folds),
                )?;
                found.push((size, accuracies));
                (scoring.progress)(found.len() as f64 / sizes.len() as f64);
            }
            Ok(Scores::LowResource { sizes: found })
        }
        TaskData::Relatedness { train, dev, test } => {
            let x = [train, dev, test]
                .map(|part| vectors.of_pairs(&part.first, &part.second, &DIFFERENCE));
            let mut found = relatedness(
                ScoredPairs {
                    features: &x[0],
                    scores: &train.scores,
                },
                ScoredPairs {
                    features: &x[1],
                    scores: &dev.scores,
                },
                ScoredPairs {
                    features: &x[2],
                    scores: &test.scores,
                },
                options,
            )?;
            let cosine = |part| correlations(&similarities(vectors, part), &part.scores);
            found.cosine = Some(CosineScores {
                dev: cosine(dev),
                test: cosine(test),
            });
            Ok(Scores::Relatedness(found))
        }
        TaskData::Similarity { sets } => {
            let sets: Vec<(&str, Vec<f64>, &[f64])> = sets
                .iter()
                .map(|(name, set)| (*name, similarities(vectors, set), set.scores.as_slice()))
                .collect();
            Ok(Scores::Similarity(Similarity::new(&sets)))
        }
        TaskData::Retrieval { train, dev, test } => {
            let sentences = [train, dev, test].map(|part| vectors.of(&part.sentences));
            let images = [train, dev, test].map(repeated_images);
            let part = |i: usize| CaptionedImages {
                images: &images[i],
                captions: &sentences[i],
            };
            Ok(Scores::Retrieval(rank_images(
                part(0),
                part(1),
                part(2),
                PROJECTION,
                options.seed,
            )?))
        }
    }
}

const DIFFERENCE: [fn(f32, f32) -> f32; 2] = [|u, v| (u - v).abs(), |u, v| u * v];
const INFERENCE: [fn(f32, f32) -> f32; 4] =
    [|u, _| u, |_, v| v, |u, v| u * v, |u, v| (u - v).abs()];

fn features(vectors: &SentenceVectors, data: &Labelled, pairs: PairFeatures) -> Array2<f32> {
    if data.partners.is_empty() {
        return vectors.of(&data.sentences);
    }
    let parts: &[fn(f32, f32) -> f32] = match pairs {
        PairFeatures::Difference => &DIFFERENCE,
        PairFeatures::Inference => &INFERENCE,
    };
    vectors.of_pairs(&data.sentences, &data.partners, parts)
}

fn similarities(vectors: &SentenceVectors, set: &Scored) -> Vec<f64> {
    let (first, second) = (vectors.of(&set.first), vectors.of(&set.second));
    let rows = first.rows().into_iter().zip(second.rows());
    rows.map(|(u, v)| cosine(&u.to_vec(), &v.to_vec()))
        .collect()
}

fn repeated_images(part: &Captions) -> Array2<f32> {
    let rows: Vec<usize> = (0..part.sentences.len()).map(|i| i / CAPTIONS).collect();
    part.images.select(ndarray::Axis(0), &rows)
}
