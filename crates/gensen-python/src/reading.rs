//! Sentences and options from Python.

use gensen_encode::{EncodeOptions, Pooling, VectorOptions, VectorPrecision};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::exception;

/// How sentences are tokenised and pooled; `None` selects the model's own setting.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ReadingOptions {
    pooling: Option<String>,
    tokenizer: Option<String>,
    language: String,
    lowercase: Option<bool>,
    unknown_words: Option<String>,
    start_end: bool,
    pub(crate) batch_size: usize,
}

impl ReadingOptions {
    pub(crate) fn encode_options(&self) -> PyResult<EncodeOptions> {
        if self.batch_size == 0 {
            return Err(PyValueError::new_err(
                "batch_size is 0, expected at least 1",
            ));
        }
        let mut options = EncodeOptions::default()
            .language(&self.language)
            .start_end(self.start_end)
            .batch_size(self.batch_size);
        if let Some(name) = &self.pooling {
            options = options.pooling(pooling(name)?);
        }
        if let Some(name) = &self.tokenizer {
            options = options.tokenizer(name);
        }
        if let Some(lowercase) = self.lowercase {
            options = options.lowercase(lowercase);
        }
        if let Some(name) = &self.unknown_words {
            options = options.unknown_words(name.parse().map_err(|error| exception(&error))?);
        }
        Ok(options)
    }
}

/// The form of the vectors.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct OutputOptions {
    precision: String,
    normalize: bool,
    dimensions: Option<usize>,
}

impl OutputOptions {
    pub(crate) fn vector_options(&self) -> PyResult<VectorOptions> {
        let precision: VectorPrecision =
            self.precision.parse().map_err(|error| exception(&error))?;
        let options = VectorOptions::default()
            .precision(precision)
            .normalize(self.normalize);
        Ok(match self.dimensions {
            Some(dimensions) => options.dimensions(dimensions),
            None => options,
        })
    }
}

/// A pooling by name.
pub(crate) fn pooling(name: &str) -> PyResult<Pooling> {
    const ALL: [Pooling; 4] = [
        Pooling::Last,
        Pooling::Max,
        Pooling::Mean,
        Pooling::MaxPadded,
    ];
    ALL.into_iter()
        .find(|pooling| pooling.to_string() == name)
        .ok_or_else(|| {
            let names = ALL.map(|pooling| pooling.to_string()).join(", ");
            PyValueError::new_err(format!("pooling {name:?}, expected one of {names}"))
        })
}

/// The strings in an iterable of `str`.
pub(crate) fn texts(sentences: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let mut texts = Vec::with_capacity(sentences.len().unwrap_or(0));
    for (index, sentence) in sentences.try_iter()?.enumerate() {
        let sentence = sentence?;
        let Ok(text) = sentence.cast::<PyString>() else {
            let found = sentence.get_type();
            return Err(PyTypeError::new_err(format!(
                "sentence {index} (counted from 0) is of type {}, expected str",
                found.name()?
            )));
        };
        match text.extract::<String>() {
            Ok(text) => texts.push(text),
            Err(error) => {
                return Err(PyValueError::new_err(format!(
                    "sentence {index} (counted from 0) is not Unicode text: {error}"
                )));
            }
        }
    }
    Ok(texts)
}
