//! Serves a device of this machine to trainers and encoders on other machines.

use std::net::TcpListener;
use std::num::NonZero;

use anyhow::{Context, Result};
use gensen_model::device::{self, remote};

use crate::cli::use_threads;
use crate::terminal::print;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address to listen on: one of this machine's, or 0.0.0.0 for all; port 0 picks a free port.
    #[arg(long, default_value = "0.0.0.0:7878", value_name = "ADDRESS:PORT")]
    listen: String,
    /// Device to serve: `auto`, `cpu`, or one of CubeCL's, such as `cuda:1`.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Number of threads. [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(threads) = arguments.threads {
        use_threads(threads.get())?;
    }
    let device = device::by_name(&arguments.device)?;
    let listen = &arguments.listen;
    let listener = TcpListener::bind(listen).with_context(|| format!("--listen {listen}"))?;
    let address = listener.local_addr()?;
    let token = remote::token();
    let who = match token {
        Some(_) => "clients with the token",
        None => "any client",
    };
    print(&format!(
        "serving {} on {address}, to {who}",
        arguments.device
    ))?;
    remote::serve(&device, listener, token.as_deref())?;
    print("stopped")
}
