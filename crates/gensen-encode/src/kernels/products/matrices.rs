//! Products of whole matrices of floats, split into tasks.

use std::cell::RefCell;

use rayon::prelude::*;

use super::factors::{COLUMNS, Left, PANELS, Right, write_group};
use super::layout::Element;
use super::{CacheLine, Factors, LANES, Sums};
use crate::kernels::gemm::{MatrixView, Threads};

/// Rows that one task multiplies by a group.
const ROWS_PER_TASK: usize = 256;
/// A product with fewer multiplications runs on one thread.
const WORTH_THREADS: usize = 8 << 20;

/// The output matrix, of which each task writes a part.
#[derive(Clone, Copy)]
struct SharedOutput(*mut f32);

// SAFETY: only `by_groups` uses it, where no two tasks write the same value.
unsafe impl Send for SharedOutput {}
// SAFETY: as above.
unsafe impl Sync for SharedOutput {}

impl SharedOutput {
    /// `count` values from `start` on.
    ///
    /// # Safety
    ///
    /// They must lie in the matrix, and nothing else may access them while the slice exists.
    unsafe fn part<'a>(self, start: usize, count: usize) -> &'a mut [f32] {
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), count) }
    }

    /// Sums in rows `columns` values apart, from `start` on.
    ///
    /// # Safety
    ///
    /// As [`Self::part`], for all rows of the product that writes these sums.
    unsafe fn sums<'a>(self, start: usize, columns: usize) -> Sums<'a, f32> {
        // SAFETY: guaranteed by the caller.
        unsafe { Sums::new(self.0.add(start), columns) }
    }
}

/// `output = left * right`, or `output += left * right` when `accumulate`; `output` is row-major.
/// Each value is one sum in the order of the inputs, from the value in `output` or zero on,
/// whatever the other rows and the number of threads.
///
/// # Panics
///
/// If the sizes or the kinds of product disagree, which would be a bug in the calling kernel.
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

/// [`multiply`] by a matrix that is not laid out yet: each task lays out the group of columns that
/// it uses.
///
/// # Panics
///
/// As [`multiply`].
pub fn multiply_matrix<T: Element>(
    output: &mut [f32],
    left: &Left,
    right: MatrixView<'_, T>,
    accumulate: bool,
    threads: Threads,
) {
    thread_local! {
        static GROUP: RefCell<Vec<CacheLine>> = const { RefCell::new(Vec::new()) };
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
                    lines.resize(size, CacheLine::ZERO);
                }
                write_group(left.product, &mut lines[..size], &right, group);
                product(lines);
            });
        },
    );
}

/// Multiplies by one group of columns after the other. `with_group(group, product)` must call
/// `product` with the group's lines.
fn by_groups(
    output: &mut [f32],
    left: &Left,
    (inputs, columns): (usize, usize),
    accumulate: bool,
    threads: Threads,
    with_group: impl Fn(usize, &mut dyn FnMut(&[CacheLine])) + Sync,
) {
    thread_local! {
        static SUMS: RefCell<Vec<CacheLine<f32>>> = const { RefCell::new(Vec::new()) };
    }
    let rows = left.rows;
    assert_eq!(left.columns, inputs, "inner sizes of a matrix product");
    assert!(output.len() >= rows * columns, "output of a matrix product");
    if rows == 0 || columns == 0 {
        return;
    }
    let (groups, blocks) = (columns.div_ceil(COLUMNS), rows.div_ceil(ROWS_PER_TASK));
    let output = SharedOutput(output.as_mut_ptr());
    let block = |group: usize, block: usize, right: &[CacheLine]| {
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
        // Full tiles are written to the output; a partial tile goes through a buffer.
        let whole = match columns_here == COLUMNS {
            true => factors.rows / LANES * LANES,
            false => 0,
        };
        if whole > 0 {
            let factors = Factors {
                rows: whole,
                ..factors
            };
            // SAFETY: rows `first..first + whole` and the group's columns lie in the output, and
            // only this task has this group and these rows.
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
                sums.resize(factors.sums(), CacheLine([0.0; LANES]));
            }
            let part = |row: usize| {
                let start = start + (whole + row) * columns;
                // SAFETY: as above, for the rows from `first + whole` on.
                unsafe { output.part(start, columns_here) }
            };
            if accumulate {
                for (row, sums) in sums.chunks_exact_mut(PANELS).take(factors.rows).enumerate() {
                    CacheLine::numbers_mut(sums)[..columns_here].copy_from_slice(part(row));
                }
            }
            let side = Sums::of_lines(sums, &factors);
            left.product.multiply(&factors, side, accumulate);
            for (row, sums) in sums.chunks_exact(PANELS).take(factors.rows).enumerate() {
                part(row).copy_from_slice(&CacheLine::numbers(sums)[..columns_here]);
            }
        });
    };
    let several = threads == Threads::All && rows * columns * inputs >= WORTH_THREADS;
    // A group's rows are split if there are too few groups to keep all threads busy. No sum depends
    // on the split.
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
