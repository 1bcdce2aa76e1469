//! Conversion of the reference implementation's models.

use std::path::Path;

use gensen_data::error::DataError;
use gensen_data::text;
use gensen_data::vocabulary::Vocabulary;

use super::{ModelConfig, ModelFolder, ModelFolderError, Provenance, io_error};
use crate::weights::map::map_file;
use crate::weights::pickle;
use crate::weights::torch::TorchFile;
use crate::weights::{WeightsError, vocabulary_pickle};

/// The result of a conversion.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The model.
    pub model: ModelFolder,
    /// The names of tensors outside of the encoder, which are dropped: decoders and inference head,
    /// if the file is a training checkpoint.
    pub left_out: Vec<String>,
}

/// Converts a model of the reference implementation. `weights` is a PyTorch file with an encoder or
/// a whole training checkpoint, `vocabulary` its pickled vocabulary.
///
/// ```no_run
/// use std::path::Path;
/// use gensen_encode::model_folder::convert;
/// use gensen_encode::weights::StoredPrecision;
///
/// let conversion = convert(Path::new("nli_large.model"), Path::new("nli_large_vocab.pkl"))?;
/// conversion.model.write(Path::new("models/nli_large"), StoredPrecision::F32)?;
/// # Ok::<(), gensen_encode::model_folder::ModelFolderError>(())
/// ```
///
/// # Errors
///
/// Files that cannot be read or have other contents, and a vocabulary of another size than the
/// embedding.
pub fn convert(weights: &Path, vocabulary: &Path) -> Result<Conversion, ModelFolderError> {
    let map = map_file(weights)?;
    let (state, left_out) = TorchFile::read(&map)
        .and_then(|file| file.encoder())
        .map_err(|error| error.in_file(weights))?;
    let words = read_words(vocabulary)?;
    let file_name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let provenance = Provenance {
        name: weights
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        description: format!(
            "Converted from the PyTorch file `{}` and the vocabulary `{}`.",
            file_name(weights),
            file_name(vocabulary)
        ),
        ..Provenance::default()
    };
    let config = ModelConfig::new(&state, provenance);
    // `Vocabulary` counts lines from 1; a pickle has no lines, so the message counts words.
    let vocabulary = Vocabulary::from_words(words).map_err(|error| match error {
        DataError::Vocabulary { line, problem, .. } => {
            let problem = format!("word {} (counted from 0): {problem}", line - 1);
            WeightsError::Vocabulary(problem).in_file(vocabulary).into()
        }
        other => ModelFolderError::from(other),
    })?;
    let model = ModelFolder::new(config, vocabulary, state)?;
    Ok(Conversion { model, left_out })
}

fn read_words(path: &Path) -> Result<Vec<String>, ModelFolderError> {
    let bytes = text::bytes(path, pickle::MAX_BYTES as u64).map_err(io_error(path))?;
    Ok(vocabulary_pickle::read(&bytes).map_err(|error| error.in_file(path))?)
}
