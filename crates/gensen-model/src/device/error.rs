//! Devices that cannot be had.

use thiserror::Error;

/// A device that cannot be had.
#[derive(Clone, Debug, Error)]
#[error("device `{name}`: {problem}")]
pub struct DeviceError {
    /// What was asked for.
    pub name: String,
    /// Why it is not to be had.
    pub problem: DeviceProblem,
}

/// Why a device cannot be had.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DeviceProblem {
    /// The name means nothing.
    #[error("this build knows {known}")]
    Unknown {
        /// The names that mean something.
        known: String,
    },
    /// This build is without it.
    #[error("not compiled in; build with `--features {feature}` (docs/gpu.md)")]
    NotCompiled {
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
    /// This machine has none.
    #[error("{0}")]
    Absent(String),
    /// It is there and does not start; what its driver says.
    #[error("does not start: {0}")]
    Broken(String),
    /// It works, but `auto` takes no CPU that does a GPU's work.
    #[error("not a GPU: {0}")]
    Software(String),
}

impl DeviceProblem {
    pub(super) fn of(self, name: &str) -> DeviceError {
        DeviceError {
            name: name.into(),
            problem: self,
        }
    }
}
