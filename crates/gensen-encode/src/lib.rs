//! Sentences in, vectors out: GenSen's encoders without a tensor library.
//!
//! [`SentenceEncoder`] opens a [model folder](model_folder) and encodes text with it on the CPU;
//! [`ConcatEncoder`] puts the vectors of several side by side. `gensen-model` has the same encoder on
//! other devices: whatever turns a window of words into hidden states is an [`Engine`].
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
//! Sentences are read a window at a time: the window's distinct words are projected once, its
//! sentences sorted by length and computed in batches, without padding and each distinct beginning
//! of a sentence once. None of it shows: rows come out in input order, and a sentence's vector has
//! the same bits whatever the sentences beside it, the batch size and the number of threads (but for
//! [`Pooling::MaxPadded`], which looks at the longest sentence of a batch, as the reference
//! implementation did).

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![warn(clippy::missing_errors_doc)]

mod concat;
mod coverage;
mod cpu;
mod engine;
mod error;
#[cfg(feature = "hub")]
pub mod hub;
pub mod initial;
pub mod kernels;
pub mod model_folder;
#[cfg(feature = "onnx")]
pub mod onnx;
mod options;
mod output;
mod prefixes;
mod quantize;
mod ranges;
mod sentence_encoder;
mod spelling;
mod states;
mod vectors;
pub mod weights;
mod window;

pub use concat::ConcatEncoder;
pub use coverage::Coverage;
pub use cpu::CpuEngine;
pub use engine::{DistinctWords, Engine, Limits};
pub use error::EncodeError;
pub use gensen_data::pooling::Pooling;
pub use options::{EncodeOptions, EncoderPrecision};
pub use quantize::{VectorPrecision, Vectors, normalize, quantize};
pub use ranges::{Calibration, Ranges};
pub use sentence_encoder::{Encoded, SentenceEncoder};
pub use spelling::UnknownWords;
pub use states::{DirectionStates, States};
pub use vectors::{VectorConverter, VectorOptions};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
