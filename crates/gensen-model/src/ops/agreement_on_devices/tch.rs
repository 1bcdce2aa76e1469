//! libtorch: the kernels, and its own GRU layers.

use burn::backend::{LibTorch, libtorch::LibTorchDevice};
use burn::tensor::{Device, Tensor};

use super::*;
use crate::ops::{Affine, GruLayerDirection, conditional_gru, gru_layer};

fn devices() -> Vec<LibTorchDevice> {
    let cuda = ::tch::Cuda::is_available().then_some(LibTorchDevice::Cuda(0));
    std::iter::once(LibTorchDevice::Cpu).chain(cuda).collect()
}

tests!(LibTorch, devices());

/// Leaves of the graph on a device, with numbers drawn from seeds.
struct Leaves {
    device: Device,
    matrices: Vec<Tensor<2>>,
    vectors: Vec<Tensor<1>>,
}

impl Leaves {
    fn data(shape: &[usize], seed: usize) -> TensorData {
        let values = numbers([shape.iter().product()], seed as u32 + 1);
        TensorData::new(slice(values).to_vec(), shape.to_vec())
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Tensor<2> {
        let data = Self::data(&[rows, columns], self.matrices.len());
        let matrix = Tensor::from_data(data, &self.device).require_grad();
        self.matrices.push(matrix.clone());
        matrix
    }

    fn vector(&mut self, size: usize) -> Tensor<1> {
        let data = Self::data(&[size], 100 + self.vectors.len());
        let vector = Tensor::from_data(data, &self.device).require_grad();
        self.vectors.push(vector.clone());
        vector
    }

    fn direction(&mut self, inputs: usize, hidden: usize) -> GruLayerDirection {
        GruLayerDirection {
            weight_ih: self.matrix(3 * hidden, inputs),
            weight_hh: self.matrix(3 * hidden, hidden),
            bias_ih: self.vector(3 * hidden),
            bias_hh: self.vector(3 * hidden),
        }
    }

    fn affine(&mut self, outputs: usize, inputs: usize) -> Affine {
        Affine {
            weight: self.matrix(outputs, inputs),
            bias: self.vector(outputs),
        }
    }
}

/// The states of a layer, and the gradients of its inputs.
fn run(device: &Device, layer: fn(&mut Leaves, &Steps) -> Tensor<2>) -> Vec<Vec<f32>> {
    let mut leaves = Leaves {
        device: device.clone().autodiff(),
        matrices: Vec::new(),
        vectors: Vec::new(),
    };
    let states = layer(&mut leaves, &Steps::from_sorted_lengths(&[7, 5, 5, 2, 1]));
    let weights = Leaves::data(&states.dims(), 200);
    let weights = Tensor::<2>::from_data(weights, &leaves.device);
    let gradients = (states.clone() * weights).sum().backward();
    let read = |data: TensorData| data.iter::<f32>().collect::<Vec<_>>();
    let matrices = leaves.matrices.iter().map(|x| x.grad(&gradients));
    let matrices = matrices.map(|x| read(x.unwrap().into_data()));
    let vectors = leaves.vectors.iter().map(|x| x.grad(&gradients));
    let vectors = vectors.map(|x| read(x.unwrap().into_data()));
    let states = std::iter::once(read(states.inner().into_data()));
    states.chain(matrices).chain(vectors).collect()
}

fn bidirectional(leaves: &mut Leaves, steps: &Steps) -> Tensor<2> {
    let (inputs, hidden) = (6, 8);
    let x = leaves.matrix(steps.rows(), inputs);
    let [forward, reverse] = [(); 2].map(|()| leaves.direction(inputs, hidden));
    gru_layer(x, forward, reverse, steps)
}

fn conditional(leaves: &mut Leaves, steps: &Steps) -> Tensor<2> {
    let (inputs, hidden) = (6, 8);
    let x = leaves.matrix(steps.rows(), inputs);
    let context = leaves.matrix(steps.width(0), hidden);
    let parts = [inputs, hidden, hidden].map(|from| leaves.affine(3 * hidden, from));
    conditional_gru(x, context, parts, steps)
}

#[test]
fn layers_agree() {
    for device in devices() {
        let name = match device {
            LibTorchDevice::Cpu => "tch-cpu",
            _ => "tch-cuda",
        };
        let tolerance = with_products::<LibTorch>(&device, SUMS_NEAR);
        let device = crate::device::by_name(name).unwrap();
        for layer in [bidirectional, conditional] {
            let expected = run(&Device::flex(), layer);
            let found = run(&device, layer);
            assert_eq!(found.len(), expected.len());
            for (k, (found, expected)) in found.into_iter().zip(expected).enumerate() {
                let size = found.len();
                let what = format!("{name}: tensor {k} of states, gradients");
                let [found, expected] = [found, expected].map(|x| tensor(x, [size]));
                assert_near(&what, found, expected, tolerance);
            }
        }
    }
}

#[test]
fn losses_of_several_chunks_agree() {
    let (positions, words, hidden) = (21, 37, 8);
    let targets: Vec<u32> = (0..positions).map(|k| k * 5 % words).collect();
    let sizes = [[positions as usize, hidden], [words as usize, hidden]];
    let [states, weight] = [(sizes[0], 1), (sizes[1], 2)].map(|(size, seed)| numbers(size, seed));
    let bias = numbers([words as usize], 3);
    for device in devices() {
        let near = with_products::<LibTorch>(&device, SUMS_NEAR);
        let [s, w, b] = [&states, &weight, &bias].map(|x| on::<LibTorch>(&device, x));
        let [whole, parts] = [100, 8].map(|chunk| {
            let projection = crate::ops::tch::Projection::new([&s, &w, &b], &targets);
            projection.cross_entropy(chunk, Some(0.3))
        });
        let [whole_loss, loss] = [whole.loss, parts.loss].map(back::<LibTorch>);
        assert_near("loss", loss, whole_loss, near);
        let upstream = || on::<LibTorch>(&device, &tensor(vec![2.0], [1]));
        let [whole, parts] = [whole.gradients, parts.gradients]
            .map(|gradients| gradients.unwrap().times(upstream()));
        for ((found, expected), what) in parts
            .into_iter()
            .zip(whole)
            .zip(["states", "weight", "bias"])
        {
            assert_near(
                what,
                back::<LibTorch>(found),
                back::<LibTorch>(expected),
                near,
            );
        }
    }
}
