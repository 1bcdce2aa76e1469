//! Gathers and sums rows of a matrix by index; sums and maxima of groups of rows.

use std::sync::Arc;

use burn::backend::{
    Autodiff, Backend, DeviceOps, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::{Device, FloatTensor, IntTensor},
};
use burn::tensor::{DType, IndexingUpdateOp, Shape, TensorData};
use burn_flex::FlexTensor;

use super::flex::{Numbers, rounded, single, slice, tensor};
use super::memory;

/// The operations for a concrete back end; the defaults compose the back end's own primitives.
pub trait RowKernels: Backend {
    /// Copies row numbers `[numbers]` to the device, in its integer type, without waiting for it.
    fn upload_indices(numbers: &[u32], device: &Device<Self>) -> IntTensor<Self> {
        let numbers: Vec<i64> = numbers.iter().map(|&k| i64::from(k)).collect();
        let count = numbers.len();
        let data = TensorData::new(numbers, [count]);
        Self::int_from_data(
            data.convert_dtype(device.defaults().int_dtype.into()),
            device,
        )
    }

    /// Copies f32 numbers to the device, without waiting for it.
    fn upload_floats(numbers: TensorData, device: &Device<Self>) -> FloatTensor<Self> {
        Self::float_from_data(numbers, device)
    }

    /// `[rows, width]`: row `k` is the sum of those rows of `values` `[uses, width]` whose place is
    /// `k`.
    fn sum_rows(values: FloatTensor<Self>, places: &[u32], rows: usize) -> FloatTensor<Self> {
        generic_sums::<Self>(values, places, rows)
    }

    /// `[groups, width]`: row `k` is the element-wise maximum of those rows of `values`
    /// `[rows, width]` whose group is `k`. Every group has a row.
    fn max_rows(values: FloatTensor<Self>, group_of: &[u32], groups: usize) -> FloatTensor<Self> {
        generic_max::<Self>(values, group_of, groups)
    }
}

impl RowKernels for Flex {
    fn sum_rows(values: FlexTensor, places: &[u32], rows: usize) -> FlexTensor {
        let width = values.shape()[1];
        if values.dtype() != DType::BF16 {
            return generic_sums::<Self>(values, places, rows);
        }
        // Added up in f32, and rounded once.
        let values = Numbers::new(values);
        let mut sums = vec![0.0; rows * width];
        for (row, &place) in values.chunks_exact(width.max(1)).zip(places) {
            let sums = &mut sums[place as usize * width..][..width];
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        rounded(&sums, [rows, width])
    }

    fn max_rows(values: FlexTensor, group_of: &[u32], groups: usize) -> FlexTensor {
        if !single(&values) {
            return generic_max::<Self>(values, group_of, groups);
        }
        let width = values.shape()[1];
        let values = slice(values);
        let mut maxima = memory::take(groups * width);
        maxima.fill(f32::NEG_INFINITY);
        for (row, &group) in values.chunks_exact(width.max(1)).zip(group_of) {
            let maxima = &mut maxima[group as usize * width..][..width];
            for (max, x) in maxima.iter_mut().zip(row) {
                *max = if *x > *max { *x } else { *max };
            }
        }
        tensor(maxima, [groups, width])
    }
}

fn generic_sums<B: RowKernels>(
    values: FloatTensor<B>,
    places: &[u32],
    rows: usize,
) -> FloatTensor<B> {
    let (device, width) = (values.device(), values.shape()[1]);
    let places = B::upload_indices(places, &device);
    let shape = Shape::new([rows, width]);
    let zeros = B::float_zeros(shape, &device, values.dtype().into());
    B::float_select_assign(zeros, 0, places, values, IndexingUpdateOp::Add)
}

/// Maxima by doubling: every row takes the maximum with the row 1, 2, 4, ... places further in its
/// group, until the first row of each group holds the maximum of all.
pub(super) fn generic_max<B: RowKernels>(
    mut values: FloatTensor<B>,
    group_of: &[u32],
    groups: usize,
) -> FloatTensor<B> {
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); groups];
    for (row, &group) in group_of.iter().enumerate() {
        members[group as usize].push(row as u32);
    }
    let longest = members.iter().map(Vec::len).max().unwrap_or(0);
    let mut stride = 1;
    while stride < longest {
        let mut partners: Vec<u32> = (0..group_of.len() as u32).collect();
        for rows in &members {
            for (row, partner) in rows.iter().zip(rows.iter().skip(stride)) {
                partners[*row as usize] = *partner;
            }
        }
        let others = gather::<B>(values.clone(), &partners);
        let bools = values.device().defaults().bool_dtype;
        let less = B::float_lower(values.clone(), others.clone(), bools);
        values = B::float_mask_where(values, less, others);
        stride *= 2;
    }
    let firsts: Vec<u32> = members
        .iter()
        .filter_map(|rows| rows.first().copied())
        .collect();
    gather::<B>(values, &firsts)
}

