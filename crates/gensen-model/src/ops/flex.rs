//! Between Flex tensors and slices.

use std::ops::Deref;

use burn::tensor::{DType, TensorData};
use burn_flex::FlexTensor;

use super::memory;

/// The numbers of a tensor in row-major order, copied only if the tensor is a strided view.
pub(crate) struct Slice(FlexTensor);

impl Slice {
    /// Keeps the memory for later results, if nobody else holds the tensor.
    pub(crate) fn give(self) {
        if self.0.is_unique() {
            #[allow(clippy::expect_used, reason = "`slice` takes f32")]
            memory::give(self.0.into_data().try_into_vec().expect("f32"));
        }
    }
}

impl Deref for Slice {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        #[allow(
            clippy::expect_used,
            reason = "`slice` takes f32 and makes it contiguous"
        )]
        self.0.as_slice().expect("a contiguous tensor of f32")
    }
}

/// Whether a tensor is of f32, which our kernels compute in. What is not goes to compositions of
/// Flex's own primitives.
pub(crate) fn single(tensor: &FlexTensor) -> bool {
    tensor.dtype() == DType::F32
}

/// Reads a tensor of f32 as a slice.
pub(crate) fn slice(tensor: FlexTensor) -> Slice {
    assert!(single(&tensor), "{:?} in a kernel of f32", tensor.dtype());
    Slice(if tensor.is_contiguous() {
        tensor
    } else {
        tensor.to_contiguous()
    })
}

/// A tensor around numbers in row-major order.
pub(crate) fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_unless_somebody_else_holds_the_tensor() {
        // A size that no other test of this program uses.
        let size = 6_543_217;
        let numbers = memory::take(size);
        let place = numbers.as_ptr();
        slice(tensor(numbers, [size])).give();
        let again = memory::take(size);
        assert_eq!(again.as_ptr(), place);
        let shared = tensor(again, [size]);
        let other = shared.clone();
        slice(shared).give();
        let fresh = memory::take(size);
        assert_ne!(fresh.as_ptr(), place, "somebody else holds it");
        drop(other);
    }
}
