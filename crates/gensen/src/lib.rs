//! General-purpose sentence representations, learnt by multi-task training.
//!
//! One recurrent encoder is trained on several tasks at once and turns any sentence into a vector
//! of fixed length. This crate gathers the parts of the workspace under one name:
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`model`] | the encoder: sentences in, vectors out; model folders and their weights |
//! | [`expand`] | more words than the encoder was trained with |
//! | [`train`] | training |
//! | [`eval`] | transfer tasks, classifiers and metrics |
//! | [`data`] | vocabularies, tokenisers, corpora |
//!
//! The program `gensen` does the same from the command line.
//!
//! ```no_run
//! use gensen::{ConcatEncoder, EncodeOptions, Pooling, SentenceEncoder, device};
//!
//! let cpu = device::by_name("cpu")?;
//! let encoder = SentenceEncoder::load("models/nli_large_bothskip", &cpu)?;
//! let options = EncodeOptions::default().pooling(Pooling::Last);
//! let vectors = encoder.encode(&["hello world .", "this is a sentence ."], &options)?;
//! assert_eq!(vectors.dim(), (2, 2048));
//!
//! let parsing = SentenceEncoder::load("models/nli_large_bothskip_parse", &cpu)?;
//! let both = ConcatEncoder::new(vec![encoder, parsing])?;
//! assert_eq!(both.width(), 4096);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use gensen_data as data;
pub use gensen_eval as eval;
pub use gensen_expand as expand;
pub use gensen_model as model;
pub use gensen_train as train;

pub use gensen_eval::EncoderEmbedder;
pub use gensen_model::{
    ConcatEncoder, EncodeError, EncodeOptions, Encoded, Pooling, SentenceEncoder, device,
};
