//! Output projection and cross-entropy: per chunk of positions one product, one launch that turns
//! logits into losses and gradients in place, and the products of the gradients.

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::{Cube, DType, TensorMetadata};
use burn::tensor::{Shape, TensorData};
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::math::{exp, ln};
use super::{UNITS, addresses, cube_max, cube_sum, element, empty, one_unit_each};
use crate::ops::cross_entropy::{CrossEntropy, CrossEntropyKernels, LossGradients};
use crate::ops::gru::generic::rows;

/// Logits per chunk, 256 MiB of f32. Each chunk after the first adds a pass over the weights'
/// gradient, so chunks are larger than on the CPU, where they fit the cache.
const LOGITS_PER_CHUNK: usize = 64 << 20;

/// Positions per chunk: as many as fit the device's largest buffer, in whole tiles of a product.
fn chunk_rows(client: &Client, words: usize) -> usize {
    const TILE: usize = 64;
    let largest = client.properties().memory.max_page_size as usize / size_of::<f32>();
    let rows = largest.min(LOGITS_PER_CHUNK) / words.max(1);
    (rows / TILE * TILE).clamp(TILE, 128 * TILE)
}

impl CrossEntropyKernels for Cube {
    fn cross_entropy(
        states: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        targets: &[u32],
        gradients: Option<f32>,
    ) -> CrossEntropy<Self> {
        let words = weight.shape()[0];
        let (positions, mean) = (targets.len(), 1.0 / targets.len().max(1) as f32);
        let (client, device) = (states.client.clone(), states.device());
        let (states, bias) = (into_contiguous(states), into_contiguous(bias));
        let targets = TensorData::new(targets.to_vec(), [positions]);
        let targets = Self::int_from_data(targets, &device);
        let losses = empty(&states, [positions], DType::F32);
        let transposed = Self::float_transpose(weight.clone());

        let chunk = chunk_rows(&client, words);
        let mut d_states = Vec::new();
        let mut d_weight: Option<CubeTensor> = None;
        let mut d_bias: Option<CubeTensor> = None;
        let add = |sum: Option<CubeTensor>, x| match sum {
            Some(sum) => Some(Self::float_add(sum, x)),
            None => Some(x),
        };
        for first in (0..positions).step_by(chunk) {
            let count = chunk.min(positions - first);
            let states = rows::<Self>(&states, first, count);
            let logits = Self::float_matmul(states.clone(), transposed.clone());
            softmax_rows::launch(
                &client,
                CubeCount::Static(count as u32, 1, 1),
                CubeDim::new_1d(UNITS),
                addresses(&[&logits]),
                logits.clone().into_tensor_arg(),
                bias.clone().into_buffer_arg(),
                targets.clone().into_buffer_arg(),
                losses.clone().into_buffer_arg(),
                first,
                words,
                mean,
                gradients.unwrap_or_default(),
                gradients.is_some(),
                element(&logits),
            );
            if gradients.is_some() {
                let gradient = logits;
                d_states.push(Self::float_matmul(gradient.clone(), weight.clone()));
                let transposed = Self::float_transpose(gradient.clone());
                d_weight = add(d_weight, Self::float_matmul(transposed, states));
                d_bias = add(d_bias, Self::float_sum_dim(gradient, 0));
            }
        }
        let join = |mut parts: Vec<CubeTensor>| match parts.len() {
            1 => parts.remove(0),
            _ => Self::float_cat(parts, 0),
        };
        CrossEntropy {
            loss: Self::float_reshape(Self::float_sum(losses), Shape::new([1])),
            gradients: d_weight.zip(d_bias).map(|(weight, bias)| {
                let bias = Self::float_reshape(bias, Shape::new([words]));
                LossGradients::Ready([join(d_states), weight, bias])
            }),
        }
    }

    fn scaled(gradient: CubeTensor, upstream: CubeTensor) -> CubeTensor {
        let gradient = super::owned(gradient);
        let numbers = gradient.shape().num_elements();
        let (count, dim) = one_unit_each(&gradient.client, numbers);
        scale_numbers::launch(
            &gradient.client,
            count,
            dim,
            addresses(&[&gradient]),
            gradient.clone().into_buffer_arg(),
            into_contiguous(upstream).into_buffer_arg(),
            numbers,
            element(&gradient),
        );
        gradient
    }
}

/// The loss of a position, times `mean`; with `differentiate`, overwrites the logits with their
/// gradient. One cube per position.
#[cube(launch, address_type = "dynamic")]
fn softmax_rows<F: Float>(
    logits: &mut Tensor<F>, // [positions of the chunk, words], without bias
    bias: &[F],             // [words]
    targets: &[u32],        // [positions]
    losses: &mut [f32],     // [positions]
    first: usize,           // the chunk's first position
    words: usize,
    mean: f32,
    scale: f32,
    #[comptime] differentiate: bool,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS_X as usize;
    let start = row * logits.stride(0);
    let unit = UNIT_POS as usize;
    let units = CUBE_DIM as usize;
    let target = targets[first + row] as usize;
    let at_target = f32::cast_from(logits[start + target]) + f32::cast_from(bias[target]);

    // m = max x and sum exp(x - m) over this unit's words, in one pass: when m grows to m', the sum
    // is multiplied by exp(m - m'). m starts at the first word.
    let mut largest = f32::cast_from(logits[start]) + f32::cast_from(bias[0]);
    let mut sum = 0.0f32;
    let mut word = unit;
    while word < words {
        let x = f32::cast_from(logits[start + word]) + f32::cast_from(bias[word]);
        if x > largest {
            sum *= exp(largest - x);
            largest = x;
        }
        sum += exp(x - largest);
        word += units;
    }
    let all_largest = cube_max(largest);
    let total = cube_sum(sum * exp(largest - all_largest));

    // -log softmax(x)[target] = log sum exp(x - m) + m - x[target]
    if unit == 0 {
        losses[first + row] = (ln(total) + all_largest - at_target) * mean;
    }
    if differentiate {
        // d loss / d x = (softmax(x) - one at target) * scale
        let factor = scale / total;
        let mut word = unit;
        while word < words {
            let x = f32::cast_from(logits[start + word]) + f32::cast_from(bias[word]);
            let mut gradient = exp(x - all_largest) * factor;
            if word == target {
                gradient -= scale;
            }
            logits[start + word] = F::cast_from(gradient);
            word += units;
        }
    }
}

/// `numbers *= factor`. A factor of one, the usual case, touches no memory.
#[cube(launch, address_type = "dynamic")]
fn scale_numbers<F: Float>(
    numbers: &mut [F],
    factor: &[f32], // [1]
    count: usize,
    #[define(F)] _dtype: ElemType,
) {
    let factor = factor[0];
    if ABSOLUTE_POS < count && factor != 1.0 {
        numbers[ABSOLUTE_POS] = F::cast_from(f32::cast_from(numbers[ABSOLUTE_POS]) * factor);
    }
}
