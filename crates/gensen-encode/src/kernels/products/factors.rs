//! Products of whole matrices in bf16.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::layout::{Number, Tile, transpose};
use super::{Bf16Product, Factors, LANES, Line};
use crate::kernels::gemm::{Matrix, Threads};
use crate::kernels::memory;

/// Inputs of a line.
const INPUTS: usize = 2 * LANES;
/// Panels of a group.
const PANELS: usize = 4;
/// Columns of a group.
const COLUMNS: usize = PANELS * LANES;
/// Rows that one task multiplies with a group.
const ROWS_PER_TASK: usize = 256;
/// Tiles of rows, or groups of columns, that one task lays out of a matrix that lies across: a row of
/// it is read so many at a time.
const TILES_PER_TASK: usize = 16;
/// Below so many multiplications, waking a second thread costs more than it brings.
const WORTH_THREADS: usize = 8 << 20;
/// Below so many numbers, laying them out does.
const WORTH_LAYOUT: usize = 1 << 16;

/// Lines in an array that is kept from step to step.
struct Lines {
    numbers: Vec<f32>,
    place: Range<usize>,
}

impl Lines {
    /// Lines whose numbers the caller writes.
    fn new(count: usize) -> Self {
        let numbers = memory::take((count + 1) * LANES);
        let start = numbers.as_ptr().align_offset(align_of::<Line>());
        Self {
            numbers,
            place: start..start + count * LANES,
        }
    }
}

impl std::ops::Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        let numbers = &self.numbers[self.place.clone()];
        // SAFETY: the place is aligned as a line is, and a line is any 16 numbers of 32 bits.
        unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len() / LANES) }
    }
}

impl std::ops::DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        let numbers = &mut self.numbers[self.place.clone()];
        // SAFETY: as above.
        unsafe {
            std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len() / LANES)
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        memory::give(std::mem::take(&mut self.numbers));
    }
}

/// Runs `each` on all chunks of some lines and their numbers.
fn chunks(
    lines: &mut [Line],
    size: usize,
    threads: Threads,
    each: impl Fn(usize, &mut [Line]) + Sync,
) {
    if size == 0 {
        return;
    }
    if threads == Threads::One || lines.len() * INPUTS < WORTH_LAYOUT {
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

/// Writes a row of numbers into lines `step` apart, filled up with zeros.
fn write_row<T: Number>(lines: &mut [Line], step: usize, row: &[T]) {
    let mut parts = row.chunks(INPUTS);
    for line in lines.iter_mut().step_by(step) {
        let part = parts.next().unwrap_or(&[]);
        let halves = line.halves_mut();
        T::halves(part, halves);
        halves[part.len()..].fill(0);
    }
}

/// Writes lines of units, each of a column of two rows: rows `2 unit` and `2 unit + 1`, columns
/// `first..` as many as the lines take.
fn write_units<T: Number>(lines: &mut [Line], matrix: &Matrix<'_, T>, unit: usize, first: usize) {
    let (rows, columns) = matrix.sizes();
    let count = (lines.len() * LANES).min(columns - first);
    let units = Line::flatten_mut(lines);
    let row = |row: usize| &matrix.row(row)[first..first + count];
    if 2 * unit + 1 < rows {
        T::units(row(2 * unit), row(2 * unit + 1), &mut units[..count]);
    } else if 2 * unit < rows {
        let last = row(2 * unit);
        let mut halves = [0; INPUTS];
        for (units, last) in units[..count].chunks_mut(INPUTS).zip(last.chunks(INPUTS)) {
            T::halves(last, &mut halves);
            for (unit, half) in units.iter_mut().zip(halves) {
                *unit = bytemuck::cast([half, 0]);
            }
        }
    } else {
        units[..count].fill(0);
    }
    units[count..].fill(0);
}

/// A left factor `[rows, depth]` in bf16, laid out.
pub struct Left {
    lines: Lines,
    rows: usize,
    columns: usize,
}

impl Left {
    /// Lays out a matrix.
    pub fn new<T: Number>(matrix: Matrix<'_, T>, threads: Threads) -> Self {
        let (rows, columns) = matrix.sizes();
        let (tiles, depth) = (rows.div_ceil(LANES), columns.div_ceil(INPUTS));
        let mut lines = Lines::new(tiles * depth * LANES);
        if matrix.is_contiguous() {
            chunks(&mut lines, depth * LANES, threads, |tile, lines| {
                for row in 0..LANES {
                    let place = tile * LANES + row;
                    let numbers = if place < rows { matrix.row(place) } else { &[] };
                    write_row(&mut lines[row..], LANES, numbers);
                }
            });
        } else {
            let across = matrix.transposed();
            let size = TILES_PER_TASK * depth * LANES;
            chunks(&mut lines, size, threads, |task, lines| {
                let mut units = [[Line::ZERO; TILES_PER_TASK]; LANES];
                let count = lines.len() / (depth * LANES);
                for d in 0..depth {
                    for (unit, units) in units.iter_mut().enumerate() {
                        let first = task * TILES_PER_TASK * LANES;
                        write_units(&mut units[..count], &across, d * LANES + unit, first);
                    }
                    for tile in 0..count {
                        let mut lying: Tile = std::array::from_fn(|unit| units[unit][tile]);
                        transpose(&mut lying);
                        lines[(tile * depth + d) * LANES..][..LANES].copy_from_slice(&lying);
                    }
                }
            });
        }
        Self {
            lines,
            rows,
            columns,
        }
    }
}

/// A right factor `[depth, columns]` in bf16, laid out.
pub struct Right {
    lines: Lines,
    rows: usize,
    columns: usize,
}

impl Right {
    /// Lays out a matrix.
    pub fn new<T: Number>(matrix: Matrix<'_, T>, threads: Threads) -> Self {
        let (rows, columns) = matrix.sizes();
        let (groups, depth) = (columns.div_ceil(COLUMNS), rows.div_ceil(INPUTS));
        let size = depth * LANES * PANELS;
        let mut lines = Lines::new(groups * size);
        if matrix.is_contiguous() {
            chunks(&mut lines, size, threads, |group, lines| {
                for (unit, lines) in lines.chunks_exact_mut(PANELS).enumerate() {
                    write_units(lines, &matrix, unit, group * COLUMNS);
                }
            });
        } else {
            let across = matrix.transposed();
            chunks(&mut lines, size, threads, |group, lines| {
                for panel in 0..PANELS {
                    let first = group * COLUMNS + panel * LANES;
                    for (d, lines) in lines.chunks_exact_mut(LANES * PANELS).enumerate() {
                        let mut tile = [Line::ZERO; LANES];
                        for (row, line) in (first..columns).zip(&mut tile) {
                            let row = across.row(row);
                            let inputs = d * INPUTS..row.len().min((d + 1) * INPUTS);
                            write_row(std::slice::from_mut(line), 1, &row[inputs]);
                        }
                        transpose(&mut tile);
                        for (lines, line) in lines.chunks_exact_mut(PANELS).zip(tile) {
                            lines[panel] = line;
                        }
                    }
                }
            });
        }
        Self {
            lines,
            rows,
            columns,
        }
    }
}

/// Where tasks write their parts of a matrix.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: it is used in `multiply` alone, where no two tasks write to the same number.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// `count` numbers from `start` on.
    ///
    /// # Safety
    ///
    /// They must lie in the matrix, and nobody else may use them meanwhile.
    unsafe fn part<'a>(self, start: usize, count: usize) -> &'a mut [f32] {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), count) }
    }
}

