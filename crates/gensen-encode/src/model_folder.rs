//! The model folder: the files of a trained encoder.
//!
//! | file | holds |
//! | --- | --- |
//! | `config.json` | [`ModelConfig`]: architecture, pooling, tokeniser, lower-casing, provenance, and the value ranges of its vectors if they were calibrated ([`Ranges`]) |
//! | `model.safetensors` | the encoder's tensors under PyTorch's names, as f32 or f16; or, with precision i8, the word embeddings and the GRU's matrices as integers with one scale a row ([`crate::weights::safetensors`]) and the biases as f32 |
//! | `vocab.txt` | the words in id order, one a line |
//! | `README.md` | the model card, for people |
//! | `map.safetensors` | in an expanded model: the map from word vectors to its embeddings |
//! | `modules.json`, `modeling_gensen.py` | optional: what sentence-transformers needs to open the folder |
//!
//! [`ModelFolder::open`] checks all of it and memory-maps the weights; [`ModelFolder::from_bytes`]
//! accepts files in memory; [`ModelFolder::write`] writes a complete folder or none. [`convert`]
//! reads the files of the reference implementation.

mod card;
mod config;
mod convert;
mod error;
mod metadata;
mod python;
mod untrained;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use gensen_data::files;
use gensen_data::scratch::{self, Scratch};
use gensen_data::text;
use gensen_data::vocabulary::Vocabulary;

use crate::Ranges;
use crate::weights::{EncoderState, StoredPrecision, TensorMap, WeightsError, safetensors};

pub use config::{
    Architecture, FORMAT_VERSION, ModelConfig, Provenance, RunDigests, Score, TrainingData,
};
pub use convert::{Conversion, convert};
pub use error::ModelFolderError;
use error::io_error;
pub use gensen_data::pooling::Pooling;
pub use metadata::{CardMetadata, CardResult};
pub use python::{MODULES_FILE, PYTHON_FILE};

/// The configuration's file name.
pub const CONFIG_FILE: &str = "config.json";
/// The weights' file name.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The vocabulary's file name.
pub const VOCABULARY_FILE: &str = "vocab.txt";
/// The model card's file name.
pub const CARD_FILE: &str = "README.md";
/// The vocabulary map's file name; `gensen-expand` reads and writes it.
pub const MAP_FILE: &str = "map.safetensors";

/// The size limit of `config.json`, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 8 << 20;

/// The contents of a model folder: an encoder's weights, vocabulary and configuration.
///
/// ```no_run
/// use std::path::Path;
/// use gensen_encode::model_folder::ModelFolder;
/// use gensen_encode::weights::StoredPrecision;
///
/// let model = ModelFolder::open(Path::new("models/nli_large_bothskip"))?;
/// println!("{} words, {} numbers a sentence", model.vocabulary().len(), model.weights().hidden_size());
/// model.write(Path::new("models/nli_large_bothskip_f16"), StoredPrecision::F16)?;
/// # Ok::<(), gensen_encode::model_folder::ModelFolderError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelFolder {
    config: ModelConfig,
    vocabulary: Vocabulary,
    weights: EncoderState,
}

impl ModelFolder {
    /// A model of these parts.
    ///
    /// # Errors
    ///
    /// Parts that disagree about a size, and invalid values in the configuration.
    pub fn new(
        config: ModelConfig,
        vocabulary: Vocabulary,
        weights: EncoderState,
    ) -> Result<Self, ModelFolderError> {
        config.check(&weights)?;
        if vocabulary.len() != weights.vocabulary_size() {
            return Err(ModelFolderError::VocabularySize {
                words: vocabulary.len(),
                rows: weights.vocabulary_size(),
            });
        }
        Ok(Self {
            config,
            vocabulary,
            weights,
        })
    }

    /// Opens the model folder at `path`. Its weights are memory-mapped; every value is checked to
    /// be finite.
    ///
    /// # Errors
    ///
    /// A folder that lacks a file, a configuration from a newer release or with unknown fields, a
    /// vocabulary with duplicate or blank lines or of another size than the embedding, and weights
    /// that are damaged, have wrong shapes or are not finite.
    pub fn open(path: &Path) -> Result<Self, ModelFolderError> {
        Self::open_with(path, EncoderState::new)
    }

