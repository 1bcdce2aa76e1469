//! The gate equations of the encoder's GRU on the CPU.

use multiversion::multiversion;

use super::gate_products::{Gates, Lanes, UNITS};
use super::math::{sigmoid, tanh};

/// Rows whose gates are computed at once.
const ROWS: usize = 8;

/// The sources of each row's new state: its input and its previous state.
pub(crate) struct StateSources<'a> {
    /// For each row, its row in `projected`.
    pub(crate) words: &'a [u32],
    /// For each row, its row in `recurrent` and `previous`.
    pub(crate) parents: &'a [u32],
}

/// `r = s(x_r + h_r)`, `z = s(x_z + h_z)`, `n = tanh(x_n + r h_n)`, `h' = n + z (h - n)` for eight
/// units of each row.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn advance(
    sources: &StateSources<'_>,
    projected: &[Gates],
    recurrent: &[Gates],
    bias: &Lanes,
    previous: &[Lanes],
    current: &mut [Lanes],
) {
    // The sums of several rows are laid side by side, so that one long loop over them is
    // vectorised.
    let [mut r, mut z, mut x_n, mut h_n] = [[0.0; ROWS * UNITS]; 4];
    let rows = sources.words.chunks(ROWS).zip(sources.parents.chunks(ROWS));
    for ((words, parents), current) in rows.zip(current.chunks_mut(ROWS)) {
        let count = words.len() * UNITS;
        for (k, (&word, &parent)) in words.iter().zip(parents).enumerate() {
            let (x, y) = (&projected[word as usize], &recurrent[parent as usize]);
            let place = k * UNITS..(k + 1) * UNITS;
            add(&mut r[place.clone()], &x[0], &y[0]);
            add(&mut z[place.clone()], &x[1], &y[1]);
            add(&mut h_n[place.clone()], &y[2], bias);
            x_n[place].copy_from_slice(&x[2].0);
        }
        let sums = z[..count].iter_mut().zip(&mut x_n[..count]);
        for ((z, n), (&r, &h_n)) in sums.zip(r[..count].iter().zip(&h_n[..count])) {
            *z = sigmoid(*z);
            *n = tanh(*n + sigmoid(r) * h_n);
        }
        let gates = z.chunks_exact(UNITS).zip(x_n.chunks_exact(UNITS));
        for ((&parent, current), (z, n)) in parents.iter().zip(current).zip(gates) {
            let previous = &previous[parent as usize];
            for j in 0..UNITS {
                current.0[j] = n[j] + z[j] * (previous.0[j] - n[j]);
            }
        }
    }
}

#[inline(always)]
fn add(sum: &mut [f32], a: &Lanes, b: &Lanes) {
    for (sum, (a, b)) in sum.iter_mut().zip(a.0.iter().zip(&b.0)) {
        *sum = a + b;
    }
}
