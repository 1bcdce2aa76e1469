//! Devices by name.
//!
//! A name is a family (`cpu`), with an index where a machine has several devices of it (`cuda:1`).
//! `auto` is the best device that works.

#[cfg(any(feature = "cuda", feature = "metal", feature = "vulkan"))]
mod cube;
mod error;
mod family;
mod found;
mod guard;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(feature = "remote")]
mod server;
#[cfg(feature = "tch")]
mod torch;

use std::ffi::OsString;
use std::fmt;
use std::sync::OnceLock;

pub use burn::tensor::Device;

pub use error::{DeviceError, DeviceProblem};
use family::{FAMILIES, Family};
pub use guard::{DeviceLost, guard};

/// The prefix of names of devices served by other machines.
const SERVED: &str = "remote:";

/// A device of this machine that works.
#[derive(Clone, Debug)]
pub struct Available {
    /// The name that [`by_name`] accepts.
    pub name: String,
    /// A description, such as the adapter's name.
    pub description: String,
    /// The device.
    pub device: Device,
    /// A software device: a CPU that emulates a GPU, slowly.
    pub software: bool,
}

/// The choice of `auto`, with reasons.
#[derive(Debug)]
pub struct Auto {
    /// The chosen device.
    pub chosen: Available,
    /// The reason why each preferred device was not chosen, except for families that are not
    /// compiled in.
    pub passed_over: Vec<DeviceError>,
}

impl Auto {
    /// Whether this build supports more than the CPU.
    pub fn had_a_choice(&self) -> bool {
        self.chosen.name != "cpu" || !self.passed_over.is_empty()
    }
}

impl fmt::Display for Auto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.chosen.name, self.chosen.description)?;
        let mut reasons = self.passed_over.iter();
        reasons.try_for_each(|error| write!(f, "; {error}"))
    }
}

/// The devices of this machine: `--device list`, a line each.
#[derive(Debug)]
pub struct Listing {
    /// The devices that work, best first.
    pub devices: Vec<Available>,
    /// Families without a device and devices that do not start.
    pub others: Vec<DeviceError>,
}

impl Listing {
    /// Finds and starts every device.
    pub fn new() -> Self {
        let mut listing = Self {
            devices: Vec::new(),
            others: Vec::new(),
        };
        for device in FAMILIES.iter().flat_map(survey) {
            match device {
                Ok(device) => listing.devices.push(device),
                Err(error) => listing.others.push(error),
            }
        }
        listing
    }
}

impl Default for Listing {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &auto().chosen.name;
        for device in &self.devices {
            let (name, description) = (&device.name, &device.description);
            let auto = if name == chosen { " (auto)" } else { "" };
            writeln!(f, "{name:<12} {description}{auto}")?;
        }
        for DeviceError { name, problem } in &self.others {
            writeln!(f, "{name:<12} - {problem}")?;
        }
        Ok(())
    }
}

/// The device of this name: `auto`, a family with an optional index, as in `cuda:1`, or
/// `remote:HOST:PORT`, which another machine serves.
///
/// # Errors
///
/// An unknown name, a family that is not compiled in, a device that this machine lacks or that does
/// not start, a server that refuses or cannot be reached.
pub fn by_name(name: &str) -> Result<Device, DeviceError> {
    if name == "auto" {
        return Ok(auto().chosen.device.clone());
    }
    if let Some(address) = name.strip_prefix(SERVED) {
        return served(address).map_err(|problem| problem.of(name));
    }
    let unknown = || DeviceProblem::Unknown { known: known() }.of(name);
    let (family, place) = parse(name).ok_or_else(unknown)?;
    let mut found = family.find().map_err(|error| error.problem.of(name))?;
    if place >= found.len() {
        let problem = match found.len() {
            1 => format!("there is only one `{}`", family.name),
            count => format!("there are {count}, counted from 0"),
        };
        return Err(DeviceProblem::Absent(problem).of(name));
    }
    let found = found.swap_remove(place);
    match found.start() {
        Ok(_) => Ok(found.device),
        Err(problem) => Err(DeviceProblem::Broken(problem).of(name)),
    }
}

#[cfg(feature = "remote")]
fn served(address: &str) -> Result<Device, DeviceProblem> {
    remote::connect(address).map_err(|error| DeviceProblem::Absent(error.to_string()))
}

#[cfg(not(feature = "remote"))]
fn served(_: &str) -> Result<Device, DeviceProblem> {
    Err(DeviceProblem::NotCompiled { feature: "remote" })
}

/// The devices of comma-separated names.
///
/// # Errors
///
/// As [`by_name`].
pub fn all_by_name(names: &str) -> Result<Vec<Device>, DeviceError> {
    names.split(',').map(|name| by_name(name.trim())).collect()
}

/// Whether a program's arguments contain `--device list`, which prints a [`Listing`] and makes
/// required arguments optional.
pub fn list_is_asked_for(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let apart = |pair: &[OsString]| pair[0] == "--device" && pair[1] == "list";
    arguments.windows(2).any(apart) || arguments.iter().any(|a| a == "--device=list")
}

/// The choice of `auto`: CUDA, Metal, Vulkan on a GPU, libtorch on CUDA, or else the CPU.
pub fn auto() -> &'static Auto {
    static AUTO: OnceLock<Auto> = OnceLock::new();
    AUTO.get_or_init(|| {
        let mut passed_over = Vec::new();
        let preferred = FAMILIES.iter().take_while(|family| family.name != "cpu");
        for device in preferred.filter(|family| family.compiled).flat_map(survey) {
            match device {
                Ok(device) if device.software => {
                    let problem = DeviceProblem::Software(device.description);
                    passed_over.push(problem.of(&device.name));
                }
                Ok(chosen) => {
                    return Auto {
                        chosen,
                        passed_over,
                    };
                }
                Err(error) => passed_over.push(error),
            }
        }
        Auto {
            chosen: Available {
                name: "cpu".into(),
                description: found::cpu_description(),
                device: Device::flex(),
                software: false,
            },
            passed_over,
        }
    })
}

/// Starts the devices of a family one by one.
fn survey(family: &Family) -> impl Iterator<Item = Result<Available, DeviceError>> {
    let (found, missing) = match family.find() {
        Ok(found) => (found, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let several = found.len() > 1;
    let name = move |place| match several {
        true => format!("{}:{place}", family.name),
        false => family.name.into(),
    };
    let devices = found.into_iter().enumerate().map(move |(place, found)| {
        let name = name(place);
        match found.start() {
            Ok(description) => Ok(Available {
                name,
                description,
                device: found.device,
                software: found.software,
            }),
            Err(problem) => Err(DeviceProblem::Broken(problem).of(&name)),
        }
    });
    missing.map(Err).into_iter().chain(devices)
}

/// Parses a name as family and index.
fn parse(name: &str) -> Option<(&'static Family, usize)> {
    let (family, place) = match name.split_once(':') {
        Some((family, place)) => (family, place.parse().ok()?),
        None => (name, 0),
    };
    let family = FAMILIES.iter().find(|known| known.name == family)?;
    Some((family, place))
}

/// The supported device names, for messages.
fn known() -> String {
    let compiled = FAMILIES.iter().filter(|family| family.compiled);
    let names: Vec<&str> = compiled.map(|family| family.name).collect();
    format!("auto, {}", names.join(", "))
}

#[cfg(test)]
mod tests;
