//! How burn-train's multi-device strategy combines gradients: the reason why shares' losses are
//! weighted.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use burn_optim::SgdConfig;
use burn_optim::lr_scheduler::constant::ConstantLr;
use burn_train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, SupervisedTraining, TrainOutput,
    TrainStep,
};

/// Its loss is the mean of weight times example, its gradient the mean of the examples.
#[derive(Module, Debug)]
struct Slope {
    weight: Param<Tensor<1>>,
}

impl TrainStep for Slope {
    type Input = Vec<f32>;
    type Output = ();

    fn step(&self, examples: Vec<f32>) -> TrainOutput<()> {
        let weight = self.weight.val();
        let examples = Tensor::<1>::from_floats(&examples[..], &weight.device());
        let loss = (examples * weight).mean();
        TrainOutput::new(self, loss.backward(), ())
    }
}

impl InferenceStep for Slope {
    type Input = Vec<f32>;
    type Output = ();

    fn step(&self, _examples: Vec<f32>) {}
}

#[derive(Clone)]
struct Examples {
    numbers: Vec<f32>,
    batch_size: usize,
}

struct Batches<'a> {
    examples: &'a Examples,
    done: usize,
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<f32>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.examples.numbers.get(self.done..)?;
        let batch = &batch[..batch.len().min(self.examples.batch_size)];
        self.done += batch.len();
        (!batch.is_empty()).then(|| Ok(batch.to_vec()))
    }
}

impl DataLoaderIterator<Vec<f32>> for Batches<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.examples.numbers.len(), None)
    }
}

impl DataLoader<Vec<f32>> for Examples {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Vec<f32>> + 'a> {
        Box::new(Batches {
            examples: self,
            done: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.numbers.len()
    }

    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<Vec<f32>>> {
        Arc::new(self.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Vec<f32>>> {
        Arc::new(Self {
            numbers: self.numbers[start..end].to_vec(),
            batch_size: self.batch_size,
        })
    }
}

/// The weight after one epoch from zero with steps of gradient descent of size one.
fn trained(strategy: ExecutionStrategy, batch_size: usize) -> f32 {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex().autodiff();
    let weight = Tensor::<1>::zeros([1], &device);
    let model = Slope {
        weight: Param::from_tensor(weight),
    };
    let examples = Arc::new(Examples {
        numbers: (1..=8_u8).map(f32::from).collect(),
        batch_size,
    });
    let result = SupervisedTraining::new(folder.path(), examples.clone(), examples)
        .with_application_logger(None)
        .with_training_strategy(strategy.into())
        .launch(Learner::new(
            model,
            SgdConfig::new().init(),
            ConstantLr::new(1.0),
        ));
    assert!(result.error.is_none(), "{:?}", result.error);
    result.model.weight.val().into_data().iter::<f32>().sum()
}

#[test]
fn burn_train_adds_the_gradients_of_devices_up() {
    let cpu = Device::flex;
    let mean = -4.5;
    assert_eq!(trained(ExecutionStrategy::single(cpu()), 8), mean);
    // Two devices with four examples each, one step: -(2.5 + 6.5), and not the mean over eight.
    let two = ExecutionStrategy::multi(vec![cpu(), cpu()], MultiDeviceOptim::OptimMainDevice);
    assert_eq!(trained(two, 4), 2.0 * mean);
}
