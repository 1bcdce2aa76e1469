//! The model in the box: a small English sentence encoder whose weights are part of the program.
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
//! It needs no file and no network. The crate's `README.md` is the model card: what the model was
//! trained on, under which licences, and what it is bad at.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

use gensen_encode::model_folder::{ModelFolder, ModelFolderError};
use gensen_encode::{EncodeError, SentenceEncoder};

/// `config.json` of the model.
pub const CONFIG: &[u8] = include_bytes!("../model/config.json");
/// `vocab.txt` of the model.
pub const VOCABULARY: &[u8] = include_bytes!("../model/vocab.txt");
/// `model.safetensors` of the model, its matrices as 8-bit integers.
pub const WEIGHTS: &[u8] = include_bytes!("../model/model.safetensors");

/// The model's configuration, words and weights. The weights stay where the program has them.
///
/// # Errors
///
/// None that is known: the files are part of the crate, and a test reads them.
pub fn model() -> Result<ModelFolder, ModelFolderError> {
    ModelFolder::from_bytes(CONFIG, VOCABULARY, WEIGHTS)
}

/// The model, ready to encode text on the CPU.
///
/// [`SentenceEncoder::new_with`] on [`model`] computes with weights of another precision.
///
/// # Errors
///
/// As [`model`].
pub fn load() -> Result<SentenceEncoder, EncodeError> {
    Ok(SentenceEncoder::new(model()?))
}
