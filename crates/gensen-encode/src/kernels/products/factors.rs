//! Factors of products of whole matrices, laid out by tasks.

use std::ops::Range;

use rayon::prelude::*;

use super::layout::{Element, Strided, transpose};
use super::{CacheLine, FloatProduct, LANES};
use crate::kernels::gemm::{MatrixView, Threads};
use crate::kernels::memory;

/// Panels per group.
pub(super) const PANELS: usize = 4;
/// Columns per group.
pub(super) const COLUMNS: usize = PANELS * LANES;
/// Tiles that one task lays out of a transposed matrix: it reads this many adjacent lines at a
/// time.
const TILES_PER_TASK: usize = 16;
/// A factor with fewer values is laid out on one thread.
const WORTH_LAYOUT: usize = 1 << 16;

/// Lines in an array of the [`memory`] pool.
pub(super) struct PooledLines {
    numbers: Vec<f32>,
    place: Range<usize>,
}

impl PooledLines {
    /// Lines of arbitrary values, which the caller must write.
    fn new(count: usize) -> Self {
        let numbers = memory::take((count + 1) * LANES);
        let start = numbers.as_ptr().align_offset(align_of::<CacheLine>());
        Self {
            numbers,
            place: start..start + count * LANES,
        }
    }
}

impl std::ops::Deref for PooledLines {
    type Target = [CacheLine];

    fn deref(&self) -> &[CacheLine] {
        let numbers = &self.numbers[self.place.clone()];
        // SAFETY: `place` starts at the alignment of a line, and any 16 values of 32 bits are a
        // line.
        unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len() / LANES) }
    }
}

impl std::ops::DerefMut for PooledLines {
    fn deref_mut(&mut self) -> &mut [CacheLine] {
        let numbers = &mut self.numbers[self.place.clone()];
        // SAFETY: as above.
        unsafe {
            std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len() / LANES)
        }
    }
}

impl Drop for PooledLines {
    fn drop(&mut self) {
        memory::give(std::mem::take(&mut self.numbers));
    }
}

/// Calls `each` with the index and the lines of every chunk of `size` lines.
fn chunks(
    lines: &mut [CacheLine],
    size: usize,
    threads: Threads,
    each: impl Fn(usize, &mut [CacheLine]) + Sync,
) {
    if size == 0 {
        return;
    }
    if threads == Threads::One || lines.len() * LANES < WORTH_LAYOUT {
        lines
            .chunks_mut(size)
            .enumerate()
            .for_each(|(k, lines)| each(k, lines));
    } else {
        lines
            .par_chunks_mut(size)
            .enumerate()
            .for_each(|(k, lines)| each(k, lines));
    }
}

/// Writes a row of values into every `step`-th line, padded with zeros.
fn write_row<T: Element>(product: FloatProduct, lines: &mut [CacheLine], step: usize, row: &[T]) {
    let mut parts = row.chunks(product.unit() * LANES);
    for line in lines.iter_mut().step_by(step) {
        let part = parts.next().unwrap_or(&[]);
        match product {
            FloatProduct::Single => {
                T::singles(part, &mut line.0);
                line.0[part.len()..].fill(0);
            }
            FloatProduct::Half(_) => {
                let halves = line.halves_mut();
                T::halves(part, halves);
                halves[part.len()..].fill(0);
            }
        }
    }
}

/// Writes unit `unit` of the columns from `first` on, as many as fit `lines`, padded with zeros. A
/// unit takes one or two rows of the matrix.
fn write_units<T: Element>(
    product: FloatProduct,
    lines: &mut [CacheLine],
    matrix: &MatrixView<'_, T>,
    unit: usize,
    first: usize,
) {
    let (rows, columns) = matrix.sizes();
    let count = (lines.len() * LANES).min(columns - first);
    let (units, rest) = CacheLine::numbers_mut(lines).split_at_mut(count);
    rest.fill(0);
    let row = |row: usize| &matrix.row(row)[first..first + count];
    let place = unit * product.unit();
    match product {
        _ if place >= rows => units.fill(0),
        FloatProduct::Single => T::singles(row(place), units),
        FloatProduct::Half(_) if place + 1 < rows => {
            T::units(row(place), row(place + 1), units);
        }
        FloatProduct::Half(_) => {
            let mut halves = [0; LANES];
            for (units, last) in units.chunks_mut(LANES).zip(row(place).chunks(LANES)) {
                T::halves(last, &mut halves);
                for (unit, half) in units.iter_mut().zip(halves) {
                    *unit = bytemuck::cast([half, 0]);
                }
            }
        }
    }
}

