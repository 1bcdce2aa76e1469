//! The GenSen sentence encoder and its multi-task model on Burn.
//!
//! Trained models are used through [`gensen_encode`], which this crate re-exports: a
//! [`SentenceEncoder`] computes on the CPU without Burn, and [`load_on`] opens one on any device.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![warn(clippy::missing_errors_doc)]

pub mod config;
pub mod contrast;
pub mod decoder;
pub mod device;
pub mod dropout;
pub mod encoder;
mod engine;
mod error;
pub mod inference;
pub mod init;
mod layers;
pub mod model;
pub mod ops;
pub mod packed;
pub mod parameters;
pub mod pooling;

pub use engine::{encoder_on, load_on, load_on_with};
pub use error::ModelError;
#[cfg(feature = "hub")]
pub use gensen_encode::hub;
pub use gensen_encode::{
    ConcatEncoder, CpuEngine, DistinctWords, EncodeError, EncodeOptions, Encoded, EncoderPrecision,
    Engine, EngineLimits, Pooling, SentenceEncoder, UnknownWords, kernels, model_folder, weights,
};
pub use layers::{Dense, Lookup, Lookups};
pub use model::{Head, MultitaskModel};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
