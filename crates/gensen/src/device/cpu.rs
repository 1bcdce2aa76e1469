//! Device selection in builds without Burn: only the CPU.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;

use anyhow::Result;
use gensen_encode::model_folder::ModelFolder;
use gensen_encode::{EncodeError, EncoderPrecision, SentenceEncoder};

use crate::commands::UsageError;

/// Prefixes of device names in other builds, and the feature each needs.
const OTHERS: [(&str, &str); 5] = [
    ("cuda", "cuda"),
    ("metal", "metal"),
    ("remote", "remote"),
    ("tch-", "tch"),
    ("vulkan", "vulkan"),
];

/// A device.
pub(crate) struct Device;

impl Device {
    /// The device of this name.
    pub(crate) fn open(name: &str) -> Result<Self> {
        if matches!(name, "auto" | "cpu" | "cpu:0") {
            return Ok(Self);
        }
        let other = OTHERS.iter().find(|(prefix, _)| name.starts_with(prefix));
        let problem = match other {
            Some((_, feature)) => {
                format!("not compiled in; build with `--features {feature}` (docs/gpu.md)")
            }
            None if name.starts_with("cpu:") => "there is only one `cpu`".to_owned(),
            None => "this build supports auto, cpu".to_owned(),
        };
        Err(UsageError(format!("device `{name}`: {problem}")).into())
    }

    /// Opens the model folder at `path`.
    pub(crate) fn load(
        &self,
        path: &Path,
        precision: EncoderPrecision,
    ) -> Result<SentenceEncoder, EncodeError> {
        SentenceEncoder::load_with(path, precision)
    }

    /// An encoder of a model in memory.
    pub(crate) fn encoder(
        &self,
        model: ModelFolder,
        precision: EncoderPrecision,
    ) -> Result<SentenceEncoder, EncodeError> {
        SentenceEncoder::new_with(model, precision)
    }
}

/// Runs `work`: the CPU cannot be lost.
pub(crate) fn guard<T>(_: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    work()
}

/// Whether the arguments contain `--device list`.
pub(crate) fn list_is_asked_for(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let apart = |pair: &[OsString]| pair[0] == "--device" && pair[1] == "list";
    arguments.windows(2).any(apart) || arguments.iter().any(|a| a == "--device=list")
}

/// The output of `--device list`.
pub(crate) fn listing() -> impl Display {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{:<12} this machine's processor, {threads} threads (auto)\n",
        "cpu"
    )
}

/// Whether the error is an unavailable device: always a [`UsageError`] here.
pub(crate) fn is_device_error(_: &anyhow::Error) -> bool {
    false
}
