//! Weights on disk and in memory: PyTorch files, pickled vocabularies, safetensors.
//!
//! Nothing here knows a tensor library: a [`Tensor`] is a shape and numbers, in memory or as
//! a mapped file stores them.
//!
//! | module | what it reads |
//! | --- | --- |
//! | [`torch`] | PyTorch's files, of the format before zip and of zip |
//! | [`vocabulary_pickle`] | the reference implementation's vocabularies |
//! | [`safetensors`] | safetensors files; it writes them, too |
//! | [`pickle`] | the data language inside the first two |
//!
//! Whatever the source, [`EncoderState`] checks that the tensors make up an encoder.

mod error;
mod integers;
pub(crate) mod map;
pub mod pickle;
pub mod safetensors;
mod state;
mod tensor;
pub mod torch;
pub mod vocabulary_pickle;

pub use error::WeightsError;
pub(crate) use state::embedding_row;
pub use state::{EMBEDDING, EncoderState, GruTensors, gru_tensor_name};
pub use tensor::{StoredPrecision, Tensor, TensorMap, UnknownPrecision};
