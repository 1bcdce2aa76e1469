//! Models of the Hugging Face Hub, in a build with the feature `hub`.

#[cfg(feature = "hub")]
pub(crate) use gensen_encode::hub::{SCHEME, fetch};

/// What a model's name begins with if it is on the hub.
#[cfg(not(feature = "hub"))]
pub(crate) const SCHEME: &str = "hf://";

/// Says that this build is without the hub.
#[cfg(not(feature = "hub"))]
pub(crate) fn fetch(name: &str) -> Result<std::path::PathBuf, crate::commands::Usage> {
    Err(crate::commands::Usage(format!(
        "{name}: this build is without the hub; build with `--features hub`"
    )))
}
