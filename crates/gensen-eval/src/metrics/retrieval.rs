//! Image-caption retrieval: five captions an image, row `5 i + j` is caption `j` of image `i`.

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Captions that belong to one image.
pub(crate) const CAPTIONS: usize = 5;

/// Recalls in percent, and the median rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RetrievalScores {
    /// Recall at 1, percent.
    pub r1: f64,
    /// Recall at 5, percent.
    pub r5: f64,
    /// Recall at 10, percent.
    pub r10: f64,
    /// Median rank, counted from 1 and rounded down.
    pub median_rank: f64,
}

impl RetrievalScores {
    fn from_ranks(mut ranks: Vec<usize>) -> Self {
        ranks.sort_unstable();
        let n = ranks.len();
        let within = |k: usize| 100.0 * ranks.partition_point(|&r| r < k) as f64 / n.max(1) as f64;
        let middle = n / 2;
        let at = |i: usize| ranks.get(i).copied().unwrap_or(0) as f64;
        let median = if n % 2 == 1 {
            at(middle)
        } else {
            (at(middle.saturating_sub(1)) + at(middle)) / 2.0
        };
        Self {
            r1: within(1),
            r5: within(5),
            r10: within(10),
            median_rank: median.floor() + 1.0,
        }
    }

    /// The mean over several evaluations.
    pub fn mean(all: &[Self]) -> Self {
        let mean =
            |field: fn(&Self) -> f64| all.iter().map(field).sum::<f64>() / all.len().max(1) as f64;
        Self {
            r1: mean(|s| s.r1),
            r5: mean(|s| s.r5),
            r10: mean(|s| s.r10),
            median_rank: mean(|s| s.median_rank),
        }
    }

    /// The sum of the recalls, which early stopping watches.
    pub fn recalls(&self) -> f64 {
        self.r1 + self.r5 + self.r10
    }
}

/// Images as queries: the rank of the best of each image's five captions.
///
/// `images` holds one row for each caption (each image five times over), `captions` its caption.
pub fn image_to_text(
    images: ArrayView2<'_, f32>,
    captions: ArrayView2<'_, f32>,
) -> RetrievalScores {
    let captions = normalised(captions);
    let images = normalised(images);
    let ranks = (0..images.len() / CAPTIONS)
        .into_par_iter()
        .map(|i| {
            let scores: Vec<f32> = captions
                .iter()
                .map(|c| dot(&images[CAPTIONS * i], c))
                .collect();
            let own = CAPTIONS * i..CAPTIONS * (i + 1);
            let best = scores[own]
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, f32::max);
            scores.iter().filter(|&&s| s > best).count()
        })
        .collect();
    RetrievalScores::from_ranks(ranks)
}

/// Captions as queries: the rank of each caption's image among the images.
///
/// Rows as for [`image_to_text`].
pub fn text_to_image(
    images: ArrayView2<'_, f32>,
    captions: ArrayView2<'_, f32>,
) -> RetrievalScores {
    let images: Vec<_> = normalised(images).into_iter().step_by(CAPTIONS).collect();
    let captions = normalised(captions);
    let ranks = (0..captions.len() / CAPTIONS * CAPTIONS)
        .into_par_iter()
        .map(|i| {
            let scores: Vec<f32> = images
                .iter()
                .map(|image| dot(image, &captions[i]))
                .collect();
            scores.iter().filter(|&&s| s > scores[i / CAPTIONS]).count()
        })
        .collect();
    RetrievalScores::from_ranks(ranks)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn normalised(rows: ArrayView2<'_, f32>) -> Vec<Vec<f32>> {
    rows.rows()
        .into_iter()
        .map(|row| {
            let row = row.to_vec();
            let norm = dot(&row, &row).sqrt().max(f32::MIN_POSITIVE);
            row.iter().map(|x| x / norm).collect()
        })
        .collect()
}
