//! The built-in model: a small English sentence encoder whose weights are part of the program.
//!
//! ```
//! use gensen_encode::EncodeOptions;
//!
//! let encoder = gensen_english::load()?;
//! let vectors = encoder.encode(&["A sentence.", "Another."], &EncodeOptions::default())?;
//! assert_eq!(vectors.dim(), (2, 1024));
//! # Ok::<(), gensen_encode::EncodeError>(())
//! ```
//!
//! It needs no files and no network. The crate's `README.md` is the model card: training data,
//! licences and limitations.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

use gensen_encode::model_folder::{ModelFolder, ModelFolderError};
use gensen_encode::{EncodeError, SentenceEncoder};

/// `config.json` of the model.
pub const CONFIG: &[u8] = include_bytes!("../model/config.json");
/// `vocab.txt` of the model.
pub const VOCABULARY: &[u8] = include_bytes!("../model/vocab.txt");
/// `model.safetensors` of the model, its matrices as 8-bit integers.
pub const WEIGHTS: &[u8] = include_bytes!("../model/model.safetensors");

/// The model's configuration, vocabulary and weights. The weights are not copied.
///
/// # Errors
///
/// None are known: the files are part of the crate, and a test opens them.
pub fn model() -> Result<ModelFolder, ModelFolderError> {
    ModelFolder::from_bytes(CONFIG, VOCABULARY, WEIGHTS)
}

/// The model as an encoder on the CPU, in f32.
///
/// For another precision, pass [`model`] to [`SentenceEncoder::new_with`].
///
/// # Errors
///
/// As [`model`].
pub fn load() -> Result<SentenceEncoder, EncodeError> {
    Ok(SentenceEncoder::new(model()?))
}

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
