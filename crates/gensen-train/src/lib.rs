//! Multi-task training of the GenSen sentence encoder.
//!
//! One encoder is shared by all tasks; each step trains one of them. See `docs/training.md`.
//!
//! Three steps of the embedded sample's configuration; a second device would be another one in the
//! list:
//!
//! ```
//! use burn_train::{ExecutionStrategy, Interrupter, MultiDeviceOptim};
//! use gensen_data::prepare::prepare;
//! use gensen_model::device;
//! use gensen_train::config::Config;
//! use gensen_train::run::{Resume, train};
//!
//! # let scratch = tempfile::tempdir()?;
//! let set = ["training.steps=3", "model.hidden_size=32"].map(String::from);
//! let mut config = Config::load(None, &set)?;
//! config.run.folder = Some("runs/tiny".into());
//! # config.run.folder = Some(scratch.path().into());
//! let shards = config.folder().join("shards");
//! let data = prepare(&config.tasks, &config.data_options(0), &shards, &config.run.data, &|_| ())?;
//! let devices = vec![device::by_name("cpu")?];
//! let on = ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice);
//! let done = train(&config, &data, &on, &Resume::Auto, &Interrupter::new(), &mut |_| ())?;
//! assert_eq!(done.step, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

pub mod average;
mod best;
pub mod check;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod curves;
#[cfg(feature = "tui")]
mod dashboard;
pub mod devices;
mod error;
pub mod events;
pub mod export;
pub mod inputs;
mod legacy;
pub mod loss;
pub mod memory;
pub mod metrics;
pub mod optimizer;
pub mod precision;
mod readback;
pub mod report;
mod resume;
pub mod run;
pub mod sampler;
pub mod schedule;
#[cfg(feature = "remote")]
mod serve_device;
pub mod similarity;
pub mod start_from;
mod tasks;
mod tensors;
mod terminal;
pub mod validation;
mod vocabularies;
pub mod word_dropout;
pub mod word_vectors;

pub use error::{Cause, TrainError};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
