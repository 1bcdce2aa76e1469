//! Pretrained word vectors as initial source embeddings.

use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use gensen_data::vocabulary::Vocabulary;
use gensen_expand::{ReadOptions, WordSelection, WordVectors};
use gensen_model::MultitaskModel;

use crate::config::Config;
use crate::error::TrainError;

/// Extra words to read, because some cannot be in a vocabulary.
const SPARE: usize = 1024;

fn path(config: &Config) -> Option<PathBuf> {
    let path = config.vocabulary.word_vectors.as_ref()?;
    Some(config.run.data.join(path))
}

/// Words of the file, in its order, that fill the source vocabulary up where the corpora have too
/// few ([`DataOptions::further_words`]). Empty without `vocabulary.word_vectors`, and with
/// `run.start_from`, where only words of the corpora are added.
///
/// # Errors
///
/// A file that cannot be read, or whose vectors are not `model.embedding_size` wide.
///
/// [`DataOptions::further_words`]: gensen_data::prepare::DataOptions::further_words
pub fn further_words(config: &Config) -> Result<Vec<String>, TrainError> {
    if config.run.start_from.is_some() {
        return Ok(Vec::new());
    }
    let vocabulary = &config.vocabulary;
    let count = vocabulary.source_words.saturating_add(SPARE);
    let selection = WordSelection::first(count, vocabulary.lowercase);
    let Some((_, vectors)) = read(config, &selection)? else {
        return Ok(Vec::new());
    };
    let special = |word: &str| Vocabulary::SPECIAL.contains(&word);
    let fits = |word: &&String| !word.contains(char::is_whitespace) && !special(word);
    Ok(vectors.words().iter().filter(fits).cloned().collect())
}

/// Replaces the embeddings of words that have a word vector, scaled by one factor so that their
/// standard deviation is `vocabulary.word_vectors_deviation`. Other words keep their embeddings.
/// Without `vocabulary.word_vectors`, returns the model unchanged.
///
/// # Errors
///
/// As [`further_words`]; no word with a vector, or vectors that are all equal.
pub fn put(
    config: &Config,
    vocabulary: &Vocabulary,
    mut model: MultitaskModel,
) -> Result<MultitaskModel, TrainError> {
    let selection = WordSelection::of(vocabulary.words().skip(Vocabulary::SPECIAL.len()));
    let Some((path, vectors)) = read(config, &selection)? else {
        return Ok(model);
    };
    let matrix = vectors.matrix();
    let count = matrix.len() as f64;
    let mean = matrix.iter().copied().map(f64::from).sum::<f64>() / count;
    let squares = matrix.iter().map(|&x| (f64::from(x) - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    if !(deviation.is_finite() && deviation > 0.0) {
        return Err(fault(
            &path,
            format!(
                "it has vectors of {} words of the vocabulary, with standard deviation \
                 {deviation}; expected vectors of the corpora's words that differ",
                vectors.len()
            ),
        ));
    }
    let factor = config.vocabulary.word_vectors_deviation / deviation;
    let embedding = model.encoder.embedding.val();
    let (device, width) = (embedding.device(), config.model.embedding_size);
    let shape = embedding.dims();
    let mut numbers: Vec<f32> = embedding.into_data().iter().collect();
    for (word, row) in vocabulary.words().zip(numbers.chunks_exact_mut(width)) {
        if let Some(vector) = vectors.get(word) {
            for (number, &x) in row.iter_mut().zip(vector) {
                *number = (f64::from(x) * factor) as f32;
            }
        }
    }
    let embedding = Tensor::from_data(TensorData::new(numbers, shape), &device);
    model.encoder.embedding = Param::from_tensor(embedding);
    tracing::info!(
        "{} of {} source words start with a word vector, scaled by {factor:.4}",
        vectors.len(),
        vocabulary.len()
    );
    Ok(model)
}

fn read(
    config: &Config,
    selection: &WordSelection,
) -> Result<Option<(PathBuf, WordVectors)>, TrainError> {
    let Some(path) = path(config) else {
        return Ok(None);
    };
    let vectors = WordVectors::read(&path, selection, &ReadOptions::default())?;
    let (found, expected) = (vectors.dimensions(), config.model.embedding_size);
    if found != expected {
        return Err(fault(
            &path,
            format!("its vectors have {found} numbers, and model.embedding_size = {expected}"),
        ));
    }
    Ok(Some((path, vectors)))
}

fn fault(path: &Path, problem: String) -> TrainError {
    let origin = format!("vocabulary.word_vectors, {}", path.display());
    TrainError::config(origin, problem)
}
