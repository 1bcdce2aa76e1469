//! Lost connections: Burn's operations return no errors, so reading from a lost device panics.

use std::panic;

use gensen_data::panics;
use thiserror::Error;

use super::{DeviceError, SERVED, by_name};

/// The connection to a served device broke off.
#[derive(Debug, Error)]
#[error(
    "lost the connection to {device}: its server ended, failed (see its log) or cannot be reached"
)]
pub struct DeviceLost {
    device: String,
}

/// Runs `work`, which computes on the devices `names` (comma-separated). If it fails or panics and
/// a remote device among them no longer answers, the error is the lost connection.
///
/// For programs, around all of their work: values inside `work` are lost in a panic. Without remote
/// devices it is a plain call.
///
/// # Errors
///
/// An unavailable remote device, the errors of `work`, and a lost connection.
pub fn guard<T, E: From<DeviceError> + From<DeviceLost>>(
    names: &str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let is_served = |name: &&str| name.starts_with(SERVED);
    let served: Vec<&str> = names.split(',').filter(is_served).collect();
    if served.is_empty() {
        return work();
    }
    for name in &served {
        by_name(name)?;
    }
    let ((outcome, lost), messages) = panics::quietly(|| {
        let outcome = panics::catch(work);
        let lost = match &outcome {
            Ok(Ok(_)) => None,
            _ => lost(&served),
        };
        (outcome, lost)
    });
    for message in messages {
        match lost {
            Some(_) => tracing::debug!("{message}"),
            None => tracing::error!("{message}"),
        }
    }
    match (outcome, lost) {
        (_, Some(device)) => Err(E::from(DeviceLost {
            device: device.into(),
        })),
        (Ok(result), None) => result,
        (Err(panic), None) => panic::resume_unwind(panic),
    }
}

/// The first device that no longer answers. When a server ends, servers waiting for its tensors
/// close their sessions too; only the one that ended cannot be reached again.
fn lost<'a>(served: &[&'a str]) -> Option<&'a str> {
    let mut sessions = served.iter().map(|&name| (name, by_name(name)));
    let mut closed = None;
    sessions
        .find_map(|(name, session)| match session {
            Err(_) => Some(name),
            Ok(device) => {
                if device.sync().is_err() {
                    closed = closed.or(Some(name));
                }
                None
            }
        })
        .or(closed)
}
