//! The back ends that the model runs on, and Burn's dispatch to them.

use std::sync::Arc;

use burn::backend::{
    Autodiff, AutodiffBackend, Backend, ExtensionType, Flex, TensorMetadata,
    autodiff::checkpoint::strategy::CheckpointStrategy,
    backend_extension,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::TensorData;

use super::adam::{AdamKernels, AdamStep};
use super::cross_entropy::{self, CrossEntropyKernels};
use super::gru::{self, GruInputs, GruKernels};
use super::gru_layer::{self, BidirectionalInputs, ConditionalInputs, GruLayerKernels};
use super::linear::{self, LinearKernels};
use super::rows::{self, RowKernels};
use crate::packed::Steps;

/// A parameter and its two moments after an Adam step.
#[derive(ExtensionType)]
pub struct AdamState<B: Backend> {
    /// The parameter.
    pub parameter: FloatTensor<B>,
    /// Running mean of the gradient.
    pub mean: FloatTensor<B>,
    /// Running mean of the squared gradient.
    pub variance: FloatTensor<B>,
}

/// Back ends that the model runs on.
#[backend_extension(
    Autodiff,
    Flex,
    Cube: cfg(any(feature = "cuda", feature = "metal", feature = "vulkan")),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote")
)]
pub trait SequenceBackend: Backend {
    /// See [`super::gru_scan`].
    fn gru_scan(#[extension_type] inputs: GruInputs<Self>, steps: Steps) -> FloatTensor<Self>;

    /// See [`super::bigru_scan`].
    fn bigru_scan(
        #[extension_type] forward: GruInputs<Self>,
        #[extension_type] reverse: GruInputs<Self>,
        steps: Steps,
    ) -> FloatTensor<Self>;

    /// See [`super::gru_layer`].
    fn gru_layer(
        #[extension_type] inputs: BidirectionalInputs<Self>,
        steps: Steps,
    ) -> FloatTensor<Self>;

    /// See [`super::conditional_gru`].
    fn conditional_gru(
        #[extension_type] inputs: ConditionalInputs<Self>,
        steps: Steps,
    ) -> FloatTensor<Self>;

    /// See [`super::linear`].
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// See [`super::projection_cross_entropy`].
    fn projection_cross_entropy(
        states: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: Arc<[u32]>,
    ) -> FloatTensor<Self>;

    /// See [`super::gather_rows`].
    fn gather_rows(x: FloatTensor<Self>, places: Arc<[u32]>) -> FloatTensor<Self>;

    /// See [`super::group_sums`].
    fn group_sums(
        values: FloatTensor<Self>,
        group_of: Arc<[u32]>,
        groups: usize,
    ) -> FloatTensor<Self>;

    /// See [`super::group_maxima`].
    fn group_maxima(
        values: FloatTensor<Self>,
        group_of: Arc<[u32]>,
        groups: usize,
    ) -> FloatTensor<Self>;

    /// See [`super::indices`].
    fn upload_indices(beside: FloatTensor<Self>, numbers: Arc<[u32]>) -> IntTensor<Self>;

    /// See [`super::floats`].
    fn upload_floats(beside: FloatTensor<Self>, numbers: TensorData) -> FloatTensor<Self>;
}

/// Back ends that the optimiser runs on, never under automatic differentiation.
#[backend_extension(
    Flex,
    Cube: cfg(any(feature = "cuda", feature = "metal", feature = "vulkan")),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote")
)]
pub trait OptimizerBackend: Backend {
    /// See [`super::adam_step`].
    fn adam_step(
        #[extension_type] state: AdamState<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self>;

    /// See [`super::adam_rows_step`].
    fn adam_rows_step(
        #[extension_type] state: AdamState<Self>,
        values: FloatTensor<Self>,
        rows: Arc<[u32]>,
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self>;

    /// See [`super::sum_of_squares`].
    fn sum_of_squares(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`super::clip_factor`].
    fn clip_factor(squares: FloatTensor<Self>, clip_norm: f64) -> FloatTensor<Self>;

    /// See [`super::sum_rows`].
    fn sum_rows(values: FloatTensor<Self>, places: Arc<[u32]>, rows: usize) -> FloatTensor<Self>;
}

/// Implements the operations for a concrete back end; its kernels come from [`GruKernels`],
/// [`GruLayerKernels`], [`LinearKernels`], [`CrossEntropyKernels`], [`RowKernels`] and
/// [`AdamKernels`].
macro_rules! concrete_backend {
    ($backend:ty) => {
        impl SequenceBackend for $backend {
            fn gru_scan(inputs: GruInputs<Self>, steps: Steps) -> FloatTensor<Self> {
                gru::states::<Self>(vec![inputs], &steps)
            }

            fn bigru_scan(
                forward: GruInputs<Self>,
                reverse: GruInputs<Self>,
                steps: Steps,
            ) -> FloatTensor<Self> {
                gru::states::<Self>(vec![forward, reverse], &steps)
            }

            fn gru_layer(inputs: BidirectionalInputs<Self>, steps: Steps) -> FloatTensor<Self> {
                match Self::bidirectional_layer(&inputs.tensors(), &steps, false) {
                    Some(layer) => layer.states,
                    None => gru_layer::bidirectional::<Self>(inputs, steps),
                }
            }

            fn conditional_gru(inputs: ConditionalInputs<Self>, steps: Steps) -> FloatTensor<Self> {
                match Self::conditional_layer(&inputs.tensors(), &steps, false) {
                    Some(layer) => layer.states,
                    None => gru_layer::conditional::<Self>(inputs, steps),
                }
            }

            fn linear(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::linear_forward(x, weight, bias)
            }

            fn projection_cross_entropy(
                states: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                targets: Arc<[u32]>,
            ) -> FloatTensor<Self> {
                Self::cross_entropy(states, weight, bias, &targets, None).loss
            }

            fn gather_rows(x: FloatTensor<Self>, places: Arc<[u32]>) -> FloatTensor<Self> {
                rows::gather::<Self>(x, &places)
            }

            fn group_sums(
                values: FloatTensor<Self>,
                group_of: Arc<[u32]>,
                groups: usize,
            ) -> FloatTensor<Self> {
                <Self as RowKernels>::sum_rows(values, &group_of, groups)
            }

            fn group_maxima(
                values: FloatTensor<Self>,
                group_of: Arc<[u32]>,
                groups: usize,
            ) -> FloatTensor<Self> {
                <Self as RowKernels>::max_rows(values, &group_of, groups)
            }

            fn upload_indices(beside: FloatTensor<Self>, numbers: Arc<[u32]>) -> IntTensor<Self> {
                <Self as RowKernels>::upload_indices(&numbers, &beside.device())
            }

            fn upload_floats(beside: FloatTensor<Self>, numbers: TensorData) -> FloatTensor<Self> {
                <Self as RowKernels>::upload_floats(numbers, &beside.device())
            }
        }

        impl OptimizerBackend for $backend {
            fn adam_step(
                state: AdamState<Self>,
                gradient: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                step: AdamStep,
            ) -> AdamState<Self> {
                let AdamState {
                    parameter,
                    mean,
                    variance,
                } = state;
                Self::adam(parameter, mean, variance, gradient, scale, step)
            }

            fn adam_rows_step(
                state: AdamState<Self>,
                values: FloatTensor<Self>,
                rows: Arc<[u32]>,
                scale: FloatTensor<Self>,
                step: AdamStep,
            ) -> AdamState<Self> {
                let state = [state.parameter, state.mean, state.variance];
                Self::adam_rows(state, values, &rows, scale, step)
            }

            fn sum_of_squares(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
                Self::squared_norm(tensor)
            }

            fn clip_factor(squares: FloatTensor<Self>, clip_norm: f64) -> FloatTensor<Self> {
                <Self as AdamKernels>::clip_factor(squares, clip_norm)
            }

            fn sum_rows(
                values: FloatTensor<Self>,
                places: Arc<[u32]>,
                rows: usize,
            ) -> FloatTensor<Self> {
                <Self as RowKernels>::sum_rows(values, &places, rows)
            }
        }
    };
}

concrete_backend!(Flex);
#[cfg(any(feature = "cuda", feature = "metal", feature = "vulkan"))]
concrete_backend!(burn::backend::Cube);
#[cfg(feature = "tch")]
concrete_backend!(burn::backend::LibTorch);
#[cfg(feature = "remote")]
concrete_backend!(burn::backend::Remote);

impl<B, C> SequenceBackend for Autodiff<B, C>
where
    B: GruKernels + GruLayerKernels + LinearKernels + CrossEntropyKernels + RowKernels,
    C: CheckpointStrategy,
{
    fn gru_scan(inputs: GruInputs<Self>, steps: Steps) -> FloatTensor<Self> {
        gru::differentiable::<B, C, 4>(vec![inputs], &steps)
    }

    fn bigru_scan(
        forward: GruInputs<Self>,
        reverse: GruInputs<Self>,
        steps: Steps,
    ) -> FloatTensor<Self> {
        gru::differentiable::<B, C, 8>(vec![forward, reverse], &steps)
    }

    fn gru_layer(inputs: BidirectionalInputs<Self>, steps: Steps) -> FloatTensor<Self> {
        let layer =
            |inputs: &_, differentiate| B::bidirectional_layer(inputs, &steps, differentiate);
        gru_layer::differentiable::<B, C, 9>(&inputs.tensors(), layer)
            .unwrap_or_else(|| gru_layer::bidirectional::<Self>(inputs, steps.clone()))
    }

    fn conditional_gru(inputs: ConditionalInputs<Self>, steps: Steps) -> FloatTensor<Self> {
        let layer = |inputs: &_, differentiate| B::conditional_layer(inputs, &steps, differentiate);
        gru_layer::differentiable::<B, C, 8>(&inputs.tensors(), layer)
            .unwrap_or_else(|| gru_layer::conditional::<Self>(inputs, steps.clone()))
    }

    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::differentiable::<B, C>(x, weight, bias)
    }

    fn projection_cross_entropy(
        states: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: Arc<[u32]>,
    ) -> FloatTensor<Self> {
        cross_entropy::differentiable::<B, C>(states, weight, bias, targets)
    }

    fn gather_rows(x: FloatTensor<Self>, places: Arc<[u32]>) -> FloatTensor<Self> {
        rows::differentiable::<B, C>(x, places)
    }

    fn group_sums(
        values: FloatTensor<Self>,
        group_of: Arc<[u32]>,
        groups: usize,
    ) -> FloatTensor<Self> {
        rows::differentiable_sums::<B, C>(values, group_of, groups)
    }

    fn group_maxima(
        values: FloatTensor<Self>,
        group_of: Arc<[u32]>,
        groups: usize,
    ) -> FloatTensor<Self> {
        rows::differentiable_maxima::<B, C>(values, group_of, groups)
    }

    fn upload_indices(beside: FloatTensor<Self>, numbers: Arc<[u32]>) -> IntTensor<Self> {
        B::upload_indices(&numbers, &beside.device())
    }

    fn upload_floats(beside: FloatTensor<Self>, numbers: TensorData) -> FloatTensor<Self> {
        Self::from_inner(B::upload_floats(numbers, &beside.device()))
    }
}
