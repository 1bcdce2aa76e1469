//! Devices of libtorch; the only place that calls Burn's deprecated items for them.
#![allow(
    deprecated,
    reason = "burn-tch is deprecated but the only way to libtorch"
)]

use burn::tensor::{Device, DeviceType};

use super::found::{FoundDevice, cpu_description};

/// libtorch's operations on the CPU.
pub(super) fn cpu() -> Vec<FoundDevice> {
    vec![FoundDevice {
        device: Device::libtorch(),
        software: false,
        describe: Box::new(|| format!("libtorch on {}", cpu_description())),
    }]
}

/// The CUDA devices found by libtorch; empty if it is linked without CUDA.
pub(super) fn cuda() -> Vec<FoundDevice> {
    let devices = Device::enumerate(DeviceType::LibTorch).into_iter();
    let found = devices.enumerate().map(|(place, device)| FoundDevice {
        device,
        software: false,
        describe: Box::new(move || format!("libtorch on CUDA device {place}")),
    });
    found.collect()
}
