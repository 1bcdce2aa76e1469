//! Word vectors trained elsewhere as the first values of the source words' embeddings.

use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use gensen_data::vocabulary::Vocabulary;
use gensen_expand::{ReadOptions, WordSelection, WordVectors};
use gensen_model::MultitaskModel;

use crate::config::Config;
use crate::error::TrainError;

/// Words read beyond those that a vocabulary needs, for some cannot be in one.
const SPARE: usize = 1024;

fn path(config: &Config) -> Option<PathBuf> {
    let path = config.vocabulary.word_vectors.as_ref()?;
    Some(config.run.data.join(path))
}

/// The words that fill the source vocabulary up where the corpora have too few
/// ([`DataOptions::further_words`]), in the order of the file; none without `vocabulary.word_vectors`,
/// and none with `run.start_from`, whose new words are those of the corpora.
///
/// # Errors
///
/// A file that cannot be read, or whose vectors have another width than `model.embedding_size`.
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

/// Puts the vectors of the words that have one in the place of their embeddings, all times one number,
/// so that the standard deviation of what is put is `vocabulary.word_vectors_deviation`; the other
/// words keep their own. The model as it is without `vocabulary.word_vectors`.
///
/// # Errors
///
/// As [`further_words`]; no word with a vector, or vectors without variation.
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
                "{} of the vocabulary's words have a vector in it, and their deviation is \
                 {deviation}; expected words of the corpora with vectors that differ",
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
        "{} of {} source words begin with a word vector, times {factor:.4}",
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
    TrainError::Config {
        origin: format!("vocabulary.word_vectors, {}", path.display()),
        problem,
    }
}
