use thiserror::Error;

/// What can be wrong with a model or its weights.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A size or a combination of settings no model can have.
    #[error("model.{key} = {value}: {expected}")]
    Config {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A parameter is not among the weights.
    #[error("the weights have no tensor `{name}`")]
    MissingTensor {
        /// PyTorch's name of the parameter.
        name: String,
    },
    /// A parameter has another shape than the model's.
    #[error("tensor `{name}` has the shape {found:?}, expected {expected:?}")]
    Shape {
        /// PyTorch's name of the parameter.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The weights' shape.
        found: Vec<usize>,
    },
}
