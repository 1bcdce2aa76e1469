//! Devices of CubeCL: CUDA, Metal and Vulkan.

#[cfg(feature = "vulkan")]
use burn::tensor::DeviceKind;
use burn::tensor::{Device, DeviceType};

use super::found::FoundDevice;

/// The GPUs listed by NVIDIA's driver; empty without a driver.
#[cfg(feature = "cuda")]
pub(super) fn cuda() -> Vec<FoundDevice> {
    let devices = Device::enumerate(DeviceType::Cuda).into_iter();
    devices.map(|device| found(device, false)).collect()
}

/// The GPUs listed by Metal; empty except on Apple's machines.
#[cfg(feature = "metal")]
pub(super) fn metal() -> Vec<FoundDevice> {
    let devices = Device::enumerate(DeviceType::Metal).into_iter();
    devices.map(|device| found(device, false)).collect()
}

/// The devices listed by Vulkan's drivers, GPUs first; empty without a loader or driver.
#[cfg(feature = "vulkan")]
pub(super) fn vulkan() -> Vec<FoundDevice> {
    let software = Device::vulkan(DeviceKind::Cpu);
    let devices = Device::enumerate(DeviceType::Vulkan).into_iter();
    let found = devices.map(|device| (device == software, device));
    found
        .map(|(software, device)| self::found(device, software))
        .collect()
}

fn found(device: Device, software: bool) -> FoundDevice {
    let asked = device.clone();
    let name = move || match asked.identity() {
        Some(identity) => identity.name,
        None => "of an unknown make".into(),
    };
    FoundDevice {
        device,
        software,
        describe: Box::new(name),
    }
}
