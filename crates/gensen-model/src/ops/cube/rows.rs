//! Sums of rows by place, one unit per number: Burn's own operation walks all uses of a column in
//! series, a thousand dependent reads.

use burn::backend::ops::IntTensorOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::TensorData;
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{addresses, element, empty, one_unit_each};
use crate::ops::rows::RowKernels;

impl RowKernels for Cube {
    fn sum_rows(values: CubeTensor, places: &[u32], rows: usize) -> CubeTensor {
        let values = into_contiguous(values);
        let width = values.shape()[1];
        let sums = empty(&values, [rows, width], values.dtype);
        if rows * width == 0 {
            return sums;
        }
        let uses = uses_by_row(places, rows);
        let count = uses.len();
        let uses = Self::int_from_data(TensorData::new(uses, [count]), &values.device());
        let (count, dim) = one_unit_each(&values.client, rows * width);
        sum_by_row::launch(
            &sums.client,
            count,
            dim,
            addresses(&[&values, &sums]),
            values.clone().into_buffer_arg(),
            uses.into_buffer_arg(),
            sums.clone().into_buffer_arg(),
            rows,
            width,
            element(&values),
        );
        sums
    }
}

/// The offsets of each row's uses, with the end of the last, and then the uses, row after row, in
/// order.
fn uses_by_row(places: &[u32], rows: usize) -> Vec<u32> {
    let mut uses = vec![0; rows + 1];
    for &place in places {
        uses[place as usize + 1] += 1;
    }
    for row in 0..rows {
        uses[row + 1] += uses[row];
    }
    let mut order: Vec<u32> = (0..places.len() as u32).collect();
    order.sort_by_key(|&k| places[k as usize]);
    uses.extend(order);
    uses
}

/// One unit per number of a row.
#[cube(launch, address_type = "dynamic")]
fn sum_by_row<F: Float>(
    values: &[F],   // [uses, width]
    uses: &[u32],   // of `uses_by_row`
    sums: &mut [F], // [rows, width]
    rows: usize,
    width: usize,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS < rows * width {
        let row = ABSOLUTE_POS / width;
        let column = ABSOLUTE_POS % width;
        let end = uses[row + 1] as usize;
        let mut sum = 0.0f32;
        let mut k = uses[row] as usize;
        while k < end {
            let from = uses[rows + 1 + k] as usize;
            sum += f32::cast_from(values[from * width + column]);
            k += 1;
        }
        sums[ABSOLUTE_POS] = F::cast_from(sum);
    }
}