    /// As [`ModelFolder::open`], but faster and with less memory: word embeddings stay on disk, and
    /// [`EncoderState::embedding_row`] checks each row when it reads it.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::open`].
    pub fn open_lazily(path: &Path) -> Result<Self, ModelFolderError> {
        Self::open_with(path, EncoderState::with_unread_embedding)
    }

    /// Opens a model whose files are in memory. The weights are not copied; errors name files as in
    /// a folder.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::open`].
    pub fn from_bytes(
        config: &[u8],
        vocabulary: &[u8],
        weights: impl Into<Cow<'static, [u8]>>,
    ) -> Result<Self, ModelFolderError> {
        let config = ModelConfig::from_json(config, Path::new(CONFIG_FILE))?;
        let vocabulary = Vocabulary::from_bytes(vocabulary, VOCABULARY_FILE)?;
        let weights = safetensors::from_bytes(weights)
            .and_then(EncoderState::new)
            .map_err(|error| error.in_file(Path::new(WEIGHTS_FILE)))?;
        Self::new(config, vocabulary, weights)
    }

    fn open_with(
        path: &Path,
        state: impl FnOnce(TensorMap) -> Result<EncoderState, WeightsError>,
    ) -> Result<Self, ModelFolderError> {
        let not_a_model = |problem: String| ModelFolderError::NotAModelFolder {
            path: path.to_owned(),
            problem,
        };
        if !fs::metadata(path).map_err(io_error(path))?.is_dir() {
            return Err(not_a_model("not a folder".to_owned()));
        }
        for name in [CONFIG_FILE, WEIGHTS_FILE, VOCABULARY_FILE] {
            if !path.join(name).is_file() {
                return Err(not_a_model(format!("it has no {name}")));
            }
        }
        let config = read_config(&path.join(CONFIG_FILE))?;
        let vocabulary = Vocabulary::load(path.join(VOCABULARY_FILE))?;
        let weights_path = path.join(WEIGHTS_FILE);
        let weights = state(safetensors::open(&weights_path)?)
            .map_err(|error| error.in_file(&weights_path))?;
        Self::new(config, vocabulary, weights)
    }

    /// Writes the model folder at `path`, whole or not at all, with weights in this precision. An
    /// existing model folder is replaced; anything else at `path` is an error and left alone.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written, a `path` that exists and is not a model folder or holds
    /// other files, values beyond the range of f16, and values that are not finite with precision
    /// i8.
    pub fn write(&self, path: &Path, precision: StoredPrecision) -> Result<(), ModelFolderError> {
        self.write_with(path, precision, |_| Ok::<_, ModelFolderError>(()))
    }

    /// As [`ModelFolder::write`]; `add` gets the folder's temporary path and may write more files
    /// into it before it is renamed.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::write`], and those of `add`.
    pub fn write_with<E: From<ModelFolderError>>(
        &self,
        path: &Path,
        precision: StoredPrecision,
        add: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = self.write_aside(path, precision)?;
        add(folder.path())?;
        Ok(folder.rename_to(path).map_err(io_error(path))?)
    }

    /// Checks that [`ModelFolder::write`] may write at `path`, before work that takes long.
    ///
    /// # Errors
    ///
    /// A `path` that exists and is not a model folder or holds other files.
    pub fn check_destination(path: &Path) -> Result<(), ModelFolderError> {
        check_replaceable(path)
    }

