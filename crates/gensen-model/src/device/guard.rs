//! Lost connections: Burn's operations have no error to return, so that a read from a device that
//! is gone panics.

use std::panic;

use gensen_data::panics;
use thiserror::Error;

use super::{DeviceError, SERVED, by_name};

/// The connection to a served device broke off.
#[derive(Debug, Error)]
#[error(
    "lost the connection to {device}: its server ended, failed (its log says why) or cannot be reached"
)]
pub struct DeviceLost {
    device: String,
}

/// Does `work`, which computes on the devices called `names` (separated by commas). If it fails or
/// panics, and one of them is served by another machine and no longer answers, then that is the
/// error.
///
/// For programs, around the whole of their work: what `work` held is gone after a panic. Without a
/// served device it is a plain call.
///
/// # Errors
///
/// A served device that cannot be had to begin with, those of `work`, and a lost connection.
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

/// Which of these devices no longer answers. When a server ends, others that were waiting for its
/// tensors close their sessions too; it is the one that cannot be reached again.
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
