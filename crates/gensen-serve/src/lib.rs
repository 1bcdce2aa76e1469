//! An HTTP server for sentence vectors.
//!
//! It implements the routes of two widely used servers: Hugging Face's text-embeddings-inference (`/embed`,
//! `/embed_all`, `/similarity`, `/tokenize`, `/info`, `/health`, `/metrics`) and OpenAI (`/v1/embeddings`,
//! `/v1/models`). `/` is a page for comparing sentences, `/docs` documents the routes.
//!
//! ```no_run
//! use gensen_encode::SentenceEncoder;
//! use gensen_serve::{ServerConfig, Model, ServeError, Server};
//!
//! let server = Server::bind("127.0.0.1:8080".parse()?, ServerConfig::default())?;
//! let load = || {
//!     let encoder = SentenceEncoder::load("models/nli_large")?;
//!     Ok::<_, ServeError>(vec![Model::new("nli_large", encoder, None)?])
//! };
//! server.run(load, |address| eprintln!("http://{address}"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inputs of all connections share batches: one thread takes batches from one queue, both bounded in words. A
//! request is admitted whole or refused whole (429). A vector does not depend on the other texts in its batch, so
//! batching changes no response.

mod answer;
mod app;
mod auth;
mod batcher;
mod body;
mod config;
mod connection;
mod error;
mod front;
mod inputs;
mod metrics;
mod model;
mod offsets;
mod openapi;
mod problem;
mod queue;
mod routes;
mod server;
mod types;

pub use config::{Limits, ServerConfig, Timeouts};
pub use error::ServeError;
pub use model::Model;
pub use server::{Server, Stopper};
