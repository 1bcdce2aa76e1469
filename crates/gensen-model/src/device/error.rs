//! Errors of unavailable devices.

use thiserror::Error;

/// An unavailable device.
#[derive(Clone, Debug, Error)]
#[error("device `{name}`: {problem}")]
pub struct DeviceError {
    /// The requested name.
    pub name: String,
    /// The reason.
    pub problem: DeviceProblem,
}

/// Reasons for a device to be unavailable.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DeviceProblem {
    /// An unknown name.
    #[error("this build supports {known}")]
    Unknown {
        /// The known names.
        known: String,
    },
    /// Not compiled in.
    #[error("not compiled in; build with `--features {feature}` (docs/gpu.md)")]
    NotCompiled {
        /// The Cargo feature that enables it.
        feature: &'static str,
    },
    /// This machine has no such device.
    #[error("{0}")]
    Absent(String),
    /// The device does not start; the driver's message.
    #[error("does not start: {0}")]
    Broken(String),
    /// A CPU that emulates a GPU: it works, but `auto` does not choose it.
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
