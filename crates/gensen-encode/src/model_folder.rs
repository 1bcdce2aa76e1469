//! The model folder: what a trained encoder is on disk.
//!
//! | file | holds |
//! | --- | --- |
//! | `config.json` | [`ModelConfig`]: architecture, pooling, tokeniser, lower-casing, provenance, and the ranges of its vectors if they were found ([`Ranges`]) |
//! | `model.safetensors` | the encoder's tensors under PyTorch's names, as f32 or f16; or, with precision i8, the word embeddings and the GRU's matrices as integers with a scale a row ([`crate::weights::safetensors`]) and the biases as f32 |
//! | `vocab.txt` | the words in id order, one a line |
//! | `README.md` | the model card, for people |
//! | `map.safetensors` | of an expanded model: the map from word vectors to its embeddings |
//! | `modules.json`, `modeling_gensen.py` | where asked for: what sentence-transformers needs to open the folder |
//!
//! [`ModelFolder::open`] checks all of it and maps the weights; [`ModelFolder::from_bytes`] takes
//! files that are in memory; [`ModelFolder::write`] leaves a whole folder or none. [`convert`] makes one out of the reference implementation's files.

mod card;
mod config;
mod convert;
mod metadata;
mod python;
mod untrained;

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gensen_data::error::DataError;
use gensen_data::files;
use gensen_data::scratch::{self, Scratch};
use gensen_data::text;
use gensen_data::tokenizer::TokenizerError;
use gensen_data::vocabulary::Vocabulary;

use crate::Ranges;
use crate::weights::{EncoderState, StoredPrecision, TensorMap, WeightsError, safetensors};

pub use config::{Architecture, FORMAT_VERSION, ModelConfig, Provenance, Score, Source};
pub use convert::{Conversion, convert};
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

/// The largest `config.json` that is read, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 8 << 20;

/// Why a model folder is not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFolderError {
    /// The operating system's word on a file or folder.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The folder is no model folder.
    #[error("{} is not a model folder: {problem}", path.display())]
    NotAModelFolder {
        /// The folder.
        path: PathBuf,
        /// What is missing or in the way.
        problem: String,
    },
    /// The configuration was written by a later version of this program.
    #[error(
        "{} has format version {found}, expected at most {FORMAT_VERSION}: it was written by a newer release",
        path.display()
    )]
    NewerFormat {
        /// The configuration file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The configuration is malformed.
    #[error("{}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// The configuration is too long to be one.
    #[error("{}: {bytes} bytes, expected at most {MAX_CONFIG_BYTES}", path.display())]
    LongConfig {
        /// The configuration file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The configuration says something else than the weights.
    #[error("the configuration's `{field}` is {configured}, but the weights have {found}")]
    Architecture {
        /// The field.
        field: &'static str,
        /// What the configuration says.
        configured: String,
        /// What the tensors' shapes tell.
        found: String,
    },
    /// A value of the configuration that makes no sense.
    #[error("the configuration's `{field}` is {found}, expected {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
    /// The configuration asks for a tokeniser that does not exist.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The vocabulary has more or fewer words than the embedding has rows.
    #[error("the vocabulary has {words} words, but `src_embedding.weight` has {rows} rows")]
    VocabularySize {
        /// Words.
        words: usize,
        /// Rows.
        rows: usize,
    },
    /// The weights cannot be read or written, or are no encoder's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The vocabulary cannot be read.
    #[error(transparent)]
    Vocabulary(#[from] DataError),
}

/// An encoder with its vocabulary and what is to be known about it: the contents of a model folder.
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
    /// Puts a model together.
    ///
    /// # Errors
    ///
    /// Parts that disagree about a size, and values of the configuration that make no sense.
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

    /// Opens the model folder at `path`. Its weights are mapped, not read into memory; every value
    /// is checked to be finite.
    ///
    /// # Errors
    ///
    /// A folder that lacks a file, a configuration from a newer release or with unknown fields, a
    /// vocabulary with duplicate or blank lines or of another size than the embedding, weights
    /// that are damaged, of the wrong shape or not finite.
    pub fn open(path: &Path) -> Result<Self, ModelFolderError> {
        Self::open_with(path, EncoderState::new)
    }

    /// As [`ModelFolder::open`], but faster and without most of the memory: the word embeddings
    /// stay on the disk until [`EncoderState::embedding_row`] asks for one, which checks it.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::open`].
    pub fn open_lazily(path: &Path) -> Result<Self, ModelFolderError> {
        Self::open_with(path, EncoderState::with_unread_embedding)
    }

    /// The model whose files hold these bytes. The weights stay where they are, and nothing is
    /// written; errors name the files of a folder.
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

    /// Writes the model folder at `path`, whole or not at all, with weights of this precision. A
    /// model folder that is there is replaced; anything else that is there is left alone.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written, a `path` at which there is something that is no model
    /// folder or holds more than one, values that f16 cannot hold or that have no
    /// 8-bit integers because they are not finite.
    pub fn write(&self, path: &Path, precision: StoredPrecision) -> Result<(), ModelFolderError> {
        self.write_with(path, precision, |_| Ok::<_, ModelFolderError>(()))
    }

    /// As [`ModelFolder::write`], with what `add` puts into the folder before it gets its name.
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

    /// Writes all files into a folder that has no name yet.
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
            // They are not ours to lose.
            for hidden in hidden_files(path).map_err(io_error(path))? {
                let name = hidden.file_name().unwrap_or_default();
                fs::copy(&hidden, folder.path().join(name)).map_err(io_error(&hidden))?;
            }
        }
        Ok(folder)
    }

    /// Architecture, pooling, tokeniser, lower-casing and provenance.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The words, as many as the embedding has rows.
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

/// Puts ranges into the configuration of the model folder at `folder`, in place of those of the same
/// pooling.
pub(crate) fn save_ranges(folder: &Path, ranges: &Ranges) -> Result<(), ModelFolderError> {
    let path = folder.join(CONFIG_FILE);
    let mut config = read_config(&path)?;
    if let Err(found) = ranges.check(config.architecture.hidden_size) {
        return Err(ModelFolderError::Value {
            field: "ranges",
            found,
            expected: "as many finite numbers as a vector has",
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
    let json = fs::read(path).map_err(io_error(path))?;
    text::no_pointer(&json).map_err(io_error(path))?;
    ModelConfig::from_json(text::bytes_without_mark(&json), path)
}

/// The hidden files of a folder, such as `.DS_Store` and `.gitattributes`: what systems and version
/// control keep there for themselves.
fn hidden_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if files::is_hidden(&entry.file_name().to_string_lossy()) && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether `path` is free, an empty folder, or a model folder and nothing more but hidden files.
fn check_replaceable(path: &Path) -> Result<(), ModelFolderError> {
    let not_a_model = |problem: String| ModelFolderError::NotAModelFolder {
        path: path.to_owned(),
        problem: format!("{problem}, and is not overwritten"),
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(path)(error)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(not_a_model("it is no folder".to_owned()));
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
        if hidden.contains(&entry.path()) {
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

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ModelFolderError + '_ {
    move |source| ModelFolderError::Io {
        path: path.to_owned(),
        source,
    }
}
