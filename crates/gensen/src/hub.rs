//! Models on the Hugging Face Hub, with the feature `hub`.

#[cfg(feature = "hub")]
pub(crate) use gensen_encode::hub::{SCHEME, fetch};

/// Prefix of the names of models on the hub.
#[cfg(not(feature = "hub"))]
pub(crate) const SCHEME: &str = "hf://";

/// The error of a build without the hub.
#[cfg(not(feature = "hub"))]
pub(crate) fn fetch(name: &str) -> Result<std::path::PathBuf, crate::commands::UsageError> {
    Err(crate::commands::UsageError(format!(
        "{name}: this build has no hub support; build with `--features hub`"
    )))
}
