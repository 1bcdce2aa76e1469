//! The families of devices: their names, and how a machine's devices are found.

use burn::tensor::Device;

use super::found::{FoundDevice, cpu_description};
use super::{DeviceError, DeviceProblem};

/// Devices of one kind.
pub(super) struct Family {
    /// Its name for users.
    pub(super) name: &'static str,
    /// The Cargo feature that enables it; `None` if it is always compiled in.
    feature: &'static str,
    /// Whether it is compiled in.
    pub(super) compiled: bool,
    /// The error where no device is found.
    missing: &'static str,
    /// Lists this machine's devices without starting any.
    list: fn() -> Vec<FoundDevice>,
}

impl Family {
    /// The devices of this machine, at least one.
    pub(super) fn find(&self) -> Result<Vec<FoundDevice>, DeviceError> {
        if !self.compiled {
            let feature = self.feature;
            return Err(DeviceProblem::NotCompiled { feature }.of(self.name));
        }
        let found = (self.list)();
        if found.is_empty() {
            return Err(DeviceProblem::Absent(self.missing.into()).of(self.name));
        }
        Ok(found)
    }
}

/// Every family; those that `auto` prefers to the CPU come before it, best first.
pub(super) static FAMILIES: [Family; 6] = [
    Family {
        name: "cuda",
        feature: "cuda",
        compiled: cfg!(feature = "cuda"),
        missing: "no NVIDIA driver (libcuda), or no GPU that it drives",
        #[cfg(feature = "cuda")]
        list: super::cube::cuda,
        #[cfg(not(feature = "cuda"))]
        list: Vec::new,
    },
    Family {
        name: "metal",
        feature: "metal",
        compiled: cfg!(feature = "metal"),
        missing: "no Metal here; Apple's machines have it",
        #[cfg(feature = "metal")]
        list: super::cube::metal,
        #[cfg(not(feature = "metal"))]
        list: Vec::new,
    },
    Family {
        name: "vulkan",
        feature: "vulkan",
        compiled: cfg!(feature = "vulkan"),
        missing: "no Vulkan loader (libvulkan), or no driver that it finds",
        #[cfg(feature = "vulkan")]
        list: super::cube::vulkan,
        #[cfg(not(feature = "vulkan"))]
        list: Vec::new,
    },
    Family {
        name: "tch-cuda",
        feature: "tch",
        compiled: cfg!(feature = "tch"),
        missing: "libtorch finds no CUDA: no libtorch_cuda, no NVIDIA driver or no GPU",
        #[cfg(feature = "tch")]
        list: super::torch::cuda,
        #[cfg(not(feature = "tch"))]
        list: Vec::new,
    },
    Family {
        name: "cpu",
        feature: "default",
        compiled: true,
        missing: "no CPU",
        list: cpu,
    },
    Family {
        name: "tch-cpu",
        feature: "tch",
        compiled: cfg!(feature = "tch"),
        missing: "no CPU",
        #[cfg(feature = "tch")]
        list: super::torch::cpu,
        #[cfg(not(feature = "tch"))]
        list: Vec::new,
    },
];

fn cpu() -> Vec<FoundDevice> {
    vec![FoundDevice {
        device: Device::flex(),
        software: false,
        describe: Box::new(cpu_description),
    }]
}
