//! k-means by cosines.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::SearchError;
use crate::blocks::{LEFT, products, ranges, scales};
use crate::kernels;
use crate::matrix::Matrix;

/// Options of k-means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeansOptions {
    /// The number of clusters.
    pub clusters: usize,
    /// The seed of the choice of initial centres; 0 by default.
    pub seed: u64,
    /// The largest number of rounds; 100 by default.
    pub rounds: usize,
}

impl KMeansOptions {
    /// The default options for a number of clusters.
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
    /// The centres, scaled to length 1, `[clusters, width]`.
    pub centres: Vec<f32>,
    /// The number of rounds.
    pub rounds: usize,
    /// Whether the assignments stopped changing.
    pub converged: bool,
}

impl Clusters {
    /// The rows of each cluster, in ascending order. A cluster is empty if there are fewer distinct
    /// rows than clusters.
    pub fn members(&self, clusters: usize) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); clusters];
        for (row, &cluster) in self.assignments.iter().enumerate() {
            members[cluster as usize].push(row);
        }
        members
    }
}

/// Clusters rows by cosine (spherical k-means; Dhillon and Modha 2001): each row belongs to the
/// nearest centre, and a centre is the mean of its rows. Rows and means are scaled to length 1.
///
/// The initial centres are rows far from each other (k-means++; Arthur and Vassilvitskii 2007). An
/// empty cluster restarts at the row that is farthest from its own centre. The result depends on
/// the rows, the options and the processor's vector instructions, but not on the number of threads.
///
/// # Errors
///
/// [`SearchError::Clusters`] for zero clusters or more than rows; [`SearchError::NotFinite`].
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
        // The last assignment is to the centres before the last update.
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

/// Chooses the initial centres: a row is drawn with a probability proportional to its squared
/// distance, 2 - 2 cos, from the nearest centre so far.
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
        // Exactly 0 in spite of rounding, so that no row is drawn twice.
        distances[row] = 0.0;
        centres.extend(centre);
    }
    Ok(centres)
}

/// The row at the fraction `share` of the cumulated distances; row 0 if all are 0.
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

/// Each row's nearest centre, the first of equally near ones, and the cosine.
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

/// The means of the clusters' rows, scaled to length 1.
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

/// The `count` rows farthest from their centres, farthest first, equally far ones in row order.
fn farthest(found: &[(u32, f32)], count: usize) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let mut rows: Vec<usize> = (0..found.len()).collect();
    rows.sort_by(|&a, &b| found[a].1.total_cmp(&found[b].1).then(a.cmp(&b)));
    rows.truncate(count);
    rows
}
