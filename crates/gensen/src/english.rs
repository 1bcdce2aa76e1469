//! The model in the box, in a build with the feature `english`.

use anyhow::Result;
use gensen_encode::model_folder::ModelFolder;

use crate::commands::Usage;

/// What the model in the box is called.
pub(crate) const NAME: &str = "english";

/// Whether this build has it.
pub(crate) const IS_THERE: bool = cfg!(feature = "english");

/// The model in the box.
#[cfg(feature = "english")]
pub(crate) fn model() -> Result<ModelFolder> {
    Ok(gensen_english::model()?)
}

/// The bytes of the files of the model in the box: configuration, weights, words.
#[cfg(feature = "english")]
pub(crate) fn files() -> Result<[&'static [u8]; 3], Usage> {
    use gensen_english::{CONFIG, VOCABULARY, WEIGHTS};
    Ok([CONFIG, WEIGHTS, VOCABULARY])
}

/// Says that this build has none.
#[cfg(not(feature = "english"))]
fn missing() -> Usage {
    Usage(
        "--model: this build has no model of its own; name one, or build with `--features english`"
            .into(),
    )
}

#[cfg(not(feature = "english"))]
pub(crate) fn model() -> Result<ModelFolder> {
    Err(missing().into())
}

#[cfg(not(feature = "english"))]
pub(crate) fn files() -> Result<[&'static [u8]; 3], Usage> {
    Err(missing())
}