/// A left factor `[rows, columns]`, laid out.
pub struct Left {
    pub(super) product: FloatProduct,
    pub(super) lines: PooledLines,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Lines per row.
    pub(super) depth: usize,
}

impl Left {
    /// Lays out a matrix.
    pub fn new<T: Element>(
        product: FloatProduct,
        matrix: MatrixView<'_, T>,
        threads: Threads,
    ) -> Self {
        let (rows, columns) = matrix.sizes();
        let (tiles, depth) = (
            rows.div_ceil(LANES),
            columns.div_ceil(product.unit() * LANES),
        );
        let mut lines = PooledLines::new(tiles * depth * LANES);
        if matrix.is_contiguous() {
            chunks(&mut lines, depth * LANES, threads, |tile, lines| {
                for row in 0..LANES {
                    let place = tile * LANES + row;
                    let numbers = if place < rows { matrix.row(place) } else { &[] };
                    write_row(product, &mut lines[row..], LANES, numbers);
                }
            });
        } else {
            let across = matrix.transposed();
            let size = TILES_PER_TASK * depth * LANES;
            chunks(&mut lines, size, threads, |task, lines| {
                let mut units = [[CacheLine::ZERO; TILES_PER_TASK]; LANES];
                let count = lines.len() / (depth * LANES);
                let first = task * TILES_PER_TASK * LANES;
                for d in 0..depth {
                    for (unit, units) in units.iter_mut().enumerate() {
                        let units = &mut units[..count];
                        write_units(product, units, &across, d * LANES + unit, first);
                    }
                    for tile in 0..count {
                        let from = &units.as_flattened()[tile..];
                        let to = &mut lines[(tile * depth + d) * LANES..][..LANES];
                        let from = Strided::new(from, TILES_PER_TASK);
                        transpose(&from, &mut Strided::new(to, 1));
                    }
                }
            });
        }
        Self {
            product,
            lines,
            rows,
            columns,
            depth,
        }
    }
}

/// Lays out the columns of a group of a right factor.
pub(super) fn write_group<T: Element>(
    product: FloatProduct,
    lines: &mut [CacheLine],
    matrix: &MatrixView<'_, T>,
    group: usize,
) {
    if matrix.is_contiguous() {
        for (unit, lines) in lines.chunks_exact_mut(PANELS).enumerate() {
            write_units(product, lines, matrix, unit, group * COLUMNS);
        }
        return;
    }
    let across = matrix.transposed();
    let (columns, inputs) = (across.sizes().0, product.unit() * LANES);
    for panel in 0..PANELS {
        let first = group * COLUMNS + panel * LANES;
        for (d, lines) in lines.chunks_exact_mut(LANES * PANELS).enumerate() {
            let mut tile = [CacheLine::ZERO; LANES];
            for (row, line) in (first..columns).zip(&mut tile) {
                let row = across.row(row);
                let part = d * inputs..row.len().min((d + 1) * inputs);
                write_row(product, std::slice::from_mut(line), 1, &row[part]);
            }
            let mut to = Strided::new(&mut lines[panel..], PANELS);
            transpose(&Strided::new(&tile[..], 1), &mut to);
        }
    }
}

/// A right factor `[rows, columns]`, laid out, for products with several left factors.
pub struct Right {
    pub(super) product: FloatProduct,
    pub(super) lines: PooledLines,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Right {
    /// Lays out a matrix.
    pub fn new<T: Element>(
        product: FloatProduct,
        matrix: MatrixView<'_, T>,
        threads: Threads,
    ) -> Self {
        let (rows, columns) = matrix.sizes();
        let size = rows.div_ceil(product.unit() * LANES) * LANES * PANELS;
        let mut lines = PooledLines::new(columns.div_ceil(COLUMNS) * size);
        chunks(&mut lines, size, threads, |group, lines| {
            write_group(product, lines, &matrix, group);
        });
        Self {
            product,
            lines,
            rows,
            columns,
        }
    }
}
