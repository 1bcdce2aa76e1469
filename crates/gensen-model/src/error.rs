use thiserror::Error;

/// Errors of a model's configuration or weights.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// An impossible size or combination of settings.
    #[error("model.{key} = {value}: {expected}")]
    Config {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// The valid values.
        expected: &'static str,
    },
    /// The weights lack a parameter.
    #[error("the weights have no tensor `{name}`")]
    MissingTensor {
        /// PyTorch's name of the parameter.
        name: String,
    },
    /// A parameter's shape differs from the model's.
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
