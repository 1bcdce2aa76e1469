//! The back ends on which the model runs: what Burn routes to each of them.

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
use super::gru::{self, GruKernels};
use super::gru_layer::{self, GruLayerKernels};
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

/// Back ends on which the model runs.
#[backend_extension(
    Autodiff,
    Flex,
    Cube: cfg(any(feature = "cuda", feature = "metal", feature = "vulkan")),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote")
)]
#[allow(clippy::too_many_arguments, reason = "the macro routes single tensors")]
pub trait SequenceBackend: Backend {
    /// See [`super::gru_scan`].
    fn gru_scan(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        steps: Steps,
    ) -> FloatTensor<Self>;

    /// See [`super::bigru_scan`].
    fn bigru_scan(
        forward: FloatTensor<Self>,
        forward_weight: FloatTensor<Self>,
        forward_bias: FloatTensor<Self>,
        reverse: FloatTensor<Self>,
        reverse_weight: FloatTensor<Self>,
        reverse_bias: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        steps: Steps,
    ) -> FloatTensor<Self>;

    /// See [`super::gru_layer`].
    fn gru_layer(
        x: FloatTensor<Self>,
        forward_weight_ih: FloatTensor<Self>,
        forward_weight_hh: FloatTensor<Self>,
        forward_bias_ih: FloatTensor<Self>,
        forward_bias_hh: FloatTensor<Self>,
        reverse_weight_ih: FloatTensor<Self>,
        reverse_weight_hh: FloatTensor<Self>,
        reverse_bias_ih: FloatTensor<Self>,
        reverse_bias_hh: FloatTensor<Self>,
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

    /// See [`super::indices`].
    fn upload_indices(beside: FloatTensor<Self>, numbers: Arc<[u32]>) -> IntTensor<Self>;

    /// See [`super::floats`].
    fn upload_floats(beside: FloatTensor<Self>, numbers: TensorData) -> FloatTensor<Self>;
}

/// Back ends on which the optimiser runs: never under automatic differentiation.
#[backend_extension(
    Flex,
    Cube: cfg(any(feature = "cuda", feature = "metal", feature = "vulkan")),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote")
)]
pub trait OptimizerBackend: Backend {
    /// See [`super::adam_step`].
    fn adam_step(
        parameter: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        step: AdamStep,
    ) -> AdamState<Self>;

    /// See [`super::adam_rows_step`].
    fn adam_rows_step(
        parameter: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        values: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        rows: Arc<[u32]>,
        step: AdamStep,
    ) -> AdamState<Self>;

    /// See [`super::sum_of_squares`].
    fn sum_of_squares(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`super::clip_factor`].
    fn clip_factor(squares: FloatTensor<Self>, clip_norm: f64) -> FloatTensor<Self>;

    /// See [`super::sum_rows`].
    fn sum_rows(values: FloatTensor<Self>, places: Arc<[u32]>, rows: usize) -> FloatTensor<Self>;
}

