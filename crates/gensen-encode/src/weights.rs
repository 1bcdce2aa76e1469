//! Weights on disk and in memory: PyTorch files, pickled vocabularies, safetensors.
//!
//! A [`Tensor`] is a shape and values, in memory or in a memory-mapped file; no tensor library is
//! needed.
//!
//! | module | what it reads |
//! | --- | --- |
//! | [`torch`] | PyTorch files: the zip format and the one before it |
//! | [`vocabulary_pickle`] | the reference implementation's vocabularies |
//! | [`safetensors`] | safetensors files; it also writes them |
//! | [`pickle`] | Python pickles, which the first two contain |
//!
//! [`EncoderState`] checks that the tensors form an encoder, whichever file they come from.

mod error;
mod integers;
pub(crate) mod map;
pub mod pickle;
mod precision;
pub mod safetensors;
mod state;
mod tensor;
pub mod torch;
pub mod vocabulary_pickle;

pub use error::WeightsError;
pub use precision::{StoredPrecision, UnknownPrecision};
pub(crate) use state::embedding_row;
pub use state::{EMBEDDING, EncoderState, GruTensors, gru_tensor_name};
pub use tensor::{Tensor, TensorMap};
