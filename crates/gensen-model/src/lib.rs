//! The GenSen sentence encoder and its multi-task model on Burn.

pub mod config;
pub mod contrast;
pub mod decoder;
pub mod device;
pub mod dropout;
pub mod encoder;
mod error;
#[cfg(feature = "hub")]
pub mod hub;
pub mod inference;
pub mod init;
mod layers;
pub mod model;
pub mod model_folder;
pub mod ops;
pub mod packed;
pub mod parameters;
pub mod pooling;
pub mod sentence_encoder;
pub mod weights;

pub use error::ModelError;
pub use layers::{Dense, Lookup, Lookups};
pub use model::{Head, MultitaskModel};
pub use model_folder::Pooling;
pub use sentence_encoder::{
    ConcatEncoder, EncodeError, EncodeOptions, Encoded, EncoderPrecision, SentenceEncoder,
};
