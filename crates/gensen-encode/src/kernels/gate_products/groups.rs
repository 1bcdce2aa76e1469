//! Weights in the layout of [`products`](crate::kernels::products): a group's units in two halves
//! of sixteen, the three gates of each half a panel.

use rayon::prelude::*;

use super::{GROUP, UNITS};
use crate::kernels::products::{CacheLine, Factors, LANES, Strided, transpose};

/// Panels per group: gates r, z, n of its first sixteen units, then of its last sixteen.
pub(super) const PANELS: usize = GROUP * UNITS / LANES * 3;
/// Rows that are multiplied by a group at once: their sums fit the L2 cache.
pub(super) const ROWS: usize = 128;

/// Units per group.
const GROUP_UNITS: usize = GROUP * UNITS;

/// The groups of a matrix `[3 * hidden, inputs]`.
pub(super) struct Groups {
    /// `[group][unit of inputs][panel]`
    lines: Vec<CacheLine>,
    /// Lines per row.
    depth: usize,
    /// Panels of eight units, as [`PackedWeights`](super::Weights) counts them.
    pub(super) panels: usize,
}

/// The rows of the matrix in a group's panel, lane by lane; fewer than 16 at the end of the matrix.
pub(super) fn rows(group: usize, panel: usize, hidden: usize) -> impl Iterator<Item = usize> {
    let (half, gate) = (panel / 3, panel % 3);
    let first = group * GROUP_UNITS + half * LANES;
    (first..hidden.min(first + LANES)).map(move |unit| gate * hidden + unit)
}

impl Groups {
    /// Lays out a matrix, `per_line` inputs to a line. `write(row, weights, line)` converts a
    /// line's weights, which are of that row.
    pub(super) fn new(
        matrix: &[f32],
        hidden: usize,
        inputs: usize,
        per_line: usize,
        write: impl Fn(usize, &[f32], &mut CacheLine) + Sync,
    ) -> Self {
        let depth = inputs.div_ceil(per_line);
        let size = depth * LANES * PANELS;
        let mut lines = vec![CacheLine::ZERO; hidden.div_ceil(GROUP_UNITS) * size];
        let groups = lines.par_chunks_mut(size.max(1)).enumerate();
        groups.for_each(|(group, lines)| {
            for panel in 0..PANELS {
                for (d, lines) in lines.chunks_exact_mut(LANES * PANELS).enumerate() {
                    let mut tile = [CacheLine::ZERO; LANES];
                    for (row, line) in rows(group, panel, hidden).zip(&mut tile) {
                        let weights = &matrix[row * inputs..(row + 1) * inputs];
                        let part = d * per_line..inputs.min((d + 1) * per_line);
                        write(row, &weights[part], line);
                    }
                    let mut to = Strided::new(&mut lines[panel..], PANELS);
                    transpose(&Strided::new(&tile[..], 1), &mut to);
                }
            }
        });
        Self {
            lines,
            depth,
            panels: hidden.div_ceil(UNITS),
        }
    }

    /// The factors of one product: a group's panels and a block of at most [`ROWS`] rows.
    pub(super) fn factors<'a>(
        &'a self,
        group: usize,
        block: usize,
        rows: &'a [CacheLine],
        count: usize,
    ) -> Factors<'a> {
        let size = self.depth * LANES * PANELS;
        Factors {
            left: &rows[block * ROWS * self.depth..],
            rows: ROWS.min(count - block * ROWS),
            right: &self.lines[group * size..(group + 1) * size],
            panels: PANELS,
            depth: self.depth,
        }
    }
}

/// Maps the sums of a block, `[row][panel]` in lines, to gates, `[panel][row]`. Calls `each(row,
/// panel, half, place)`: the row in the block, the first of the sums' three panels, the first lane
/// of eight, and the index of the gates.
pub(super) fn places(
    block: usize,
    count: usize,
    panels: usize,
    mut each: impl FnMut(usize, usize, usize, usize),
) {
    for row in 0..ROWS.min(count - block * ROWS) {
        for panel in 0..panels {
            each(
                row,
                panel / 2 * 3,
                panel % 2 * UNITS,
                panel * count + block * ROWS + row,
            );
        }
    }
}
