//! The products every linear classifier spends its time in, for a handful of models at once.
//!
//! A batch has few rows and few models (64 and 4, say), too thin for a general matrix product to
//! pack its operands profitably. These kernels read the rows where they lie and keep a small tile
//! of sums in registers, so that each feature loaded serves every model.

use std::array;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

/// Numbers of a vector register.
const LANES: usize = 8;
type Lanes = [f32; LANES];

/// `out[r * columns + c] = rows[r] . columns[c]`: the scores of every row under every model.
///
/// Rows and columns have equal lengths; `out` has `rows.len() * columns.len()` places.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn scores(rows: &[&[f32]], columns: &[&[f32]], out: &mut [f32]) {
    const FUSED: bool = cfg!(target_arch = "aarch64") || target_cfg_f!(target_feature = "fma");
    let stride = columns.len();
    let mut from = 0;
    for tile in columns.chunks(4) {
        match *tile {
            [a, b, c, d] => score_tile::<FUSED, 4>(rows, [a, b, c, d], out, from, stride),
            [a, b, c] => score_tile::<FUSED, 3>(rows, [a, b, c], out, from, stride),
            [a, b] => score_tile::<FUSED, 2>(rows, [a, b], out, from, stride),
            [a] => score_tile::<FUSED, 1>(rows, [a], out, from, stride),
            _ => {}
        }
        from += tile.len();
    }
}

/// The gradients of a batch's loss: for each row its scores under every model, which `derive` turns
/// in place into the loss's derivatives by them, and
/// `gradients[c * width + k] = sum over r of derivatives[r][c] * rows[r][k]`.
///
/// Rows and columns are `width` long. A few rows at a time are scored and then added to the
/// gradients, so that each is fetched from memory once.
pub(crate) fn gradients(
    rows: &[&[f32]],
    columns: &[&[f32]],
    mut derive: impl FnMut(usize, &mut [f32]),
    gradients: &mut [f32],
) {
    gradients.fill(0.0);
    let count = columns.len();
    let Some(width) = columns.first().map(|column| column.len()) else {
        return;
    };
    let mut errors = vec![0.0; GROUP * count];
    for (g, rows) in rows.chunks(GROUP).enumerate() {
        let errors = &mut errors[..rows.len() * count];
        scores(rows, columns, errors);
        for (i, scores) in errors.chunks_exact_mut(count).enumerate() {
            derive(g * GROUP + i, scores);
        }
        add_gradients(rows, errors, width, gradients);
    }
}

/// Rows that stay in the second-level cache between being scored and being added: a multiple of
/// the rows in a tile of scores and of those in a tile of gradients.
const GROUP: usize = 12;

#[inline(always)]
fn score_tile<const FUSED: bool, const C: usize>(
    rows: &[&[f32]],
    columns: [&[f32]; C],
    out: &mut [f32],
    from: usize,
    stride: usize,
) {
    let mut out = out.chunks_exact_mut(stride);
    let mut store = |values: [f32; C]| {
        if let Some(place) = out.next().and_then(|row| row.get_mut(from..from + C)) {
            place.copy_from_slice(&values);
        }
    };
    for group in rows.chunks(3) {
        match *group {
            [a, b, c] => dots::<FUSED, 3, C>([a, b, c], columns)
                .into_iter()
                .for_each(&mut store),
            [a, b] => dots::<FUSED, 2, C>([a, b], columns)
                .into_iter()
                .for_each(&mut store),
            [a] => dots::<FUSED, 1, C>([a], columns)
                .into_iter()
                .for_each(&mut store),
            _ => {}
        }
    }
}

