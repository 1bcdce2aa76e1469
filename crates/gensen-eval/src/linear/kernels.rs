//! The products every linear classifier spends its time in, for a handful of models at once.
//!
//! A batch has few rows and few models (64 and 4, say), too thin for a general matrix product to
//! pack its operands profitably. These kernels read the rows where they lie and keep a small tile
//! of sums in registers, so that each feature loaded serves every model.

use std::array;

use pulp::{Arch, Simd, WithSimd};

/// `out[r * columns + c] = rows[r] . columns[c]`: the scores of every row under every model.
///
/// Rows and columns have equal lengths; `out` has `rows.len() * columns.len()` places.
pub(crate) fn scores(rows: &[&[f32]], columns: &[&[f32]], out: &mut [f32]) {
    Arch::new().dispatch(Scores { rows, columns, out });
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
    derive: impl FnMut(usize, &mut [f32]),
    gradients: &mut [f32],
) {
    Arch::new().dispatch(Batch {
        rows,
        columns,
        derive,
        gradients,
    });
}

/// Rows that stay in the second-level cache between being scored and being added: a multiple of
/// the rows in a tile of scores and of those in a tile of gradients.
const GROUP: usize = 12;

struct Batch<'a, F> {
    rows: &'a [&'a [f32]],
    columns: &'a [&'a [f32]],
    derive: F,
    gradients: &'a mut [f32],
}

impl<F: FnMut(usize, &mut [f32])> WithSimd for Batch<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.gradients.fill(0.0);
        let (columns, count) = (self.columns, self.columns.len());
        let Some(width) = columns.first().map(|column| column.len()) else {
            return;
        };
        let mut errors = vec![0.0; GROUP * count];
        for (g, rows) in self.rows.chunks(GROUP).enumerate() {
            let out = &mut errors[..rows.len() * count];
            Scores { rows, columns, out }.with_simd(simd);
            let errors = &mut errors[..rows.len() * count];
            for (i, scores) in errors.chunks_exact_mut(count).enumerate() {
                (self.derive)(g * GROUP + i, scores);
            }
            add_gradients(simd, rows, errors, width, self.gradients);
        }
    }
}

struct Scores<'a> {
    rows: &'a [&'a [f32]],
    columns: &'a [&'a [f32]],
    out: &'a mut [f32],
}

impl WithSimd for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let stride = self.columns.len();
        let mut from = 0;
        for tile in self.columns.chunks(4) {
            match *tile {
                [a, b, c, d] => score_tile(simd, self.rows, [a, b, c, d], self.out, from, stride),
                [a, b, c] => score_tile(simd, self.rows, [a, b, c], self.out, from, stride),
                [a, b] => score_tile(simd, self.rows, [a, b], self.out, from, stride),
                [a] => score_tile(simd, self.rows, [a], self.out, from, stride),
                _ => {}
            }
            from += tile.len();
        }
    }
}

#[inline(always)]
fn score_tile<S: Simd, const C: usize>(
    simd: S,
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
            [a, b, c] => dots(simd, [a, b, c], columns)
                .into_iter()
                .for_each(&mut store),
            [a, b] => dots(simd, [a, b], columns).into_iter().for_each(&mut store),
            [a] => dots(simd, [a], columns).into_iter().for_each(&mut store),
            _ => {}
        }
    }
}

/// The dot product of each row with each column.
#[inline(always)]
fn dots<S: Simd, const R: usize, const C: usize>(
    simd: S,
    rows: [&[f32]; R],
    columns: [&[f32]; C],
) -> [[f32; C]; R] {
    let rows = rows.map(S::as_simd_f32s);
    let columns = columns.map(S::as_simd_f32s);
    let length = rows
        .iter()
        .chain(&columns)
        .map(|(head, _)| head.len())
        .min()
        .unwrap_or(0);
    let row_heads = rows.map(|(head, _)| &head[..length]);
    let column_heads = columns.map(|(head, _)| &head[..length]);
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    for k in 0..length {
        let x: [S::f32s; R] = array::from_fn(|r| row_heads[r][k]);
        for c in 0..C {
            let w = column_heads[c][k];
            for r in 0..R {
                sums[r][c] = simd.mul_add_e_f32s(x[r], w, sums[r][c]);
            }
        }
    }
    array::from_fn(|r| {
        array::from_fn(|c| {
            let tail: f32 = rows[r].1.iter().zip(columns[c].1).map(|(x, w)| x * w).sum();
            simd.reduce_sum_f32s(sums[r][c]) + tail
        })
    })
}

/// Columns of a row that are treated together: a block of four rows and of a few gradients stays in
/// the first-level cache, and each row is read in stretches long enough for the prefetcher.
const BLOCK: usize = 256;

/// `gradients[c * width + k] += sum over r of errors[r * columns + c] * rows[r][k]`.
#[inline(always)]
fn add_gradients<S: Simd>(
    simd: S,
    rows: &[&[f32]],
    errors: &[f32],
    width: usize,
    gradients: &mut [f32],
) {
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
                        add_rows::<S, 4, 2>(simd, x, e, [one, two]);
                    }
                    (4, None) => {
                        let e = [array::from_fn(|r| error(r, c))];
                        add_rows::<S, 4, 1>(simd, array::from_fn(slice), e, [one]);
                    }
                    (len, mut two) => {
                        for r in 0..len {
                            add_rows::<S, 1, 1>(simd, [slice(r)], [[error(r, c)]], [&mut *one]);
                            if let Some(two) = two.as_deref_mut() {
                                add_rows::<S, 1, 1>(simd, [slice(r)], [[error(r, c + 1)]], [two]);
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
fn add_rows<S: Simd, const R: usize, const C: usize>(
    simd: S,
    rows: [&[f32]; R],
    factors: [[f32; R]; C],
    outs: [&mut [f32]; C],
) {
    let rows = rows.map(S::as_simd_f32s);
    let mut outs = outs.map(S::as_mut_simd_f32s);
    let length = rows.iter().map(|(head, _)| head.len()).min().unwrap_or(0);
    let heads = rows.map(|(head, _)| &head[..length]);
    let splats = factors.map(|f| f.map(|e| simd.splat_f32s(e)));
    {
        let out_heads = outs.each_mut().map(|(head, _)| &mut head[..length]);
        for k in 0..length {
            let x: [S::f32s; R] = array::from_fn(|r| heads[r][k]);
            for c in 0..C {
                let mut sum = out_heads[c][k];
                for r in 0..R {
                    sum = simd.mul_add_e_f32s(x[r], splats[c][r], sum);
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
pub(crate) struct AdamStep {
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

impl AdamStep {
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
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let state = weights.iter_mut().zip(first).zip(second);
                for (&gradient, ((w, m), v)) in gradients.iter().zip(state) {
                    let g = sign * gradient + self.decay * *w;
                    *m += (g - *m) * (1.0 - BETA1) as f32;
                    *v = *v * BETA2 as f32 + g * g * (1.0 - BETA2) as f32;
                    *w -= self.rate * *m / (v.sqrt() * self.second_scale + EPSILON);
                }
            },
        );
    }
}
