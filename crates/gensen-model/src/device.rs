//! Devices by the names users give them.

use burn::tensor::Device;
use thiserror::Error;

/// A device that cannot be had.
#[derive(Debug, Error)]
#[error("device `{name}`: this build knows {known}")]
pub struct DeviceError {
    name: String,
    known: &'static str,
}

/// The device called `name`: `auto` or `cpu`.
pub fn by_name(name: &str) -> Result<Device, DeviceError> {
    match name {
        "auto" | "cpu" => Ok(Device::flex()),
        _ => Err(DeviceError {
            name: name.into(),
            known: "auto, cpu",
        }),
    }
}