/// The dot product of each row with each column.
#[inline(always)]
fn dots<const FUSED: bool, const R: usize, const C: usize>(
    rows: [&[f32]; R],
    columns: [&[f32]; C],
) -> [[f32; C]; R] {
    let rows = rows.map(<[f32]>::as_chunks::<LANES>);
    let columns = columns.map(<[f32]>::as_chunks::<LANES>);
    let length = rows
        .iter()
        .chain(&columns)
        .map(|(head, _)| head.len())
        .min()
        .unwrap_or(0);
    let row_heads = rows.map(|(head, _)| &head[..length]);
    let column_heads = columns.map(|(head, _)| &head[..length]);
    let mut sums = [[[0.0; LANES]; C]; R];
    for k in 0..length {
        let x: [Lanes; R] = array::from_fn(|r| row_heads[r][k]);
        for c in 0..C {
            let w = column_heads[c][k];
            for r in 0..R {
                sums[r][c] = multiply_add::<FUSED>(x[r], w, sums[r][c]);
            }
        }
    }
    array::from_fn(|r| {
        array::from_fn(|c| {
            let tail: f32 = rows[r].1.iter().zip(columns[c].1).map(|(x, w)| x * w).sum();
            total(sums[r][c]) + tail
        })
    })
}

/// `a * b + c`, rounded once if `FUSED`.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
    array::from_fn(|i| match FUSED {
        true => a[i].mul_add(b[i], c[i]),
        false => a[i] * b[i] + c[i],
    })
}

/// The sum of the lanes: the upper half is added to the lower until one is left.
#[inline(always)]
fn total(mut lanes: Lanes) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Columns of a row that are treated together: a block of four rows and of a few gradients stays in
/// the first-level cache, and each row is read in stretches long enough for the prefetcher.
const BLOCK: usize = 256;

