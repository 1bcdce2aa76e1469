//! k-means by cosines.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::SearchError;
use crate::blocks::{LEFT, products, ranges, scales};
use crate::kernels;
use crate::matrix::Matrix;

/// How rows are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeansOptions {
    /// How many clusters.
    pub clusters: usize,
    /// Decides which rows are the first centres; 0 by default.
    pub seed: u64,
    /// Rounds at most; 100 by default.
    pub rounds: usize,
}

impl KMeansOptions {
    /// `clusters` clusters, the rest by default.
    pub fn new(clusters: usize) -> Self {
        Self {
            clusters,
            seed: 0,
            rounds: 100,
        }
    }
}

/// Rows in clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// The cluster of each row, from 0.
    pub assignments: Vec<u32>,
    /// The cosine of each row to its cluster's centre.
    pub cosines: Vec<f32>,
    /// The centres, of length 1, one after the other.
    pub centres: Vec<f32>,
    /// Rounds until nothing changed, or all that there were.
    pub rounds: usize,
    /// Whether it ended because nothing changed any more.
    pub converged: bool,
}

impl Clusters {
    /// The rows of each cluster, in order. None of a cluster if there were fewer distinct rows than clusters.
    pub fn members(&self, clusters: usize) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); clusters];
        for (row, &cluster) in self.assignments.iter().enumerate() {
            members[cluster as usize].push(row);
        }
        members
    }
}

/// Groups the rows by cosines: each is in the cluster whose centre is nearest, and a centre is the mean of its
/// rows, each and the mean scaled to length 1 (spherical k-means; Dhillon and Modha 2001).
///
/// The first centres are rows, drawn far from each other (k-means++; Arthur and Vassilvitskii 2007). A cluster
/// that loses all its rows starts anew at the row that is farthest from its centre. The result is a function
/// of the rows, the options and the machine's vector instructions, whatever the number of threads.
///
/// # Errors
///
/// [`SearchError::Clusters`] for no clusters or more than rows; [`SearchError::NotFinite`].
pub fn k_means(matrix: Matrix<'_>, options: &KMeansOptions) -> Result<Clusters, SearchError> {
    let (rows, clusters) = (matrix.rows(), options.clusters);
    if !(1..=rows).contains(&clusters) || u32::try_from(clusters).is_err() {
        return Err(SearchError::Clusters { clusters, rows });
    }
    let scales = scales(matrix)?;
    let mut centres = first_centres(matrix, &scales, options)?;
    let mut found: Vec<(u32, f32)> = Vec::new();
    let mut rounds = 0;
    let mut converged = false;
    while rounds < options.rounds.max(1) && !converged {
        rounds += 1;
        let now = assign(matrix, &scales, &centres);
        converged = now.len() == found.len() && now.iter().zip(&found).all(|(a, b)| a.0 == b.0);
        found = now;
        if !converged {
            centres = means(matrix, &scales, &found, clusters)?;
        }
    }
    if !converged {
        // Of the centres that are given back.
        found = assign(matrix, &scales, &centres);
    }
    let (assignments, cosines) = found.into_iter().unzip();
    Ok(Clusters {
        assignments,
        cosines,
        centres,
        rounds,
        converged,
    })
}

/// Rows far from each other: each is drawn with a probability that is proportional to its squared distance to
/// the nearest of those before it, which is 2 - 2 cos.
fn first_centres(
    matrix: Matrix<'_>,
    scales: &[f32],
    options: &KMeansOptions,
) -> Result<Vec<f32>, SearchError> {
    let rows = matrix.rows();
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut row = random.random_range(0..rows);
    let mut centres = Vec::with_capacity(options.clusters * matrix.width());
    let mut distances = vec![f32::INFINITY; rows];
    for k in 0..options.clusters {
        if k > 0 {
            row = draw(&distances, random.random());
        }
        let centre = matrix.unit_rows(row..row + 1)?;
        let blocks = distances.par_chunks_mut(LEFT).zip(ranges(rows, LEFT));
        blocks.for_each(|(distances, block)| {
            let floats = matrix.floats(block.clone());
            let numbers = floats.chunks_exact(matrix.width()).zip(&scales[block]);
            for (distance, (row, scale)) in distances.iter_mut().zip(numbers) {
                let cosine = kernels::product(row, &centre) * scale;
                *distance = distance.min((1.0 - cosine).max(0.0));
            }
        });
        // Rounding leaves a little, and a row is no second centre.
        distances[row] = 0.0;
        centres.extend(centre);
    }
    Ok(centres)
}

/// The row at this share of the sum of distances; the first row if all are 0.
fn draw(distances: &[f32], share: f64) -> usize {
    let sum: f64 = distances.iter().copied().map(f64::from).sum();
    let mut left = share * sum;
    let mut last = 0;
    for (row, &distance) in distances.iter().enumerate().filter(|(_, d)| **d > 0.0) {
        last = row;
        left -= f64::from(distance);
        if left < 0.0 {
            break;
        }
    }
    last
}

/// Each row's nearest centre, the first of equals, and its cosine.
fn assign(matrix: Matrix<'_>, scales: &[f32], centres: &[f32]) -> Vec<(u32, f32)> {
    let clusters = centres.len() / matrix.width();
    let blocks: Vec<Vec<(u32, f32)>> = ranges(matrix.rows(), LEFT)
        .map_init(Vec::new, |buffer, block: Range<usize>| {
            let floats = matrix.floats(block.clone());
            products(&floats, centres, matrix.width(), buffer);
            let rows = buffer.chunks_exact(clusters).zip(&scales[block]);
            rows.map(|(products, scale)| {
                let mut best = 0;
                for (cluster, product) in products.iter().enumerate() {
                    if *product > products[best] {
                        best = cluster;
                    }
                }
                (best as u32, products[best] * scale)
            })
            .collect()
        })
        .collect();
    blocks.concat()
}

/// The means of the clusters' rows, of length 1.
fn means(
    matrix: Matrix<'_>,
    scales: &[f32],
    found: &[(u32, f32)],
    clusters: usize,
) -> Result<Vec<f32>, SearchError> {
    let mut members = vec![Vec::new(); clusters];
    for (row, (cluster, _)) in found.iter().enumerate() {
        members[*cluster as usize].push(row);
    }
    let strays = members.iter().filter(|rows| rows.is_empty()).count();
    let mut strays = farthest(found, strays).into_iter();
    for rows in members.iter_mut().filter(|rows| rows.is_empty()) {
        rows.extend(strays.next());
    }
    let width = matrix.width();
    let means: Vec<Vec<f32>> = members
        .par_iter()
        .map(|rows| {
            let mut sum = vec![0.0_f64; width];
            for &row in rows {
                let scale = f64::from(scales[row]);
                let numbers = matrix.floats(row..row + 1);
                let numbers = sum.iter_mut().zip(numbers.iter());
                numbers.for_each(|(sum, &x)| *sum += f64::from(x) * scale);
            }
            let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
            let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
            sum.iter().map(|x| (x * scale) as f32).collect()
        })
        .collect();
    Ok(means.concat())
}

/// The rows that are farthest from their centres, the farthest first, and of equals the one that comes first.
fn farthest(found: &[(u32, f32)], count: usize) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let mut rows: Vec<usize> = (0..found.len()).collect();
    rows.sort_by(|&a, &b| found[a].1.total_cmp(&found[b].1).then(a.cmp(&b)));
    rows.truncate(count);
    rows
}