/// Makes a concrete back end one of ours; its kernels come from [`GruKernels`], [`GruLayerKernels`],
/// [`LinearKernels`], [`CrossEntropyKernels`], [`RowKernels`] and [`AdamKernels`].
macro_rules! concrete_backend {
    ($backend:ty) => {
        impl SequenceBackend for $backend {
            fn gru_scan(
                projected: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                initial: FloatTensor<Self>,
                steps: Steps,
            ) -> FloatTensor<Self> {
                let inputs = gru::inputs::<Self>([projected, weight, bias], initial, false);
                gru::states::<Self>(vec![inputs], &steps)
            }

            fn bigru_scan(
                forward: FloatTensor<Self>,
                forward_weight: FloatTensor<Self>,
                forward_bias: FloatTensor<Self>,
                reverse: FloatTensor<Self>,
                reverse_weight: FloatTensor<Self>,
                reverse_bias: FloatTensor<Self>,
                initial: FloatTensor<Self>,
                steps: Steps,
            ) -> FloatTensor<Self> {
                let forward = [forward, forward_weight, forward_bias];
                let reverse = [reverse, reverse_weight, reverse_bias];
                let inputs = vec![
                    gru::inputs::<Self>(forward, initial.clone(), false),
                    gru::inputs::<Self>(reverse, initial, true),
                ];
                gru::states::<Self>(inputs, &steps)
            }

            fn gru_layer(
                x: FloatTensor<Self>,
                forward_weight_ih: FloatTensor<Self>,
                forward_weight_hh: FloatTensor<Self>,
                forward_bias_ih: FloatTensor<Self>,
                forward_bias_hh: FloatTensor<Self>,
                reverse_weight_ih: FloatTensor<Self>,
                reverse_weight_hh: FloatTensor<Self>,
                reverse_bias_ih: FloatTensor<Self>,
                reverse_bias_hh: FloatTensor<Self>,
                steps: Steps,
            ) -> FloatTensor<Self> {
                let weights = [
                    forward_weight_ih,
                    forward_weight_hh,
                    forward_bias_ih,
                    forward_bias_hh,
                    reverse_weight_ih,
                    reverse_weight_hh,
                    reverse_bias_ih,
                    reverse_bias_hh,
                ];
                match <Self as GruLayerKernels>::gru_layer(&x, &weights, &steps, false) {
                    Some(layer) => layer.states,
                    None => gru_layer::composed::<Self>(x, weights, steps),
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

            fn upload_indices(beside: FloatTensor<Self>, numbers: Arc<[u32]>) -> IntTensor<Self> {
                <Self as RowKernels>::upload_indices(&numbers, &beside.device())
            }

            fn upload_floats(beside: FloatTensor<Self>, numbers: TensorData) -> FloatTensor<Self> {
                <Self as RowKernels>::upload_floats(numbers, &beside.device())
            }
        }

        impl OptimizerBackend for $backend {
            fn adam_step(
                parameter: FloatTensor<Self>,
                mean: FloatTensor<Self>,
                variance: FloatTensor<Self>,
                gradient: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                step: AdamStep,
            ) -> AdamState<Self> {
                Self::adam(parameter, mean, variance, gradient, scale, step)
            }

            fn adam_rows_step(
                parameter: FloatTensor<Self>,
                mean: FloatTensor<Self>,
                variance: FloatTensor<Self>,
                values: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                rows: Arc<[u32]>,
                step: AdamStep,
            ) -> AdamState<Self> {
                Self::adam_rows([parameter, mean, variance], values, &rows, scale, step)
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
    fn gru_scan(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        steps: Steps,
    ) -> FloatTensor<Self> {
        gru::scan::<B, C>([projected, weight, bias], initial, steps)
    }

    fn bigru_scan(
        forward: FloatTensor<Self>,
        forward_weight: FloatTensor<Self>,
        forward_bias: FloatTensor<Self>,
        reverse: FloatTensor<Self>,
        reverse_weight: FloatTensor<Self>,
        reverse_bias: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        steps: Steps,
    ) -> FloatTensor<Self> {
        let forward = [forward, forward_weight, forward_bias];
        let reverse = [reverse, reverse_weight, reverse_bias];
        gru::bidirectional_scan::<B, C>(forward, reverse, initial, steps)
    }

    fn gru_layer(
        x: FloatTensor<Self>,
        forward_weight_ih: FloatTensor<Self>,
        forward_weight_hh: FloatTensor<Self>,
        forward_bias_ih: FloatTensor<Self>,
        forward_bias_hh: FloatTensor<Self>,
        reverse_weight_ih: FloatTensor<Self>,
        reverse_weight_hh: FloatTensor<Self>,
        reverse_bias_ih: FloatTensor<Self>,
        reverse_bias_hh: FloatTensor<Self>,
        steps: Steps,
    ) -> FloatTensor<Self> {
        let weights = [
            forward_weight_ih,
            forward_weight_hh,
            forward_bias_ih,
            forward_bias_hh,
            reverse_weight_ih,
            reverse_weight_hh,
            reverse_bias_ih,
            reverse_bias_hh,
        ];
        gru_layer::differentiable::<B, C>(&x, &weights, &steps)
            .unwrap_or_else(|| gru_layer::composed::<Self>(x, weights, steps))
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

    fn upload_indices(beside: FloatTensor<Self>, numbers: Arc<[u32]>) -> IntTensor<Self> {
        B::upload_indices(&numbers, &beside.device())
    }

    fn upload_floats(beside: FloatTensor<Self>, numbers: TensorData) -> FloatTensor<Self> {
        Self::from_inner(B::upload_floats(numbers, &beside.device()))
    }
}