/// `gradients[c * width + k] += sum over r of errors[r * columns + c] * rows[r][k]`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_gradients(rows: &[&[f32]], errors: &[f32], width: usize, gradients: &mut [f32]) {
    const FUSED: bool = cfg!(target_arch = "aarch64") || target_cfg_f!(target_feature = "fma");
    let columns = gradients.len() / width;
    for start in (0..width).step_by(BLOCK) {
        let block = start..(start + BLOCK).min(width);
        let groups = rows.chunks(4).zip(errors.chunks(4 * columns));
        for (rows, errors) in groups {
            let slice = |r: usize| rows.get(r).map_or(&[][..], |row| &row[block.clone()]);
            let error = |r: usize, c: usize| errors[r * columns + c];
            for (pair, outs) in gradients.chunks_mut(2 * width).enumerate() {
                let (one, two) = outs.split_at_mut(width);
                let c = 2 * pair;
                let one = &mut one[block.clone()];
                match (rows.len(), two.get_mut(block.clone())) {
                    (4, Some(two)) => {
                        let x = array::from_fn(slice);
                        let e = array::from_fn(|i| array::from_fn(|r| error(r, c + i)));
                        add_rows::<FUSED, 4, 2>(x, e, [one, two]);
                    }
                    (4, None) => {
                        let e = [array::from_fn(|r| error(r, c))];
                        add_rows::<FUSED, 4, 1>(array::from_fn(slice), e, [one]);
                    }
                    (len, mut two) => {
                        for r in 0..len {
                            add_rows::<FUSED, 1, 1>([slice(r)], [[error(r, c)]], [&mut *one]);
                            if let Some(two) = two.as_deref_mut() {
                                add_rows::<FUSED, 1, 1>([slice(r)], [[error(r, c + 1)]], [two]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `outs[c] += sum over r of factors[c][r] * rows[r]`.
#[inline(always)]
fn add_rows<const FUSED: bool, const R: usize, const C: usize>(
    rows: [&[f32]; R],
    factors: [[f32; R]; C],
    outs: [&mut [f32]; C],
) {
    let rows = rows.map(<[f32]>::as_chunks::<LANES>);
    let mut outs = outs.map(<[f32]>::as_chunks_mut::<LANES>);
    let length = rows.iter().map(|(head, _)| head.len()).min().unwrap_or(0);
    let heads = rows.map(|(head, _)| &head[..length]);
    {
        let out_heads = outs.each_mut().map(|(head, _)| &mut head[..length]);
        for k in 0..length {
            let x: [Lanes; R] = array::from_fn(|r| heads[r][k]);
            for c in 0..C {
                let mut sum = out_heads[c][k];
                for r in 0..R {
                    sum = multiply_add::<FUSED>(x[r], [factors[c][r]; LANES], sum);
                }
                out_heads[c][k] = sum;
            }
        }
    }
    for ((_, tail), factors) in outs.iter_mut().zip(factors) {
        for (k, sum) in tail.iter_mut().enumerate() {
            *sum += rows
                .iter()
                .zip(factors)
                .map(|((_, row), e)| row[k] * e)
                .sum::<f32>();
        }
    }
}

/// One step of Adam as PyTorch does it, the penalty's gradient added to the loss's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassifierStep {
    /// Weight decay: the strength of the L2 penalty.
    pub decay: f32,
    /// `learning rate / (1 - beta1^t)`.
    pub rate: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    pub second_scale: f32,
}

pub(crate) const BETA1: f64 = 0.9;
pub(crate) const BETA2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

impl ClassifierStep {
    /// The constants of step `t`, counted from 1, at PyTorch's default learning rate of 1e-3.
    pub(crate) fn new(t: i32, decay: f32) -> Self {
        let rate = 1e-3 / (1.0 - BETA1.powi(t));
        let second_scale = 1.0 / (1.0 - BETA2.powi(t)).sqrt();
        Self {
            decay,
            rate: rate as f32,
            second_scale: second_scale as f32,
        }
    }

    /// Moves `weights` against `sign * gradients`.
    pub(crate) fn apply(
        self,
        sign: f32,
        gradients: &[f32],
        weights: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let length = gradients.len();
        debug_assert!([weights.len(), first.len(), second.len()] == [length; 3]);
        update(self, sign, gradients, weights, first, second);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn update(
    step: ClassifierStep,
    sign: f32,
    gradients: &[f32],
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let state = weights.iter_mut().zip(first).zip(second);
    for (&gradient, ((w, m), v)) in gradients.iter().zip(state) {
        let g = sign * gradient + step.decay * *w;
        *m += (g - *m) * (1.0 - BETA1) as f32;
        *v = *v * BETA2 as f32 + g * g * (1.0 - BETA2) as f32;
        *w -= step.rate * *m / (v.sqrt() * step.second_scale + EPSILON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::MersenneTwister;

    fn vectors(rng: &mut MersenneTwister, count: usize, width: usize) -> Vec<Vec<f32>> {
        let row = |_| (0..width).map(|_| rng.uniform_f32() - 0.5).collect();
        (0..count).map(row).collect()
    }

    #[test]
    fn scores_and_gradients_agree_with_double_precision() {
        let mut rng = MersenneTwister::new(3);
        for rows in 1..=14 {
            for columns in 1..=9 {
                for width in [1, 7, 8, 9, 31, 300] {
                    agree(&mut rng, rows, columns, width);
                }
            }
        }
    }

    fn agree(rng: &mut MersenneTwister, rows: usize, columns: usize, width: usize) {
        let (rows, columns) = (vectors(rng, rows, width), vectors(rng, columns, width));
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let columns: Vec<&[f32]> = columns.iter().map(Vec::as_slice).collect();
        let shape = format!("{} rows, {} columns, {width}", rows.len(), columns.len());
        let mut derivatives = vec![0.0; rows.len() * columns.len()];
        let derive = |row: usize, scores: &mut [f32]| {
            for (score, column) in scores.iter_mut().zip(&columns) {
                let products = rows[row].iter().zip(*column);
                let exact: f64 = products.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                let error = (f64::from(*score) - exact).abs();
                assert!(error < 1e-5, "{shape}: a score is off by {error:e}");
                *score = *score * *score - 0.25;
            }
            derivatives[row * columns.len()..][..columns.len()].copy_from_slice(scores);
        };
        let mut found = vec![f32::NAN; columns.len() * width];
        gradients(&rows, &columns, derive, &mut found);
        for (place, found) in found.iter().enumerate() {
            let (c, k) = (place / width, place % width);
            let terms = rows.iter().zip(derivatives.chunks_exact(columns.len()));
            let exact: f64 = terms
                .map(|(row, errors)| f64::from(errors[c]) * f64::from(row[k]))
                .sum();
            let error = (f64::from(*found) - exact).abs();
            assert!(
                error < 1e-5,
                "{shape}: gradient {place} is off by {error:e}"
            );
        }
    }
}
