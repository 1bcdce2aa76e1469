//! Devices that other machines serve, through Burn's remote back end over WebSocket.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use burn::remote::{ConnectError, RemoteHost};
use burn::tensor::Device;
use thiserror::Error;

pub use super::server::serve;

/// The environment variable with the token that a server may require.
const TOKEN: &str = "GENSEN_REMOTE_TOKEN";

/// The timeout for connecting to a host.
const PATIENCE: Duration = Duration::from_secs(10);

/// An unavailable remote device.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The address is not `HOST:PORT`.
    #[error("expected remote:HOST:PORT")]
    Address,
    /// The host does not answer.
    #[error("{0}; does `gensen-train serve-device` run there?")]
    Unreachable(io::Error),
    /// The server, or another program at that address, refuses.
    #[error("{0}")]
    Refused(#[from] ConnectError),
}

/// The token that servers require and clients send: `GENSEN_REMOTE_TOKEN`, unless it is empty.
pub fn token() -> Option<String> {
    std::env::var(TOKEN).ok().filter(|token| !token.is_empty())
}

/// Opens a session on the device served at `address`, `HOST:PORT`, with the [`token`].
pub(super) fn connect(address: &str) -> Result<Device, RemoteError> {
    // Burn would retry a closed port for 16 seconds and a silent host for minutes.
    reach(address)?;
    let mut host = RemoteHost::websocket(&format!("ws://{address}"));
    if let Some(token) = token() {
        host = host.with_credential(token);
    }
    Ok(Device::remote_options(&host).init()?)
}

fn reach(address: &str) -> Result<(), RemoteError> {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {}
        _ => return Err(RemoteError::Address),
    }
    let mut last = io::Error::other("the name has no address");
    for address in address
        .to_socket_addrs()
        .map_err(RemoteError::Unreachable)?
    {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(RemoteError::Unreachable(last))
}
