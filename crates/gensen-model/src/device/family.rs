//! The families of devices: what they are called and how a machine's are found.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};

use super::{DeviceError, DeviceProblem};

/// Devices of one kind.
pub(super) struct Family {
    /// What users call it.
    pub(super) name: &'static str,
    /// The Cargo feature that brings it; none for what is always there.
    feature: &'static str,
    /// Whether this build has it.
    pub(super) compiled: bool,
    /// What is missing where none is found.
    missing: &'static str,
    /// Lists this machine's devices without starting any.
    list: fn() -> Vec<Found>,
}

/// A device that has not been started yet.
pub(super) struct Found {
    pub(super) device: Device,
    /// A CPU that does a GPU's work.
    pub(super) software: bool,
    /// Starts it and describes it. Drivers panic where they cannot.
    pub(super) describe: Box<dyn Fn() -> String>,
}

impl Found {
    /// Starts it, has it compute something and describes it; the error says why it does not.
    ///
    /// A device that starts need not work: libraries and drivers come without code for GPUs that are
    /// too old or too new for them, and say so at the first operation.
    pub(super) fn start(&self) -> Result<String, String> {
        quietly(|| {
            let description = (self.describe)();
            let sum = Tensor::<1>::from_data([1.0_f32, 2.0], &self.device) + 3.0;
            let sum: Vec<f32> = sum.into_data().iter().collect();
            if sum != [4.0, 5.0] {
                return Err(format!("it adds 3 to 1 and 2, and gets {sum:?}"));
            }
            Ok(description)
        })?
    }
}

/// What `start` gives or, as the error, what it panics with; standard error is spared it. A driver
/// that is too old or a GPU that another process holds ends a library's start in a panic: it has no
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

impl Family {
    /// The devices of this machine, at least one.
    pub(super) fn find(&self) -> Result<Vec<Found>, DeviceError> {
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

/// Every family; what `auto` prefers to the CPU comes before it, best first.
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

fn cpu() -> Vec<Found> {
    vec![Found {
        device: Device::flex(),
        software: false,
        describe: Box::new(cpu_description),
    }]
}

pub(super) fn cpu_description() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("this machine's processor, {threads} threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(quietly(|| 7), Ok(7));
        let failed = quietly(|| -> u8 { panic!("driver {} is too old", 1) });
        assert_eq!(failed, Err("driver 1 is too old".to_owned()));
        let broken = Found {
            device: Device::flex(),
            software: false,
            describe: Box::new(|| panic!("no code for this GPU")),
        };
        assert_eq!(broken.start(), Err("no code for this GPU".to_owned()));
    }
}
