//! Between Flex tensors and slices.

use std::ops::Deref;

use burn::tensor::{DType, TensorData};
use burn_flex::FlexTensor;
use half::bf16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::memory::{self, Buffer};
use super::products::{Bf16Product, FloatProduct};

/// Numbers that one task of a loop rounds.
const PART: usize = 1 << 16;

/// The numbers of a tensor in row-major order, copied only if the tensor is a strided view.
pub(crate) struct Slice(FlexTensor);

/// The same of a tensor of bf16.
pub(crate) struct Halves(FlexTensor);

impl Deref for Halves {
    type Target = [bf16];

    fn deref(&self) -> &[bf16] {
        #[allow(
            clippy::expect_used,
            reason = "`halves` takes bf16 and makes it contiguous"
        )]
        self.0.as_slice().expect("a contiguous tensor of bf16")
    }
}

/// The numbers of a tensor of f32 or bf16, in f32.
pub(crate) enum Numbers {
    Single(Slice),
    Half(Buffer),
}

impl Numbers {
    /// Reads a tensor.
    pub(crate) fn new(tensor: FlexTensor) -> Self {
        if single(&tensor) {
            return Self::Single(slice(tensor));
        }
        let tensor = halves(tensor);
        let mut numbers = Buffer::new(tensor.len());
        tensor.convert_to_f32_slice(&mut numbers);
        Self::Half(numbers)
    }
}

impl Deref for Numbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Single(numbers) => numbers,
            Self::Half(numbers) => numbers,
        }
    }
}

/// How the processor multiplies activations of bf16 with weights of f32, if it is these that meet.
/// Weights are rounded on the way; sums, and gradients of weights, are in f32.
pub(crate) fn mixed(activations: &FlexTensor, weight: DType) -> Option<FloatProduct> {
    let meet = activations.dtype() == DType::BF16 && weight == DType::F32;
    let way = meet.then(Bf16Product::best).flatten();
    way.map(FloatProduct::Half)
}

/// Reads a tensor of bf16 as a slice.
pub(crate) fn halves(tensor: FlexTensor) -> Halves {
    assert_eq!(tensor.dtype(), DType::BF16, "a kernel of bf16");
    Halves(if tensor.is_contiguous() {
        tensor
    } else {
        tensor.to_contiguous()
    })
}

/// A tensor of bf16 around the nearest of these numbers.
pub(crate) fn rounded<const D: usize>(numbers: &[f32], shape: [usize; D]) -> FlexTensor {
    let mut halves = vec![bf16::ZERO; numbers.len()];
    let parts = halves.par_chunks_mut(PART).zip(numbers.par_chunks(PART));
    parts.for_each(|(halves, numbers)| halves.convert_from_f32_slice(numbers));
    FlexTensor::from_data(TensorData::new(halves, shape))
}

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
