//! Adam with clipping by the global gradient norm.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use gensen_model::Lookups;
use gensen_model::ops::{
    AdamStep, adam_rows_step, adam_step, clip_factor, sum_of_squares, sum_rows,
};
use gensen_model::parameters::{self, ParameterMapper, ParameterVisitor};

/// The parameter name of the source embedding.
const SOURCE_EMBEDDING: &str = "src_embedding.weight";

/// Adam's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Step size.
    pub learning_rate: f64,
    /// The factor of the step size for source embeddings; 0 freezes them, without moments.
    pub embedding_factor: f64,
    /// Decay of the running mean of gradients.
    pub beta1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta2: f64,
    /// The constant added to the denominator.
    pub epsilon: f64,
    /// The global norm to which gradients are clipped.
    pub clip_norm: f64,
}

impl AdamConfig {
    /// The paper's constants at a learning rate.
    pub fn new(learning_rate: f64, clip_norm: f64) -> Self {
        Self {
            learning_rate,
            embedding_factor: 1.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip_norm,
        }
    }
}

/// One parameter's running means and number of updates.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Updates so far.
    pub updates: u64,
    /// Running mean of the gradient, flattened.
    pub mean: Tensor<1>,
    /// Running mean of the squared gradient, flattened.
    pub variance: Tensor<1>,
}

/// A parameter's gradient.
#[derive(Debug)]
pub enum Gradient {
    /// The whole gradient, flattened.
    Dense(Tensor<1>),
    /// The gradient of the embedding rows that the step looked up; that of other rows is zero.
    Rows(RowGradient),
}

/// The gradient of an embedding by rows.
#[derive(Debug)]
pub struct RowGradient {
    /// The rows, ascending and distinct.
    pub rows: Arc<[u32]>,
    /// `[rows, size]`
    pub values: Tensor<2>,
}

impl RowGradient {
    /// Adds up the gradients of each row, in the order of its uses.
    fn sum(ids: &[u32], values: Tensor<2>) -> Self {
        let mut rows = ids.to_vec();
        rows.sort_unstable();
        rows.dedup();
        let place = |id: &u32| rows.partition_point(|row| row < id) as u32;
        Self {
            values: sum_rows(values, ids.iter().map(place).collect(), rows.len()),
            rows: rows.into(),
        }
    }
}

impl Gradient {
    /// The whole gradient, flattened, of a parameter of `size` numbers.
    pub fn dense(&self, size: usize) -> Tensor<1> {
        match self {
            Self::Dense(values) => values.clone(),
            Self::Rows(RowGradient { rows, values }) => {
                let width = values.dims()[1];
                sum_rows(values.clone(), Arc::clone(rows), size / width).reshape([size])
            }
        }
    }

    fn moved_to(self, device: &Device) -> Self {
        match self {
            Self::Dense(values) => Self::Dense(values.to_device(device)),
            Self::Rows(RowGradient { rows, values }) => Self::Rows(RowGradient {
                rows,
                values: values.to_device(device),
            }),
        }
    }

    /// The sum of two gradients of the same parameter, on the same device.
    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Dense(a), Self::Dense(b)) => Self::Dense(a + b),
            (Self::Rows(a), Self::Rows(b)) => {
                let ids = [&*a.rows, &*b.rows].concat();
                Self::Rows(RowGradient::sum(
                    &ids,
                    Tensor::cat(vec![a.values, b.values], 0),
                ))
            }
            (Self::Dense(a), rows @ Self::Rows(_)) | (rows @ Self::Rows(_), Self::Dense(a)) => {
                let size = a.dims()[0];
                Self::Dense(a + rows.dense(size))
            }
        }
    }

    fn sum_of_squares(&self) -> Tensor<1> {
        match self {
            Self::Dense(values) => sum_of_squares(values.clone()),
            Self::Rows(gradient) => sum_of_squares(gradient.values.clone()),
        }
    }
}