/// Rows of `x` `[rows, width]`: `[places, width]`.
pub(super) fn gather<B: RowKernels>(x: FloatTensor<B>, places: &[u32]) -> FloatTensor<B> {
    let places = B::upload_indices(places, &x.device());
    B::float_select(x, 0, places)
}

/// Registers the gradient of an operation with one parent, if the parent is tracked.
fn derive<B: RowKernels, S>(
    ops: Ops<S, 1>,
    gradients: &mut Gradients,
    derivative: impl FnOnce(FloatTensor<B>, S) -> FloatTensor<B>,
) {
    let gradient = gradients.consume::<B>(&ops.node);
    let [parent] = ops.parents;
    if let Some(node) = parent {
        gradients.register::<B>(node.id, derivative(gradient, ops.state));
    }
}

/// Parent: x.
#[derive(Debug)]
struct GatherRows;

impl<B: RowKernels> Backward<B, 1> for GatherRows {
    /// The places, and the number of rows.
    type State = (Arc<[u32]>, usize);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        derive::<B, _>(ops, gradients, |gradient, (places, rows)| {
            B::sum_rows(gradient, &places, rows)
        });
    }
}

/// [`super::SequenceBackend::gather_rows`] with gradients.
pub(super) fn differentiable<B: RowKernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    places: Arc<[u32]>,
) -> FloatTensor<Autodiff<B, C>> {
    let node = [x.node()];
    let x = x.into_primitive();
    let (rows, gathered) = (x.shape()[0], gather::<B>(x, &places));
    match GatherRows.prepare::<C>(node).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((places, rows), gathered),
        OpsKind::UnTracked(prepared) => prepared.finish(gathered),
    }
}

/// Parent: values.
#[derive(Debug)]
struct GroupSums;

impl<B: RowKernels> Backward<B, 1> for GroupSums {
    /// Each row's group.
    type State = Arc<[u32]>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        derive::<B, _>(ops, gradients, |gradient, group_of| {
            gather::<B>(gradient, &group_of)
        });
    }
}

/// [`super::SequenceBackend::group_sums`] with gradients.
pub(super) fn differentiable_sums<B: RowKernels, C: CheckpointStrategy>(
    values: FloatTensor<Autodiff<B, C>>,
    group_of: Arc<[u32]>,
    groups: usize,
) -> FloatTensor<Autodiff<B, C>> {
    let node = [values.node()];
    let sums = B::sum_rows(values.into_primitive(), &group_of, groups);
    match GroupSums.prepare::<C>(node).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(group_of, sums),
        OpsKind::UnTracked(prepared) => prepared.finish(sums),
    }
}

/// Parent: values.
#[derive(Debug)]
struct GroupMaxima;

impl<B: RowKernels> Backward<B, 1> for GroupMaxima {
    /// The values, the maxima, and each row's group.
    type State = (FloatTensor<B>, FloatTensor<B>, Arc<[u32]>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        derive::<B, _>(ops, gradients, |gradient, (values, maxima, group_of)| {
            // Equal maxima share the gradient, as in PyTorch's `amax`.
            let groups = maxima.shape()[0];
            let defaults = values.device().defaults();
            let dtype = values.dtype().into();
            let largest = gather::<B>(maxima, &group_of);
            let largest = B::float_equal(values, largest, defaults.bool_dtype);
            let largest = B::bool_into_float(largest, dtype);
            let ties = B::sum_rows(largest.clone(), &group_of, groups);
            let shares = gather::<B>(B::float_div(gradient, ties), &group_of);
            B::float_mul(largest, shares)
        });
    }
}

/// [`super::SequenceBackend::group_maxima`] with gradients.
pub(super) fn differentiable_maxima<B: RowKernels, C: CheckpointStrategy>(
    values: FloatTensor<Autodiff<B, C>>,
    group_of: Arc<[u32]>,
    groups: usize,
) -> FloatTensor<Autodiff<B, C>> {
    let node = [values.node()];
    let values = values.into_primitive();
    let maxima = B::max_rows(values.clone(), &group_of, groups);
    match GroupMaxima.prepare::<C>(node).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((values, maxima.clone(), group_of), maxima),
        OpsKind::UnTracked(prepared) => prepared.finish(maxima),
    }
}
