//! Devices: any of Burn's, or the CPU alone in a build without the feature `burn`.

#[cfg(feature = "burn")]
mod burn;
#[cfg(not(feature = "burn"))]
mod cpu;

#[cfg(feature = "burn")]
pub(crate) use burn::{Device, guard, is_device_error, list_is_asked_for, listing};
#[cfg(not(feature = "burn"))]
pub(crate) use cpu::{Device, guard, is_device_error, list_is_asked_for, listing};
