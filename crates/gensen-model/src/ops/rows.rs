//! Rows of a matrix by their numbers: gathered, and summed up again.

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
use burn::tensor::{IndexingUpdateOp, Shape, TensorData};

/// The operations for a concrete back end; the defaults compose the back end's own primitives.
pub trait RowKernels: Backend {
    /// `[numbers]`: row numbers on the device, in the integers that its operations take. Nothing
    /// waits until they are there.
    fn upload_indices(numbers: &[u32], device: &Device<Self>) -> IntTensor<Self> {
        let numbers: Vec<i64> = numbers.iter().map(|&k| i64::from(k)).collect();
        let count = numbers.len();
        let data = TensorData::new(numbers, [count]);
        Self::int_from_data(
            data.convert_dtype(device.defaults().int_dtype.into()),
            device,
        )
    }

    /// Numbers in f32 on the device, as [`Self::upload_indices`].
    fn upload_floats(numbers: TensorData, device: &Device<Self>) -> FloatTensor<Self> {
        Self::float_from_data(numbers, device)
    }

    /// `[rows, width]`: row `k` is the sum of those rows of `values` `[uses, width]` whose place is
    /// `k`.
    fn sum_rows(values: FloatTensor<Self>, places: &[u32], rows: usize) -> FloatTensor<Self> {
        let (device, width) = (values.device(), values.shape()[1]);
        let places = Self::upload_indices(places, &device);
        let shape = Shape::new([rows, width]);
        let zeros = Self::float_zeros(shape, &device, values.dtype().into());
        Self::float_select_assign(zeros, 0, places, values, IndexingUpdateOp::Add)
    }
}

impl RowKernels for Flex {}

/// Rows of `x` `[rows, width]`: `[places, width]`.
pub(super) fn gather<B: RowKernels>(x: FloatTensor<B>, places: &[u32]) -> FloatTensor<B> {
    let places = B::upload_indices(places, &x.device());
    B::float_select(x, 0, places)
}

/// Parent: x.
#[derive(Debug)]
struct GatherRows;

impl<B: RowKernels> Backward<B, 1> for GatherRows {
    /// The places, and the number of rows they are among.
    type State = (Arc<[u32]>, usize);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (places, rows) = ops.state;
        let [parent] = ops.parents;
        if let Some(node) = parent {
            gradients.register::<B>(node.id, B::sum_rows(gradient, &places, rows));
        }
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
