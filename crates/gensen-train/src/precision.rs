//! Mixed precision: which devices support it, and the loss scale.
//!
//! Weights, their gradients, Adam's moments and checkpoints are in f32. A step casts the weights it
//! uses to 16 bits, computes states in 16 bits and the loss in f32, like PyTorch's autocast.

use burn::tensor::{Device, FloatDType, Tensor};
use gensen_model::ops::multiplies_bf16;
use serde::{Deserialize, Serialize};

use crate::config::TrainingPrecision;
use crate::error::TrainError;

const ALL: [TrainingPrecision; 3] = [
    TrainingPrecision::F32,
    TrainingPrecision::Bf16,
    TrainingPrecision::F16,
];

impl TrainingPrecision {
    /// The floating-point type of states.
    pub fn float_type(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
            Self::F16 => FloatDType::F16,
        }
    }
}

/// Checks whether a device can train in a precision.
///
/// f32 works everywhere. On a CPU without instructions for it, 16 bits would be slower than f32, so
/// they are refused.
///
/// # Errors
///
/// The reason.
pub fn supports(device: &Device, precision: TrainingPrecision) -> Result<(), String> {
    let on_cpu = *device == Device::flex();
    let reason = if precision == TrainingPrecision::F32 {
        return Ok(());
    } else if on_cpu && precision == TrainingPrecision::Bf16 {
        if multiplies_bf16() {
            return Ok(());
        }
        "the CPU trains in f32 only: the processor or the system supports neither AMX nor AVX512-BF16"
    } else if on_cpu {
        "the CPU trains in f32 or bf16 only"
    } else if !device.supports_dtype(precision.float_type()) {
        "the device does not support it"
    } else {
        return Ok(());
    };
    Err(format!("{reason} ({device:?})"))
}

/// Refuses a precision that one of the devices does not support.
///
/// # Errors
///
/// [`TrainError::Config`] names the precisions that all devices support.
pub fn check(devices: &[Device], precision: TrainingPrecision) -> Result<(), TrainError> {
    let refused = devices
        .iter()
        .find_map(|device| supports(device, precision).err());
    let Some(reason) = refused else {
        return Ok(());
    };
    let supported =
        |precision: &TrainingPrecision| devices.iter().all(|d| supports(d, *precision).is_ok());
    let names = ALL.into_iter().filter(supported);
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    Err(TrainError::config(
        format!("training.precision = \"{precision}\""),
        format!("{reason}; expected {}", names.join(" or ")),
    ))
}

/// The floating-point type and loss scale of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Autocast {
    /// The type of states, and of weights during the step.
    pub float_type: FloatDType,
    /// The factor of losses before they are differentiated; a power of two.
    pub loss_scale: f32,
}

impl Default for Autocast {
    /// f32.
    fn default() -> Self {
        Self::new(TrainingPrecision::F32, None)
    }
}

impl Autocast {
    /// Autocasting for a precision; losses are scaled if a scale is given.
    pub fn new(precision: TrainingPrecision, scale: Option<LossScale>) -> Self {
        Self {
            float_type: precision.float_type(),
            loss_scale: scale.map_or(1.0, |scale| scale.scale),
        }
    }
}

/// The dynamic loss scale of a run in f16: the largest that does not overflow, so that small
/// gradients do not underflow. Constants as in PyTorch's `GradScaler`.
///
/// A step whose gradients overflow updates nothing and halves the scale; 2,000 steps without
/// overflow double it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    /// A power of two.
    pub scale: f32,
    /// Steps since it last changed.
    pub steps: u32,
}

impl LossScale {
    const FIRST: f32 = 65536.0;
    const STEPS_TO_DOUBLE: u32 = 2000;

    /// The initial scale; `None` for precisions without a loss scale.
    pub fn first(precision: TrainingPrecision) -> Option<Self> {
        (precision == TrainingPrecision::F16).then_some(Self {
            scale: Self::FIRST,
            steps: 0,
        })
    }

    /// Waits for the device, returns whether gradients with these squared norms are finite, and
    /// updates the scale for the next step.
    pub fn accepts(&mut self, squared_norms: &Tensor<1>) -> bool {
        let norms = squared_norms.clone().into_data();
        let finite = norms.iter::<f32>().all(f32::is_finite);
        self.adapt(finite);
        finite
    }

    /// Whether the scale is at its minimum: overflow then cannot be avoided by scaling.
    pub fn is_least(self) -> bool {
        self.scale <= 1.0
    }

    fn adapt(&mut self, finite: bool) {
        self.steps = if finite { self.steps + 1 } else { 0 };
        if !finite {
            self.scale = (self.scale / 2.0).max(1.0);
        } else if self.steps == Self::STEPS_TO_DOUBLE {
            *self = Self {
                scale: self.scale * 2.0,
                steps: 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_trains_in_what_its_processor_multiplies() {
        let cpu = [Device::flex(), Device::flex()];
        assert!(check(&cpu, TrainingPrecision::F32).is_ok());
        let expected = if multiplies_bf16() {
            assert!(check(&cpu, TrainingPrecision::Bf16).is_ok());
            "; expected \"f32\" or \"bf16\""
        } else {
            let error = check(&cpu, TrainingPrecision::Bf16)
                .expect_err("bf16")
                .to_string();
            assert!(error.contains("neither AMX nor AVX512-BF16"), "{error}");
            "; expected \"f32\""
        };
        let error = check(&cpu, TrainingPrecision::F16)
            .expect_err("f16")
            .to_string();
        let start = "training.precision = \"f16\": the CPU trains in f32";
        assert!(error.starts_with(start), "{error}");
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn a_loss_scale_doubles_after_2000_steps_and_halves_at_an_overflow() {
        let mut scale = LossScale::first(TrainingPrecision::F16).expect("f16 is scaled");
        assert_eq!(LossScale::first(TrainingPrecision::Bf16), None);
        let squares = |x: f32| Tensor::from_data([1.0, x], &Device::flex());
        for _ in 1..2000 {
            assert!(scale.accepts(&squares(4.0)));
        }
        assert_eq!((scale.scale, scale.steps), (65536.0, 1999));
        assert!(scale.accepts(&squares(0.0)));
        assert_eq!((scale.scale, scale.steps), (131_072.0, 0));
        for (overflow, left) in [(f32::INFINITY, 65536.0), (f32::NAN, 32768.0)] {
            scale.accepts(&squares(1.0));
            assert!(!scale.accepts(&squares(overflow)));
            assert_eq!((scale.scale, scale.steps), (left, 0));
        }
        for _ in 0..15 {
            assert!(!scale.is_least());
            scale.accepts(&squares(f32::INFINITY));
        }
        assert!(scale.is_least());
        scale.accepts(&squares(f32::INFINITY));
        assert_eq!(scale.scale, 1.0);
    }
}
