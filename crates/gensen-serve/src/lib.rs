//! An HTTP server for sentence vectors.
//!
//! It answers on the routes of two servers whose clients are in wide use: Hugging Face's
//! text-embeddings-inference (`/embed`, `/embed_all`, `/similarity`, `/tokenize`, `/info`, `/health`,
//! `/metrics`) and OpenAI (`/v1/embeddings`, `/v1/models`). `/` is a page to try it on, `/docs` the
//! documentation of the routes.
//!
//! ```no_run
//! use gensen_encode::SentenceEncoder;
//! use gensen_serve::{Config, Model, ServeError, Server};
//!
//! let server = Server::bind("127.0.0.1:8080".parse()?, Config::default())?;
//! let load = || {
//!     let encoder = SentenceEncoder::load("models/nli_large")?;
//!     Ok::<_, ServeError>(vec![Model::new("nli_large", encoder, None)?])
//! };
//! server.run(load, |address| eprintln!("http://{address}"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inputs of all connections are encoded together: one thread takes batches, bounded by words, from one
//! queue, bounded by words too. A request is admitted whole or refused whole (429). A vector does not
//! depend on what else is in its batch, so batching does not affect results.

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

pub use config::{Config, Limits, Timeouts};
pub use error::ServeError;
pub use model::Model;
pub use server::{Server, Stopper};
