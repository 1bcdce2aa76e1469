//! The mean of a run's weights over its last steps.
//!
//! Polyak and Juditsky, SIAM Journal on Control and Optimization 30 (1992); of language models Merity,
//! Keskar and Socher, ICLR 2018.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;
use gensen_model::parameters::{self, ParameterMapper, ParameterVisitor};

/// The uniform running mean of a model's weights after a given step, in single precision.
#[derive(Debug)]
pub struct Average<M> {
    /// The number of steps whose weights are left out.
    from: u64,
    /// Not tracked by automatic differentiation; `None` before the first averaged step.
    mean: Option<M>,
}

impl<M: Module> Average<M> {
    /// Starts after `from` steps; `mean` is the mean of a resumed run.
    pub fn new(from: u64, mean: Option<M>) -> Self {
        Self { from, mean }
    }

    /// The mean so far; `None` before the first averaged step.
    pub fn mean(&self) -> Option<&M> {
        self.mean.as_ref()
    }

    /// Adds the weights after `done` steps: `mean += (weights - mean) / n` for the n-th. `model`
    /// may be tracked by automatic differentiation.
    pub fn add(&mut self, model: &M, done: u64) {
        let Some(number) = done.checked_sub(self.from).filter(|&n| n > 0) else {
            return;
        };
        let mean = match self.mean.take() {
            Some(mean) if number > 1 => {
                let mut weights = Weights::default();
                parameters::visit(model, &mut weights);
                let share = 1.0 / number as f64;
                parameters::map(mean, &mut Towards { weights, share })
            }
            _ => model.valid(),
        };
        self.mean = Some(mean);
    }
}

/// Flattened weights by name, not tracked by automatic differentiation.
#[derive(Default)]
struct Weights(BTreeMap<String, Tensor<1>>);

impl ParameterVisitor for Weights {
    fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        let size = tensor.shape().num_elements();
        let weights = tensor.inner().reshape([size]);
        self.0.insert(name.into(), weights);
    }
}

/// Moves a mean towards weights: `mean + (weights - mean) * share`.
struct Towards {
    weights: Weights,
    share: f64,
}

impl ParameterMapper for Towards {
    fn map<const D: usize>(&mut self, name: &str, mean: Tensor<D>) -> Tensor<D> {
        #[allow(
            clippy::expect_used,
            reason = "the mean is a copy of the same model, so its parameters have the same names"
        )]
        let weights = self
            .weights
            .0
            .remove(name)
            .expect("a parameter of the model");
        let weights = weights.reshape(mean.dims());
        mean.clone() + (weights - mean) * self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use gensen_model::MultitaskModel;
    use gensen_model::Pooling;
    use gensen_model::config::{Architecture, MultitaskConfig};
    use gensen_model::parameters::NamedTensor;
    use serde::Deserialize;

    /// Made by the script beside it.
    const GOLDEN: &str = include_str!("../tests/golden/average.json");

    #[derive(Deserialize)]
    struct Golden {
        /// The same few numbers of each step's weights.
        steps: Vec<Vec<f32>>,
        from: u64,
        /// Means after each step, once they have begun.
        means: Vec<Vec<f32>>,
    }

    /// Every parameter made of these numbers over and over.
    fn model(numbers: &[f32]) -> MultitaskModel {
        let config = MultitaskConfig {
            encoder: Architecture {
                vocabulary_size: 5,
                embedding_size: 2,
                hidden_size: 2,
                layers: 1,
                bidirectional: false,
            },
            decoders: Vec::new(),
            inference_hidden: None,
            contrasts: Vec::new(),
            distillations: Vec::new(),
            classifiers: Vec::new(),
            pooling: Pooling::Last,
            dropout: 0.0,
        };
        let device = Device::flex().autodiff();
        let model = MultitaskModel::new(&config, 1, &device).unwrap();
        let shapes: BTreeMap<String, NamedTensor> = parameters::read(&model)
            .into_iter()
            .map(|tensor| (tensor.name.clone(), tensor))
            .collect();
        parameters::load(model, |name| {
            let mut tensor = shapes[name].clone();
            let numbers = numbers.iter().cycle();
            tensor
                .data
                .iter_mut()
                .zip(numbers)
                .for_each(|(x, y)| *x = *y);
            Some(tensor)
        })
        .unwrap()
    }

    #[test]
    fn means_are_those_of_numpy() {
        let golden: Golden = serde_json::from_str(GOLDEN).unwrap();
        let mut average = Average::new(golden.from, None);
        for (step, numbers) in golden.steps.iter().enumerate() {
            let done = step as u64 + 1;
            average.add(&model(numbers), done);
            let Some(expected) = done.checked_sub(golden.from + 1) else {
                assert!(average.mean().is_none(), "after {done} steps");
                continue;
            };
            let expected = &golden.means[expected as usize];
            for tensor in parameters::read(average.mean().unwrap()) {
                for (found, expected) in tensor.data.iter().zip(expected.iter().cycle()) {
                    assert!(
                        (found - expected).abs() <= 1e-6 * expected.abs(),
                        "{} after {done} steps: expected {expected}, found {found}",
                        tensor.name
                    );
                }
            }
        }
    }
}
