//! Weights in the layout of [`products`](crate::kernels::products): a group's units in two halves of
//! sixteen, the three gates of each half a panel.

use rayon::prelude::*;

use super::{GROUP, UNITS};
use crate::kernels::products::{Factors, LANES, Line, Strided, transpose};

/// Panels of a group: gates r, z, n of its first sixteen units, then of its others.
pub(super) const PANELS: usize = GROUP * UNITS / LANES * 3;
/// Rows that are multiplied with a group at once: their sums stay in the second-level cache.
pub(super) const ROWS: usize = 128;

/// Units of a group.
const GROUP_UNITS: usize = GROUP * UNITS;

/// The groups of a matrix `[3 * hidden, inputs]`.
pub(super) struct Groups {
    /// `[group][unit of inputs][panel]`
    lines: Vec<Line>,
    /// Lines of a row.
    depth: usize,
    /// Panels of eight units, as [`Weights`](super::Weights) counts them.
    pub(super) panels: usize,
}

/// The rows of the matrix that a group's panel holds, lane by lane, as far as they are there.
pub(super) fn rows(group: usize, panel: usize, hidden: usize) -> impl Iterator<Item = usize> {
    let (half, gate) = (panel / 3, panel % 3);
    let first = group * GROUP_UNITS + half * LANES;
    (first..hidden.min(first + LANES)).map(move |unit| gate * hidden + unit)
}

impl Groups {
    /// Lays out a matrix of which a line holds `per_line` inputs; `write` puts those of the row with
    /// this number into one.
    pub(super) fn new(
        matrix: &[f32],
        hidden: usize,
        inputs: usize,
        per_line: usize,
        write: impl Fn(usize, &[f32], &mut Line) + Sync,
    ) -> Self {
        let depth = inputs.div_ceil(per_line);
        let size = depth * LANES * PANELS;
        let mut lines = vec![Line::ZERO; hidden.div_ceil(GROUP_UNITS) * size];
        let groups = lines.par_chunks_mut(size.max(1)).enumerate();
        groups.for_each(|(group, lines)| {
            for panel in 0..PANELS {
                for (d, lines) in lines.chunks_exact_mut(LANES * PANELS).enumerate() {
                    let mut tile = [Line::ZERO; LANES];
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

    /// A group's panels and a block of at most [`ROWS`] of the rows.
    pub(super) fn factors<'a>(
        &'a self,
        group: usize,
        block: usize,
        rows: &'a [Line],
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

/// Calls `each` for the gates, `[panel][row]`, that a block's sums, `[row][panel]` in lines, belong to:
/// with the number of the row in the block, that of the panel in the group, the lanes' half and the
/// place among the gates.
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
