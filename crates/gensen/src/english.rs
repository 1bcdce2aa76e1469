//! The built-in model, with the feature `english`.

use anyhow::Result;
use gensen_encode::model_folder::ModelFolder;

use crate::commands::UsageError;

/// The built-in model's name.
pub(crate) const NAME: &str = "english";

/// Whether this build includes the model.
pub(crate) const IS_THERE: bool = cfg!(feature = "english");

/// The built-in model.
#[cfg(feature = "english")]
pub(crate) fn model() -> Result<ModelFolder> {
    Ok(gensen_english::model()?)
}

/// The bytes of the built-in model's files: configuration, weights, vocabulary.
#[cfg(feature = "english")]
pub(crate) fn files() -> Result<[&'static [u8]; 3], UsageError> {
    use gensen_english::{CONFIG, VOCABULARY, WEIGHTS};
    Ok([CONFIG, WEIGHTS, VOCABULARY])
}

/// The error of a build without the model.
#[cfg(not(feature = "english"))]
fn missing() -> UsageError {
    UsageError(
        "--model: this build has no built-in model; name one, or build with `--features english`"
            .into(),
    )
}

#[cfg(not(feature = "english"))]
pub(crate) fn model() -> Result<ModelFolder> {
    Err(missing().into())
}

#[cfg(not(feature = "english"))]
pub(crate) fn files() -> Result<[&'static [u8]; 3], UsageError> {
    Err(missing())
}