/// The gradients of one step.
#[derive(Debug)]
pub struct StepGradients {
    /// Gradients by parameter name. Parameters that the step's loss does not depend on are absent.
    pub by_name: BTreeMap<String, Gradient>,
    /// The loss scale still multiplied into these gradients, divided by the loss weight not yet
    /// multiplied into them. Norms and updates divide by it.
    pub loss_scale: f32,
}

impl Default for StepGradients {
    fn default() -> Self {
        Self {
            by_name: BTreeMap::new(),
            loss_scale: 1.0,
        }
    }
}

impl StepGradients {
    /// Takes the gradients of `module`'s parameters and of the looked-up embedding rows from a
    /// backward pass.
    pub fn take<M: Module>(module: &M, lookups: &Lookups, gradients: &mut Gradients) -> Self {
        struct Take<'a> {
            source: &'a mut Gradients,
            taken: StepGradients,
        }
        impl ParameterVisitor for Take<'_> {
            fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
                if let Some(gradient) = tensor.grad_remove(self.source) {
                    let size = gradient.shape().num_elements();
                    let gradient = Gradient::Dense(gradient.reshape([size]));
                    self.taken.by_name.insert(name.into(), gradient);
                }
            }
        }
        let mut take = Take {
            source: gradients,
            taken: Self::default(),
        };
        parameters::visit(module, &mut take);
        let mut taken = take.taken;
        let mut rows: BTreeMap<String, (Vec<u32>, Vec<Tensor<2>>)> = BTreeMap::new();
        let mut names = parameters::names(module);
        names.retain(|id, _| lookups.iter().any(|lookup| lookup.embedding == *id));
        for lookup in lookups.iter() {
            let name = names.get(&lookup.embedding);
            let Some((name, values)) = name.zip(lookup.rows.grad_remove(gradients)) else {
                continue;
            };
            let (ids, parts) = rows.entry(name.clone()).or_default();
            ids.extend(&lookup.ids);
            parts.push(values);
        }
        for (name, (ids, parts)) in rows {
            let gradient = RowGradient::sum(&ids, Tensor::cat(parts, 0));
            taken.by_name.insert(name, Gradient::Rows(gradient));
        }
        taken
    }

    /// The sum of these gradients and others, which have the same loss scale and are moved to
    /// `device`.
    #[must_use]
    pub fn add(mut self, others: Self, device: &Device) -> Self {
        for (name, other) in others.by_name {
            let other = other.moved_to(device);
            let sum = match self.by_name.remove(&name) {
                Some(gradient) => gradient.add(other),
                None => other,
            };
            self.by_name.insert(name, sum);
        }
        self
    }

    /// Renames the gradients of a part of a model to the names of the whole model: parameters have
    /// the same identities in both.
    #[must_use]
    pub fn renamed<M: Module>(self, part: &M, whole: &M) -> Self {
        let whole = parameters::names(whole);
        let names = parameters::names(part);
        let names = names
            .into_iter()
            .filter_map(|(id, name)| Some((name, whole.get(&id)?)));
        let names: BTreeMap<String, &String> = names.collect();
        let renamed = |(name, gradient): (String, Gradient)| match names.get(&name) {
            Some(&new) => (new.clone(), gradient),
            None => (name, gradient),
        };
        Self {
            by_name: self.by_name.into_iter().map(renamed).collect(),
            loss_scale: self.loss_scale,
        }
    }

    /// The gradients of the loss times `weight`.
    #[must_use]
    pub fn weighted(mut self, weight: f64) -> Self {
        self.loss_scale = (f64::from(self.loss_scale) / weight) as f32;
        self
    }

    /// The squared norm of each gradient, `[gradients]`, on the device; `None` without gradients.
    pub fn squared_norms(&self) -> Option<Tensor<1>> {
        let gradients = self.by_name.values();
        let squares: Vec<Tensor<1>> = gradients.map(Gradient::sum_of_squares).collect();
        let scale = f64::from(self.loss_scale);
        (!squares.is_empty()).then(|| times(Tensor::cat(squares, 0), scale.powi(-2)))
    }

    /// Waits for the device and reads the global norm.
    pub fn norm(&self) -> f64 {
        let squares = self.squared_norms().map(Tensor::into_data);
        norm(&squares.map_or_else(Vec::new, |squares| squares.iter().collect()))
    }
}

