//! Multi-task training of the GenSen sentence encoder.
//!
//! One encoder is shared by all tasks; each step trains one of them. See `docs/training.md`.

pub mod checkpoint;
pub mod config;
pub mod curves;
pub mod devices;
mod error;
pub mod export;
mod files;
mod legacy;
pub mod loss;
pub mod metrics;
pub mod optimizer;
pub mod precision;
mod readback;
pub mod report;
mod resume;
pub mod run;
pub mod sampler;
mod tasks;
mod tensors;
pub mod validation;
mod vocabularies;

pub use error::TrainError;
