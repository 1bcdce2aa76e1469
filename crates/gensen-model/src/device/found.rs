//! A device of this machine, before it is started.

use burn::tensor::{Device, Tensor};
use gensen_data::panics;

/// A device that has not been started yet.
pub(super) struct FoundDevice {
    pub(super) device: Device,
    /// Whether it is a CPU that emulates a GPU.
    pub(super) software: bool,
    /// Starts and describes it. Drivers may panic.
    pub(super) describe: Box<dyn Fn() -> String>,
}

impl FoundDevice {
    /// Starts it, tries a computation and describes it; the error says what failed.
    ///
    /// A device that starts need not work: libraries and drivers lack code for GPUs that are too
    /// old or too new, and fail at the first operation. With an old driver, or a GPU held by
    /// another process, a library panics at its start: it has no other way to report errors.
    pub(super) fn start(&self) -> Result<String, String> {
        let start = || {
            let description = (self.describe)();
            let sum = Tensor::<1>::from_data([1.0_f32, 2.0], &self.device) + 3.0;
            let sum: Vec<f32> = sum.into_data().iter().collect();
            if sum != [4.0, 5.0] {
                return Err(format!("adding 3 to 1 and 2 gave {sum:?}"));
            }
            Ok(description)
        };
        let (outcome, _) = panics::quietly(|| panics::catch(start));
        outcome.map_err(|payload| panics::message(&*payload).to_owned())?
    }
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
        let broken = FoundDevice {
            device: Device::flex(),
            software: false,
            describe: Box::new(|| panic!("no code for this GPU")),
        };
        assert_eq!(broken.start(), Err("no code for this GPU".to_owned()));
    }
}