/// `x * factor`, skipped for a factor of 1.
fn times(x: Tensor<1>, factor: f64) -> Tensor<1> {
    if factor == 1.0 { x } else { x * factor }
}

/// The Euclidean norm of a vector from the squared norms of its parts.
pub fn norm(squares: &[f64]) -> f64 {
    squares.iter().sum::<f64>().sqrt()
}

/// Adam's state. A parameter without a gradient in a step is left alone, moments and number of
/// updates included, as in PyTorch for gradients set to `None`. An embedding row that a step did
/// not look up has a gradient of zero: its moments decay and move it, as in PyTorch.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    /// The schedule's factor of the step size.
    factor: f64,
    moments: BTreeMap<String, Moments>,
}

impl Adam {
    /// The state before the first update.
    pub fn new(config: AdamConfig) -> Self {
        Self::resume(config, BTreeMap::new())
    }

    /// Resumes from saved moments.
    pub fn resume(config: AdamConfig, moments: BTreeMap<String, Moments>) -> Self {
        Self {
            config,
            factor: 1.0,
            moments,
        }
    }

    /// Sets the schedule's factor of the step size.
    pub fn set_factor(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// The moments by parameter name.
    pub fn moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }

    /// Updates `module` by `gradients` with these squared norms. Nothing is read back: a norm that
    /// is not finite makes parameters that are not finite.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: StepGradients,
        squared_norms: Option<Tensor<1>>,
    ) -> M {
        let Some(squared_norms) = squared_norms else {
            return module;
        };
        let scale = clip_factor(squared_norms, self.config.clip_norm);
        let scale = times(scale, 1.0 / f64::from(gradients.loss_scale));
        let mut update = Update {
            adam: self,
            gradients,
            scale,
        };
        parameters::map(module, &mut update)
    }
}

struct Update<'a> {
    adam: &'a mut Adam,
    gradients: StepGradients,
    /// `[1]`: the factor that clips gradients and divides out the loss scale.
    scale: Tensor<1>,
}

impl ParameterMapper for Update<'_> {
    fn map<const D: usize>(&mut self, name: &str, parameter: Tensor<D>) -> Tensor<D> {
        let Some(gradient) = self.gradients.by_name.remove(name) else {
            return parameter;
        };
        let shape = parameter.dims();
        let size: usize = shape.iter().product();
        let (updates, mean, variance) = match self.adam.moments.remove(name) {
            Some(moments) => (moments.updates + 1, moments.mean, moments.variance),
            None => {
                let zeros = || Tensor::zeros([size], &parameter.device());
                (1, zeros(), zeros())
            }
        };
        let config = self.adam.config;
        let mut rate = config.learning_rate * self.adam.factor;
        if name == SOURCE_EMBEDDING {
            rate *= config.embedding_factor;
        }
        // Powers with such exponents are zero in any case.
        let exponent = i32::try_from(updates).unwrap_or(i32::MAX);
        let step = AdamStep {
            step_size: (rate / (1.0 - config.beta1.powi(exponent))) as f32,
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            variance_correction: (1.0 / (1.0 - config.beta2.powi(exponent)).sqrt()) as f32,
            epsilon: config.epsilon as f32,
        };
        let scale = self.scale.clone();
        let parameter = parameter.reshape([size]);
        let [parameter, mean, variance] = match gradient {
            Gradient::Dense(gradient) => {
                adam_step(parameter, mean, variance, gradient, scale, step)
            }
            Gradient::Rows(RowGradient { rows, values }) => {
                adam_rows_step([parameter, mean, variance], values, rows, scale, step)
            }
        };
        self.adam.moments.insert(
            name.into(),
            Moments {
                updates,
                mean,
                variance,
            },
        );
        parameter.reshape(shape)
    }
}