    /// Writes all files into a scratch folder.
    fn write_aside(
        &self,
        path: &Path,
        precision: StoredPrecision,
    ) -> Result<Scratch, ModelFolderError> {
        check_replaceable(path)?;
        let folder = Scratch::folder(path).map_err(io_error(path))?;
        let place = |name| folder.path().join(name);
        safetensors::write(&place(WEIGHTS_FILE), self.weights.tensors(), precision)?;
        let mut words = String::new();
        for word in self.vocabulary.words() {
            words.push_str(word);
            words.push('\n');
        }
        for (name, contents) in [
            (VOCABULARY_FILE, words),
            (CONFIG_FILE, self.config.to_json()),
            (CARD_FILE, card::card(&self.config, precision, false)),
        ] {
            let place = place(name);
            scratch::write_file(&place, |file| file.write_all(contents.as_bytes()))
                .map_err(io_error(&place))?;
        }
        if path.is_dir() {
            // Files of the system or of version control must not be lost with the old folder.
            for name in hidden_files(path).map_err(io_error(path))? {
                let hidden = path.join(&name);
                fs::copy(&hidden, folder.path().join(&name)).map_err(io_error(&hidden))?;
            }
        }
        Ok(folder)
    }

    /// Architecture, pooling, tokeniser, lower-casing and provenance.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The words, one for each row of the embedding.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The encoder's tensors.
    pub fn weights(&self) -> &EncoderState {
        &self.weights
    }

    /// The parts.
    pub fn into_parts(self) -> (ModelConfig, Vocabulary, EncoderState) {
        (self.config, self.vocabulary, self.weights)
    }
}

/// Saves ranges in the configuration of the model folder at `folder`, replacing those of the same
/// pooling.
pub(crate) fn save_ranges(folder: &Path, ranges: &Ranges) -> Result<(), ModelFolderError> {
    let path = folder.join(CONFIG_FILE);
    let mut config = read_config(&path)?;
    if let Err(found) = ranges.check(config.architecture.hidden_size) {
        return Err(ModelFolderError::Value {
            field: "ranges",
            found,
            expected: "a finite number for each dimension of the vectors",
        });
    }
    let other = |kept: &Ranges| kept.pooling() != ranges.pooling();
    config.ranges.retain(other);
    config.ranges.push(ranges.clone());
    let json = config.to_json();
    let bytes = json.len() as u64;
    if bytes > MAX_CONFIG_BYTES {
        return Err(ModelFolderError::LongConfig { path, bytes });
    }
    scratch::write_file(&path, |file| file.write_all(json.as_bytes())).map_err(io_error(&path))
}

fn read_config(path: &Path) -> Result<ModelConfig, ModelFolderError> {
    let bytes = fs::metadata(path).map_err(io_error(path))?.len();
    if bytes > MAX_CONFIG_BYTES {
        let path = path.to_owned();
        return Err(ModelFolderError::LongConfig { path, bytes });
    }
    let json = text::bytes(path, MAX_CONFIG_BYTES).map_err(io_error(path))?;
    ModelConfig::from_json(text::bytes_without_mark(&json), path)
}

/// The hidden files of a folder, such as `.DS_Store` and `.gitattributes`, which the system and
/// version control put there.
fn hidden_files(path: &Path) -> io::Result<Vec<OsString>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if files::is_hidden(&entry.file_name().to_string_lossy()) && entry.file_type()?.is_file() {
            found.push(entry.file_name());
        }
    }
    Ok(found)
}

/// Checks that `path` does not exist, or is an empty folder or a model folder without foreign
/// files; hidden files are allowed.
fn check_replaceable(path: &Path) -> Result<(), ModelFolderError> {
    let not_a_model = |problem: String| ModelFolderError::NotAModelFolder {
        path: path.to_owned(),
        problem: format!("{problem}; it is not overwritten"),
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(path)(error)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(not_a_model("it is not a folder".to_owned()));
        }
        Ok(_) => {}
    }
    let ours = [
        CONFIG_FILE,
        WEIGHTS_FILE,
        VOCABULARY_FILE,
        CARD_FILE,
        MAP_FILE,
        MODULES_FILE,
        PYTHON_FILE,
    ];
    let hidden = hidden_files(path).map_err(io_error(path))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error(path))? {
        let entry = entry.map_err(io_error(path))?;
        if hidden.contains(&entry.file_name()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if !ours.contains(&name.as_str()) {
            return Err(not_a_model(format!("it holds `{name}`")));
        }
        names.push(name);
    }
    if !names.is_empty() && !names.iter().any(|name| name == CONFIG_FILE) {
        return Err(not_a_model(format!("it has no {CONFIG_FILE}")));
    }
    Ok(())
}
