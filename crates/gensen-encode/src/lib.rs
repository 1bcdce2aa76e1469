//! Sentences in, vectors out: GenSen's encoders without a tensor library.
//!
//! [`SentenceEncoder`] opens a [model folder](model_folder) and encodes text with it on the CPU;
//! [`ConcatEncoder`] concatenates the vectors of several encoders. An [`Engine`] turns words into
//! hidden states; with the one of `gensen-model` the same encoder runs on other devices.
//!
//! ```no_run
//! use gensen_encode::{EncodeOptions, Pooling, SentenceEncoder};
//!
//! let encoder = SentenceEncoder::load("models/nli_large_bothskip")?;
//! let options = EncodeOptions::default().pooling(Pooling::Last).batch_size(32);
//! let vectors = encoder.encode(&["hello world .", "this is a sentence ."], &options)?;
//! assert_eq!(vectors.dim(), (2, encoder.width()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sentences are read in windows. Each distinct word of a window is projected once; its sentences
//! are sorted by length and computed in batches, without padding, and a beginning that several
//! sentences share is computed once. Rows come out in input order, and a sentence's vector has the
//! same bits whatever the other sentences, the batch size and the number of threads. The exception
//! is [`Pooling::MaxPadded`], which depends on the longest sentence of a batch, as in the reference
//! implementation.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![warn(clippy::missing_errors_doc)]

mod concat;
mod converter;
mod coverage;
mod cpu;
mod encoded;
mod engine;
mod error;
#[cfg(test)]
mod fixtures;
#[cfg(feature = "hub")]
pub mod hub;
pub mod initial;
pub mod kernels;
pub mod model_folder;
#[cfg(feature = "onnx")]
pub mod onnx;
mod options;
mod prefixes;
mod quantize;
mod ranges;
mod sentence_encoder;
mod spelling;
mod states;
pub mod weights;
mod window;

pub use concat::ConcatEncoder;
pub use converter::{VectorConverter, VectorOptions};
pub use coverage::Coverage;
pub use cpu::CpuEngine;
pub use encoded::Encoded;
pub use engine::{DistinctWords, Engine, EngineLimits};
pub use error::EncodeError;
pub use gensen_data::pooling::Pooling;
pub use options::{EncodeOptions, EncoderPrecision};
pub use quantize::{VectorPrecision, Vectors, normalize, quantize};
pub use ranges::{Calibration, Ranges};
pub use sentence_encoder::SentenceEncoder;
pub use spelling::UnknownWords;
pub use states::{DirectionStates, States};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
