//! General-purpose sentence representations, learnt by multi-task training.
//!
//! One recurrent encoder is trained on several tasks at once and turns any sentence into a vector
//! of fixed length. This crate re-exports the workspace's crates:
//!
//! | module | for |
//! | --- | --- |
//! | [`encode`] | sentences in, vectors out: encoders on the CPU, model folders and their weights |
//! | [`expand`] | vocabulary expansion from word vectors |
//! | [`eval`] | transfer tasks, classifiers and metrics |
//! | [`data`] | vocabularies, tokenisers, corpora |
//! | `model` | the model on Burn, and encoders on any device |
//! | `train` | training |
//! | `serve` | an HTTP server |
//!
//! `model` and `train` need Burn and come with the default feature `burn`; `serve` comes with the feature of that
//! name. The program `gensen` does the same from the command line.
//!
//! ```no_run
//! use gensen::{ConcatEncoder, EncodeOptions, Pooling, SentenceEncoder};
//!
//! let encoder = SentenceEncoder::load("models/nli_large_bothskip")?;
//! let options = EncodeOptions::default().pooling(Pooling::Last);
//! let vectors = encoder.encode(&["hello world .", "this is a sentence ."], &options)?;
//! assert_eq!(vectors.dim(), (2, 2048));
//!
//! let parsing = SentenceEncoder::load("models/nli_large_bothskip_parse")?;
//! let both = ConcatEncoder::new(vec![encoder, parsing])?;
//! assert_eq!(both.width(), 4096);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![warn(clippy::missing_errors_doc)]

pub use gensen_data as data;
pub use gensen_encode as encode;
pub use gensen_eval as eval;
pub use gensen_expand as expand;
#[cfg(feature = "burn")]
pub use gensen_model as model;
#[cfg(feature = "serve")]
pub use gensen_serve as serve;
#[cfg(feature = "burn")]
pub use gensen_train as train;

pub use gensen_encode::{
    ConcatEncoder, EncodeError, EncodeOptions, Encoded, EncoderPrecision, Pooling, SentenceEncoder,
    UnknownWords,
};
pub use gensen_eval::EncoderEmbedder;
#[cfg(feature = "burn")]
pub use gensen_model::{device, load_on};
