//! Conversions between Flex tensors and slices.

use std::ops::Deref;

use burn::tensor::{DType, TensorData};
use burn_flex::FlexTensor;
use half::bf16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::gemm::{MatrixView, Threads, matmul};
use super::memory::{self, Buffer};
use super::products::{Bf16Product, FloatProduct, Left, multiply_matrix};

/// Numbers per task of a rounding loop.
const PART: usize = 1 << 16;

/// The numbers of a tensor in row-major order, copied only if the tensor is a strided view.
pub(crate) struct Slice(FlexTensor);

/// The same for a tensor of bf16.
struct HalfSlice(FlexTensor);

impl Deref for HalfSlice {
    type Target = [bf16];

    fn deref(&self) -> &[bf16] {
        #[allow(
            clippy::expect_used,
            reason = "`halves` accepts bf16 and makes it contiguous"
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

/// The arithmetic of an operation on the CPU: f32, or factors rounded to bf16 with sums in f32.
#[derive(Clone, Copy)]
pub(crate) struct Arithmetic(Option<FloatProduct>);

impl Arithmetic {
    /// The arithmetic for activations and weights of these types: all f32, or activations in bf16
    /// and weights in f32 if the processor multiplies bf16. Others are left to compositions of
    /// Flex's primitives.
    pub(crate) fn of(activations: &FlexTensor, weight: DType) -> Option<Self> {
        match (activations.dtype(), weight) {
            (DType::F32, _) => Some(Self(None)),
            (DType::BF16, DType::F32) => {
                let way = Bf16Product::best()?;
                Some(Self(Some(FloatProduct::Half(way))))
            }
            _ => None,
        }
    }

    /// The product of bf16, if it is used.
    pub(crate) fn product(self) -> Option<FloatProduct> {
        self.0
    }

    /// `output = left * right`, or `output += left * right` when `accumulate`, on all threads.
    pub(crate) fn multiply(
        self,
        output: &mut [f32],
        left: MatrixView<'_>,
        right: MatrixView<'_>,
        accumulate: bool,
    ) {
        match self.0 {
            None => matmul(output, left, right, accumulate, Threads::All),
            Some(way) => {
                let left = Left::new(way, left, Threads::All);
                multiply_matrix(output, &left, right, accumulate, Threads::All);
            }
        }
    }

    /// Numbers in any float type, for a result that becomes [`Self::activations`].
    pub(crate) fn numbers(self, len: usize) -> Vec<f32> {
        match self.0 {
            None => vec![0.0; len],
            Some(_) => memory::take(len),
        }
    }

    /// A tensor of the activations' type from these numbers, rounded to nearest in bf16.
    pub(crate) fn activations<const D: usize>(
        self,
        numbers: Vec<f32>,
        shape: [usize; D],
    ) -> FlexTensor {
        if self.0.is_none() {
            return tensor(numbers, shape);
        }
        let rounded = rounded(&numbers, shape);
        memory::give(numbers);
        rounded
    }
}

/// Reads a tensor of bf16 as a slice.
fn halves(tensor: FlexTensor) -> HalfSlice {
    assert_eq!(tensor.dtype(), DType::BF16, "a kernel of bf16");
    HalfSlice(if tensor.is_contiguous() {
        tensor
    } else {
        tensor.to_contiguous()
    })
}

/// A tensor of bf16 from these numbers, rounded to nearest.
pub(crate) fn rounded<const D: usize>(numbers: &[f32], shape: [usize; D]) -> FlexTensor {
    let mut halves = vec![bf16::ZERO; numbers.len()];
    let parts = halves.par_chunks_mut(PART).zip(numbers.par_chunks(PART));
    parts.for_each(|(halves, numbers)| halves.convert_from_f32_slice(numbers));
    FlexTensor::from_data(TensorData::new(halves, shape))
}

impl Slice {
    /// Keeps the memory for later results, if the tensor has no other owner.
    pub(crate) fn give(self) {
        if self.0.is_unique() {
            #[allow(clippy::expect_used, reason = "`slice` accepts f32")]
            memory::give(self.0.into_data().try_into_vec().expect("f32"));
        }
    }
}

impl Deref for Slice {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        #[allow(
            clippy::expect_used,
            reason = "`slice` accepts f32 and makes it contiguous"
        )]
        self.0.as_slice().expect("a contiguous tensor of f32")
    }
}

/// Whether a tensor is f32, which our kernels compute in. Others are left to compositions of Flex's
/// primitives.
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

/// A tensor from numbers in row-major order.
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
