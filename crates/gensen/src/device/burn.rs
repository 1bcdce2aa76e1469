//! Devices of Burn.

use std::fmt::Display;
use std::path::Path;

use anyhow::Result;
use gensen_encode::model_folder::ModelFolder;
use gensen_encode::{EncodeError, EncoderPrecision, SentenceEncoder};
use gensen_model::device::{self, DeviceError, Listing};
use gensen_model::{encoder_on, load_on_with};

use crate::commands::UsageError;

pub(crate) use gensen_model::device::list_is_asked_for;

/// A device.
pub(crate) struct Device(device::Device);

impl Device {
    /// The device of this name; logs the choice of `auto` if there are several.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let device = device::by_name(name).map_err(|error| UsageError(error.to_string()))?;
        if name == "auto" && device::auto().had_a_choice() {
            tracing::info!("device: {}", device::auto());
        }
        Ok(Self(device))
    }

    /// Opens the model folder at `path`.
    pub(crate) fn load(
        &self,
        path: &Path,
        precision: EncoderPrecision,
    ) -> Result<SentenceEncoder, EncodeError> {
        load_on_with(path, &self.0, precision)
    }

    /// An encoder of a model in memory.
    pub(crate) fn encoder(
        &self,
        model: ModelFolder,
        precision: EncoderPrecision,
    ) -> Result<SentenceEncoder, EncodeError> {
        encoder_on(model, &self.0, precision)
    }
}

/// Runs `work` on the device of this name; if the device is lost, the error names it.
pub(crate) fn guard<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    device::guard(name, work)
}

/// The output of `--device list`.
pub(crate) fn listing() -> impl Display {
    Listing::new()
}

/// Whether the error is an unavailable device.
pub(crate) fn is_device_error(error: &anyhow::Error) -> bool {
    error.is::<DeviceError>()
}
