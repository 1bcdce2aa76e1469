//! A server in the test's process, a client for it, and an encoder that can be delayed.
#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    reason = "each test file uses a part of it"
)]

mod client;
mod encoder;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use gensen_serve::{Model, ServeError, Server, ServerConfig, Stopper};

pub use client::{Answer, Client, connect, get, numbers, post};
pub use encoder::{FAILS, Gate, PANICS, gated, tiny};

/// A running server; dropping it stops it.
pub struct Running {
    pub address: SocketAddr,
    pub stopper: Stopper,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Running {
    /// Waits until the server has stopped.
    pub fn ended(mut self) -> Result<(), ServeError> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

/// Serves these models, and waits until they are ready.
pub fn serve(config: ServerConfig, models: Vec<Model>) -> Running {
    let (ready, is_ready) = mpsc::channel();
    let running = start(config, move || Ok(models), move |_| ready.send(()).unwrap());
    is_ready.recv().unwrap();
    running
}

/// Serves the models that `load` returns, without waiting for it.
pub fn start(
    config: ServerConfig,
    load: impl FnOnce() -> Result<Vec<Model>, ServeError> + Send + 'static,
    ready: impl FnOnce(SocketAddr) + Send + 'static,
) -> Running {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), config).unwrap();
    Running {
        address: server.address(),
        stopper: server.stopper(),
        thread: Some(thread::spawn(move || server.run(load, ready))),
    }
}

/// The built-in model.
pub fn english() -> Model {
    Model::new("english", gensen_english::load().unwrap(), None).unwrap()
}
