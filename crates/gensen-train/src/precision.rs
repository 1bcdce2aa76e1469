//! Which numbers a device can train in.

use burn::tensor::Device;

use crate::config::Precision;
use crate::error::TrainError;

/// Why a device cannot train in a precision; `Ok` if it can.
///
/// Single precision works everywhere. The CPU's kernels (Burn's Flex back end and ours) compute in
/// single precision; training in mixed precision, with master weights in single precision, is not
/// available yet on any other device either.
pub fn supports(device: &Device, precision: Precision) -> Result<(), String> {
    if precision == Precision::F32 {
        return Ok(());
    }
    let reason = if *device == Device::flex() {
        "the CPU computes in f32"
    } else {
        "training in it is not available yet on this device"
    };
    Err(format!("{reason} ({device:?})"))
}

/// Refuses a precision that one of the devices cannot train in.
pub fn check(devices: &[Device], precision: Precision) -> Result<(), TrainError> {
    for device in devices {
        supports(device, precision).map_err(|reason| TrainError::Config {
            origin: format!("training.precision = \"{precision}\""),
            problem: format!("{reason}; expected \"f32\""),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_trains_in_single_precision_alone() {
        let cpu = [Device::flex(), Device::flex()];
        assert!(check(&cpu, Precision::F32).is_ok());
        for (precision, name) in [(Precision::Bf16, "bf16"), (Precision::F16, "f16")] {
            let error = check(&cpu, precision).expect_err(name).to_string();
            let expected = format!("training.precision = \"{name}\": the CPU computes in f32");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
