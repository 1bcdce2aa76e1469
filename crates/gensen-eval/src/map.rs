//! Two-dimensional maps of sentence vectors, and their nearest neighbours.

use std::path::Path;

#[cfg(feature = "tsne")]
use bhtsne::tSNE;
#[cfg(any(test, feature = "tsne"))]
use ndarray::s;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Cause, EvalError, Result};
use crate::evaluate::write_whole;
use crate::metrics::cosine;
use crate::random::MersenneTwister;

/// Principal components for t-SNE's distances.
#[cfg(feature = "tsne")]
const COMPONENTS: usize = 50;
const POWER_ITERATIONS: usize = 30;
/// Fewest vectors of a map.
const FEWEST: usize = 5;

/// Projection of vectors to points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Projection {
    /// The two directions of largest variance.
    #[default]
    Pca,
    /// t-SNE (van der Maaten and Hinton 2008) of the first 50 principal components, initialised with the first
    /// two.
    #[cfg(feature = "tsne")]
    Tsne,
}

/// Points `[sentences, 2]` of vectors `[sentences, width]`.
///
/// # Errors
///
/// [`EvalError::Shape`] for fewer than five vectors or less than two values in each.
pub fn project(vectors: ArrayView2<'_, f32>, projection: Projection) -> Result<Array2<f32>> {
    let (count, width) = vectors.dim();
    if count < FEWEST || width < 2 {
        let expected = format!("at least [{FEWEST}, 2]");
        return Err(EvalError::shape(
            "vectors of a map",
            expected,
            format!("[{count}, {width}]"),
        ));
    }
    match projection {
        Projection::Pca => Ok(principal_components(vectors, 2)),
        #[cfg(feature = "tsne")]
        Projection::Tsne => {
            let components = principal_components(vectors, COMPONENTS.min(width).min(count));
            let rows: Vec<Vec<f32>> = components
                .rows()
                .into_iter()
                .map(|row| row.to_vec())
                .collect();
            // Small, as usual, so that the initial layout does not dominate.
            let spread = components.column(0).std(0.0).max(f32::MIN_POSITIVE);
            let start: Vec<f32> = components
                .slice(s![.., ..2])
                .iter()
                .map(|x| 1e-4 * x / spread)
                .collect();
            let mut tsne: tSNE<'_, f32, Vec<f32>> = tSNE::new(&rows);
            tsne.perplexity(30f32.min((count - 1) as f32 / 3.0))
                .initial_embedding(start);
            tsne.barnes_hut(0.5, |a, b| {
                a.iter()
                    .zip(b)
                    .map(|(a, b)| (a - b) * (a - b))
                    .sum::<f32>()
                    .sqrt()
            });
            Array2::from_shape_vec((count, 2), tsne.embedding())
                .map_err(|error| EvalError::shape("points", count, error))
        }
    }
}

/// Coordinates in the first `count` principal directions, by subspace iteration.
fn principal_components(vectors: ArrayView2<'_, f32>, count: usize) -> Array2<f32> {
    let mean = vectors
        .mean_axis(Axis(0))
        .unwrap_or_else(|| Array1::zeros(vectors.ncols()));
    let centred = &vectors - &mean;
    let mut rng = MersenneTwister::new(1111);
    let mut directions =
        Array2::from_shape_fn((vectors.ncols(), count), |_| rng.uniform_f32() - 0.5);
    orthonormalise(&mut directions);
    for _ in 0..POWER_ITERATIONS {
        directions = centred.t().dot(&centred.dot(&directions));
        orthonormalise(&mut directions);
    }
    centred.dot(&directions)
}

/// Gram-Schmidt, twice per column against rounding errors.
fn orthonormalise(columns: &mut Array2<f32>) {
    for j in 0..columns.ncols() {
        let (before, mut rest) = columns.view_mut().split_at(Axis(1), j);
        let mut column = rest.column_mut(0);
        for _ in 0..2 {
            let along = before.t().dot(&column);
            let shadow = before.dot(&along);
            column -= &shadow;
        }
        let norm = column.dot(&column).sqrt();
        column.mapv_inplace(|x| if norm > 0.0 { x / norm } else { 0.0 });
    }
}

/// Draws points `[sentences, 2]` as an SVG file, coloured by label.
///
/// # Errors
///
/// [`EvalError::Shape`] if points and labels differ in number; [`EvalError::Library`] if drawing
/// fails; [`EvalError::Io`].
pub fn write_map(points: ArrayView2<'_, f32>, labels: &[String], path: &Path) -> Result<()> {
    if points.nrows() != labels.len() {
        return Err(EvalError::shape(
            "labels of a map",
            points.nrows(),
            labels.len(),
        ));
    }
    let mut names: Vec<&String> = labels.iter().collect();
    names.sort_unstable();
    names.dedup();
    let mut svg = String::new();
    let drawn = draw(&mut svg, points, labels, &names);
    drawn.map_err(EvalError::library(path, "could not draw the map"))?;
    write_whole(path, |file| file.write_all(svg.as_bytes()))
}

