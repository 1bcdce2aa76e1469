//! Products of whole matrices of floats.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::layout::{Number, Strided, transpose};
use super::{Factors, FloatProduct, LANES, Line, Sums};
use crate::kernels::gemm::{Matrix, Threads};
use crate::kernels::memory;

/// Panels of a group.
const PANELS: usize = 4;
/// Columns of a group.
const COLUMNS: usize = PANELS * LANES;
/// Rows that one task multiplies with a group.
const ROWS_PER_TASK: usize = 256;
/// Tiles of rows, or groups of columns, that one task lays out of a matrix that lies across: it reads
/// this many neighbouring lines of a row at a time.
const TILES_PER_TASK: usize = 16;
/// The least multiplications of a product for which a second thread is worth waking.
const WORTH_THREADS: usize = 8 << 20;
/// The least numbers of a factor for which a second thread is worth waking to lay it out.
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

/// Writes a row of numbers into lines `step` apart, filled up with zeros.
fn write_row<T: Number>(product: FloatProduct, lines: &mut [Line], step: usize, row: &[T]) {
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

/// Writes lines of units, each of the rows of a matrix that make a unit and of a column: the unit with
/// this number, columns `first..` as many as the lines take.
fn write_units<T: Number>(
    product: FloatProduct,
    lines: &mut [Line],
    matrix: &Matrix<'_, T>,
    unit: usize,
    first: usize,
) {
    let (rows, columns) = matrix.sizes();
    let count = (lines.len() * LANES).min(columns - first);
    let (units, rest) = Line::numbers_mut(lines).split_at_mut(count);
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

/// A left factor `[rows, depth]`, laid out.
pub struct Left {
    product: FloatProduct,
    lines: Lines,
    rows: usize,
    columns: usize,
    /// Lines of a row.
    depth: usize,
}

impl Left {
    /// Lays out a matrix.
    pub fn new<T: Number>(product: FloatProduct, matrix: Matrix<'_, T>, threads: Threads) -> Self {
        let (rows, columns) = matrix.sizes();
        let (tiles, depth) = (
            rows.div_ceil(LANES),
            columns.div_ceil(product.unit() * LANES),
        );
        let mut lines = Lines::new(tiles * depth * LANES);
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
                let mut units = [[Line::ZERO; TILES_PER_TASK]; LANES];
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

/// Lays out the columns of a group.
fn write_group<T: Number>(
    product: FloatProduct,
    lines: &mut [Line],
    matrix: &Matrix<'_, T>,
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
            let mut tile = [Line::ZERO; LANES];
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

/// A right factor `[depth, columns]`, laid out, for use with several left ones.
pub struct Right {
    product: FloatProduct,
    lines: Lines,
    rows: usize,
    columns: usize,
}

impl Right {
    /// Lays out a matrix.
    pub fn new<T: Number>(product: FloatProduct, matrix: Matrix<'_, T>, threads: Threads) -> Self {
        let (rows, columns) = matrix.sizes();
        let size = rows.div_ceil(product.unit() * LANES) * LANES * PANELS;
        let mut lines = Lines::new(columns.div_ceil(COLUMNS) * size);
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

/// Where tasks write their parts of a matrix.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: it is used in `by_groups` alone, where no two tasks write to the same number.
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

    /// Sums of rows that lie `columns` numbers apart, from `start` on.
    ///
    /// # Safety
    ///
    /// As [`Self::part`], for the numbers of the rows that the sums are used for.
    unsafe fn sums<'a>(self, start: usize, columns: usize) -> Sums<'a, f32> {
        // SAFETY: the caller's.
        unsafe { Sums::new(self.0.add(start), columns) }
    }
}

/// `output = left * right`, or `output += left * right` when `accumulate`; `output` is row-major. Each
/// number is one sum in the order of the inputs, begun with what is there, whatever the rows beside it and the threads.
///
/// # Panics
///
/// When the sizes or ways to multiply do not agree, which would be a mistake in the calling kernel.
pub fn multiply(
    output: &mut [f32],
    left: &Left,
    right: &Right,
    accumulate: bool,
    threads: Threads,
) {
    assert_eq!(left.product, right.product, "factors of a matrix product");
    let size = left.depth * LANES * PANELS;
    let sizes = (right.rows, right.columns);
    by_groups(
        output,
        left,
        sizes,
        accumulate,
        threads,
        |group, product| {
            product(&right.lines[group * size..]);
        },
    );
}

/// [`multiply`] by a matrix that is laid out on the way: each group of columns by the thread that uses it,
/// while it does.
///
/// # Panics
///
/// As [`multiply`].
pub fn multiply_matrix<T: Number>(
    output: &mut [f32],
    left: &Left,
    right: Matrix<'_, T>,
    accumulate: bool,
    threads: Threads,
) {
    thread_local! {
        static GROUP: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    }
    let size = left.depth * LANES * PANELS;
    let sizes = right.sizes();
    by_groups(
        output,
        left,
        sizes,
        accumulate,
        threads,
        |group, product| {
            GROUP.with_borrow_mut(|lines| {
                if lines.len() < size {
                    lines.resize(size, Line::ZERO);
                }
                write_group(left.product, &mut lines[..size], &right, group);
                product(lines);
            });
        },
    );
}

/// Multiplies with one group of columns after the other, for which `with_group` calls back with the
/// group's lines.
fn by_groups(
    output: &mut [f32],
    left: &Left,
    (inputs, columns): (usize, usize),
    accumulate: bool,
    threads: Threads,
    with_group: impl Fn(usize, &mut dyn FnMut(&[Line])) + Sync,
) {
    thread_local! {
        static SUMS: RefCell<Vec<Line<f32>>> = const { RefCell::new(Vec::new()) };
    }
    let rows = left.rows;
    assert_eq!(left.columns, inputs, "inner sizes of a matrix product");
    assert!(output.len() >= rows * columns, "output of a matrix product");
    if rows == 0 || columns == 0 {
        return;
    }
    let (groups, blocks) = (columns.div_ceil(COLUMNS), rows.div_ceil(ROWS_PER_TASK));
    let output = Output(output.as_mut_ptr());
    let block = |group: usize, block: usize, right: &[Line]| {
        let first = block * ROWS_PER_TASK;
        let factors = Factors {
            left: &left.lines[first * left.depth..],
            rows: ROWS_PER_TASK.min(rows - first),
            right,
            panels: PANELS,
            depth: left.depth,
        };
        let columns_here = COLUMNS.min(columns - group * COLUMNS);
        let start = first * columns + group * COLUMNS;
        // Whole tiles are written where they belong; what a tile would write beyond, on the side.
        let whole = match columns_here == COLUMNS {
            true => factors.rows / LANES * LANES,
            false => 0,
        };
        if whole > 0 {
            let factors = Factors {
                rows: whole,
                ..factors
            };
            // SAFETY: rows `first..first + whole` and the group's columns lie in the output, and no
            // other task has this group and these rows.
            let sums = unsafe { output.sums(start, columns) };
            left.product.multiply(&factors, sums, accumulate);
        }
        if whole == factors.rows {
            return;
        }
        let factors = Factors {
            left: &factors.left[whole * left.depth..],
            rows: factors.rows - whole,
            ..factors
        };
        SUMS.with_borrow_mut(|sums| {
            if sums.len() < factors.sums() {
                sums.resize(factors.sums(), Line([0.0; LANES]));
            }
            let part = |row: usize| {
                let start = start + (whole + row) * columns;
                // SAFETY: as above, for the rows from `first + whole` on.
                unsafe { output.part(start, columns_here) }
            };
            if accumulate {
                for (row, sums) in sums.chunks_exact_mut(PANELS).take(factors.rows).enumerate() {
                    Line::numbers_mut(sums)[..columns_here].copy_from_slice(part(row));
                }
            }
            let side = Sums::of_lines(sums, &factors);
            left.product.multiply(&factors, side, accumulate);
            for (row, sums) in sums.chunks_exact(PANELS).take(factors.rows).enumerate() {
                part(row).copy_from_slice(&Line::numbers(sums)[..columns_here]);
            }
        });
    };
    let several = threads == Threads::All && rows * columns * inputs >= WORTH_THREADS;
    // A group's rows are cut where there are fewer groups than keep all threads busy. No sum depends
    // on the cuts.
    let parts = match several {
        true => (4 * rayon::current_num_threads())
            .div_ceil(groups)
            .min(blocks),
        false => 1,
    };
    let task = |task: usize| {
        let (group, part) = (task / parts, task % parts);
        with_group(group, &mut |right| {
            (blocks * part / parts..blocks * (part + 1) / parts)
                .for_each(|place| block(group, place, right));
        });
    };
    if several {
        (0..groups * parts).into_par_iter().for_each(task);
    } else {
        (0..groups).for_each(task);
    }
}