/// `output = left * right`, or `output += left * right` when `accumulate`; `output` is row-major. Each
/// number is one sum in the order of the inputs, whatever the rows beside it and the threads.
///
/// # Panics
///
/// When the sizes do not agree, which would be a mistake in the calling kernel.
pub fn multiply(
    way: Bf16Product,
    output: &mut [f32],
    left: &Left,
    right: &Right,
    accumulate: bool,
    threads: Threads,
) {
    thread_local! {
        static SUMS: RefCell<Vec<Line<f32>>> = const { RefCell::new(Vec::new()) };
    }
    let (rows, columns) = (left.rows, right.columns);
    assert_eq!(left.columns, right.rows, "inner sizes of a matrix product");
    assert!(output.len() >= rows * columns, "output of a matrix product");
    let depth = left.columns.div_ceil(INPUTS);
    let blocks = rows.div_ceil(ROWS_PER_TASK);
    let output = Output(output.as_mut_ptr());
    let task = |task: usize| {
        let (group, block) = (task / blocks, task % blocks);
        let first = block * ROWS_PER_TASK;
        let factors = Factors {
            left: &left.lines[first * depth..],
            rows: ROWS_PER_TASK.min(rows - first),
            right: &right.lines[group * depth * LANES * PANELS..],
            panels: PANELS,
            depth,
        };
        let columns_here = COLUMNS.min(columns - group * COLUMNS);
        SUMS.with_borrow_mut(|sums| {
            if sums.len() < factors.sums() {
                sums.resize(factors.sums(), Line([0.0; LANES]));
            }
            way.multiply(&factors, sums);
            for (row, sums) in sums.chunks_exact(PANELS).take(factors.rows).enumerate() {
                let start = (first + row) * columns + group * COLUMNS;
                // SAFETY: row `first + row` is one of `rows`, and the group's columns are some of
                // `columns`, so the part lies in the output; no other task has this group and row.
                let part = unsafe { output.part(start, columns_here) };
                for (output, sums) in part.chunks_mut(LANES).zip(sums) {
                    for (output, sum) in output.iter_mut().zip(sums.0) {
                        *output = if accumulate { *output + sum } else { sum };
                    }
                }
            }
        });
    };
    let tasks = columns.div_ceil(COLUMNS) * blocks;
    if threads == Threads::All && rows * columns * left.columns >= WORTH_THREADS {
        (0..tasks).into_par_iter().for_each(task);
    } else {
        (0..tasks).for_each(task);
    }
}