fn draw(
    svg: &mut String,
    points: ArrayView2<'_, f32>,
    labels: &[String],
    names: &[&String],
) -> std::result::Result<(), Cause> {
    let (size, margin, legend) = (640, 20, 160);
    let root = SVGBackend::with_string(svg, (size + legend, size)).into_drawing_area();
    root.fill(&WHITE)?;
    let range = |column: usize| {
        let values = points.index_axis(Axis(1), column);
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (low, (high - low).max(f32::MIN_POSITIVE))
    };
    let ranges = [range(0), range(1)];
    let inner = (size - 2 * margin) as f32;
    #[allow(clippy::expect_used, reason = "`names` are the labels, sorted")]
    let colour = |name: &String| colour(names.binary_search(&name).expect("a label's name"));
    for (point, label) in points.rows().into_iter().zip(labels) {
        let place = |column: usize| (point[column] - ranges[column].0) / ranges[column].1 * inner;
        let (x, y) = (
            margin as f32 + place(0),
            size as f32 - margin as f32 - place(1),
        );
        root.draw(&Circle::new(
            (x as i32, y as i32),
            3,
            colour(label).mix(0.7).filled(),
        ))?;
    }
    for (i, name) in names.iter().enumerate().take(40) {
        let (x, y) = (size as i32 + 8, margin as i32 + 18 * i as i32);
        root.draw(&Circle::new((x, y), 4, colour(name).filled()))?;
        root.draw(&Text::new(
            (*name).clone(),
            (x + 10, y - 6),
            ("sans-serif", 13),
        ))?;
    }
    root.present()?;
    Ok(())
}

/// Colours that colour-blind readers can tell apart (Okabe and Ito 2008), then others.
fn colour(class: usize) -> RGBColor {
    const FIRST: [(u8, u8, u8); 7] = [
        (0, 114, 178),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (213, 94, 0),
        (86, 180, 233),
        (0, 0, 0),
    ];
    let (red, green, blue) = match FIRST.get(class) {
        Some(colour) => *colour,
        None => Palette99::pick(class).rgb(),
    };
    RGBColor(red, green, blue)
}

/// The `count` vectors nearest to vector `query` by cosine, without itself: rows and cosines, nearest first.
pub fn nearest(vectors: ArrayView2<'_, f32>, query: usize, count: usize) -> Vec<(usize, f64)> {
    let row = |r: ArrayView1<'_, f32>| r.to_vec();
    if query >= vectors.nrows() {
        return Vec::new();
    }
    let own = row(vectors.row(query));
    let mut found: Vec<(usize, f64)> = vectors
        .rows()
        .into_iter()
        .enumerate()
        .filter(|(i, _)| *i != query)
        .map(|(i, other)| (i, cosine(&own, &row(other))))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.truncate(count);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clouds far apart, in ten dimensions.
    fn clouds() -> (Array2<f32>, Vec<String>) {
        let mut rng = MersenneTwister::new(3);
        let vectors = Array2::from_shape_fn((80, 10), |(i, j)| {
            rng.uniform_f32() + if j == 3 && i >= 40 { 8.0 } else { 0.0 }
        });
        let labels = (0..80)
            .map(|i| if i < 40 { "left" } else { "right" }.to_owned())
            .collect();
        (vectors, labels)
    }

    #[test]
    fn maps_keep_clouds_apart() {
        let (vectors, labels) = clouds();
        for projection in [
            Projection::Pca,
            #[cfg(feature = "tsne")]
            Projection::Tsne,
        ] {
            let points = project(vectors.view(), projection).unwrap();
            let distance = |a: usize, b: usize| {
                let d = &points.row(a) - &points.row(b);
                d.dot(&d)
            };
            for i in 0..80 {
                let nearest = (0..80)
                    .filter(|&j| j != i)
                    .min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)))
                    .unwrap();
                assert_eq!(labels[i], labels[nearest], "{projection:?}: point {i}");
            }
        }
        assert!(project(vectors.slice(s![..3, ..]), Projection::Pca).is_err());
    }

    #[test]
    fn maps_are_drawn_with_their_labels() {
        let (vectors, labels) = clouds();
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("map.svg");
        let points = project(vectors.view(), Projection::Pca).unwrap();
        write_map(points.view(), &labels, &path).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            svg.matches("<circle").count(),
            82,
            "80 points and two in the legend"
        );
        assert!(svg.contains("left") && svg.contains("right"));
        assert!(write_map(points.view(), &labels[1..], &path).is_err());
    }

    #[test]
    fn nearest_come_first() {
        let vectors = ndarray::array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.2], [-1.0, 0.0]];
        let found: Vec<usize> = nearest(vectors.view(), 0, 2)
            .into_iter()
            .map(|n| n.0)
            .collect();
        assert_eq!(found, [2, 1]);
        assert!(nearest(vectors.view(), 9, 2).is_empty());
    }
}
