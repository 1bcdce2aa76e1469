//! Devices of CubeCL: CUDA, Metal and Vulkan.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "vulkan")]
use burn::tensor::DeviceKind;
use burn::tensor::{Device, DeviceType};

use super::family::Found;

/// The GPUs that NVIDIA's driver lists, none without one.
#[cfg(feature = "cuda")]
pub(super) fn cuda() -> Vec<Found> {
    let devices = Device::enumerate(DeviceType::Cuda).into_iter();
    devices.map(|device| found(device, false)).collect()
}

/// The GPUs that Metal lists, none but on Apple's machines.
#[cfg(feature = "metal")]
pub(super) fn metal() -> Vec<Found> {
    let devices = Device::enumerate(DeviceType::Metal).into_iter();
    devices.map(|device| found(device, false)).collect()
}

/// The devices that Vulkan's drivers list, GPUs first; none without a loader or a driver.
#[cfg(feature = "vulkan")]
pub(super) fn vulkan() -> Vec<Found> {
    let software = Device::vulkan(DeviceKind::Cpu);
    let devices = Device::enumerate(DeviceType::Vulkan).into_iter();
    let found = devices.map(|device| (device == software, device));
    found
        .map(|(software, device)| self::found(device, software))
        .collect()
}

fn found(device: Device, software: bool) -> Found {
    let asked = device.clone();
    let name = move || match asked.identity() {
        Some(identity) => identity.name,
        None => "of an unknown make".into(),
    };
    Found {
        device,
        software,
        start: Box::new(move || quietly(&name)),
    }
}

/// What `start` gives or, as the error, what it panics with; standard error is spared it. A driver
/// that is too old or a GPU that another process holds ends CubeCL's start in a panic: it has no
/// other way to say so.
fn quietly<T>(start: impl FnOnce() -> T) -> Result<T, String> {
    // Whoever came between would keep the hook that says nothing.
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _guard = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(start));
    panic::set_hook(hook);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("it panics").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(quietly(|| 7), Ok(7));
        let failed = quietly(|| -> u8 { panic!("driver {} is too old", 1) });
        assert_eq!(failed, Err("driver 1 is too old".to_owned()));
    }
}
