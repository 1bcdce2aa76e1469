//! The Python class `_gensen.Encoder`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gensen_encode::model_folder::{MAP_FILE, ModelFolderError, convert};
use gensen_encode::{
    ConcatEncoder, EncodeError, EncodeOptions, Encoded, EncoderPrecision, SentenceEncoder,
    VectorConverter, Vectors, hub,
};
use gensen_expand::{
    ExpandError, LinearMap, MapError, ReadOptions, VectorsError, VocabularyMap, WordSelection,
    WordVectors,
};
use ndarray::{Array2, s};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3};
use pyo3::exceptions::{PyKeyboardInterrupt, PyNotImplementedError, PyValueError};
use pyo3::prelude::*;

use crate::errors::exception;
use crate::job::{self, Shared};
use crate::reading::{Options, Output, texts};

/// Batches encoded between two checks for interruption, the same as in a chunk of `gensen embed`.
const BATCHES: usize = 64;

/// The name of the built-in model.
const ENGLISH: &str = "english";

/// One model, or several whose vectors are concatenated.
#[pyclass(frozen, module = "gensen._gensen")]
pub(crate) struct Encoder(Arc<ConcatEncoder>);

/// A linear map from word vectors to a model's word embeddings.
#[pyclass(frozen, module = "gensen._gensen")]
pub(crate) struct Map(LinearMap);

/// Errors of work on the pool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The work was interrupted.
    #[error("interrupted")]
    Stopped,
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Expand(#[from] ExpandError),
    #[error(transparent)]
    Map(#[from] MapError),
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    #[error(transparent)]
    Model(#[from] ModelFolderError),
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stopped => PyKeyboardInterrupt::new_err(()),
            other => exception(&other),
        }
    }
}

#[pymethods]
impl Encoder {
    /// Opens models: "english", folders, or names on the hub.
    #[staticmethod]
    fn open(py: Python<'_>, places: Vec<String>, precision: &str) -> PyResult<Self> {
        let precision: EncoderPrecision = precision.parse().map_err(|error| exception(&error))?;
        let open = move |_: &Shared| -> Result<ConcatEncoder, Failure> {
            let models = places.iter().map(|place| open(place, precision));
            Ok(ConcatEncoder::new(models.collect::<Result<_, _>>()?)?)
        };
        Ok(Self(Arc::new(job::run(py, None, open)??)))
    }

    /// Reads the reference implementation's files.
    #[staticmethod]
    fn convert(py: Python<'_>, weights: PathBuf, vocabulary: PathBuf) -> PyResult<Self> {
        let open = move |_: &Shared| -> Result<ConcatEncoder, Failure> {
            let model = convert(&weights, &vocabulary)?.model;
            Ok(ConcatEncoder::new(vec![SentenceEncoder::new(model)])?)
        };
        Ok(Self(Arc::new(job::run(py, None, open)??)))
    }

    /// The length of a sentence's vector.
    #[getter]
    fn width(&self) -> usize {
        self.0.width()
    }

    /// The number of models.
    #[getter]
    fn models(&self) -> usize {
        self.0.encoders().len()
    }

    /// Each model's `config.json`.
    #[getter]
    fn configs(&self) -> Vec<String> {
        let encoders = self.0.encoders().iter();
        encoders
            .map(|encoder| encoder.model().config().to_json())
            .collect()
    }

    /// The words of the only model in the order of their ids, or those that it was opened with.
    fn words(&self, own: bool) -> PyResult<Vec<String>> {
        let encoder = self.only("words")?;
        let vocabulary = match own {
            true => encoder.own_vocabulary(),
            false => encoder.vocabulary(),
        };
        Ok(vocabulary.words().map(str::to_owned).collect())
    }

    /// The sentences' vectors, `[sentences, columns]`.
    fn encode<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        options: Options,
        output: Output,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let work = Work::new(self, sentences, &options, false)?;
        let converter = self.converter(&output, &work)?;
        let encode = move |shared: &Shared| -> Result<Vectors, Failure> {
            Ok(converter.convert(work.run(shared)?.vectors)?)
        };
        as_array(py, job::run(py, progress, encode)??)
    }

    /// Hidden states `[sentences, longest, width]`, zero padded, and vectors `[sentences, width]`.
    #[expect(clippy::type_complexity, reason = "a pair of arrays")]
    fn encode_with_states<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        options: Options,
    ) -> PyResult<(Bound<'py, PyArray3<f32>>, Bound<'py, PyArray2<f32>>)> {
        let work = Work::new(self, sentences, &options, true)?;
        let padded = move |_: &Shared| -> Result<_, Failure> {
            Ok(work
                .encoder
                .encode_with_states(&work.sentences, &work.options)?)
        };
        let (states, vectors) = job::run(py, None, padded)??;
        Ok((states.into_pyarray(py), vectors.into_pyarray(py)))
    }

    /// All words' hidden states `[words, width]`, the sentences' lengths `[sentences]` in words, and vectors
    /// `[sentences, columns]`.
    #[expect(clippy::type_complexity, reason = "three arrays")]
    fn encode_ragged<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        options: Options,
        output: Output,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(
        Bound<'py, PyArray2<f32>>,
        Bound<'py, PyArray1<i64>>,
        Bound<'py, PyAny>,
    )> {
        let work = Work::new(self, sentences, &options, true)?;
        let converter = self.converter(&output, &work)?;
        let encode = move |shared: &Shared| -> Result<_, Failure> {
            let encoded = work.run(shared)?;
            let lengths = encoded.lengths.iter().map(|&length| length as i64);
            let lengths: Vec<i64> = lengths.collect();
            #[allow(clippy::expect_used, reason = "`Work::new` asked for states")]
            let states = encoded
                .states
                .expect("an encoder gives the states asked for");
            Ok((states, lengths, converter.convert(encoded.vectors)?))
        };
        let (states, lengths, vectors) = job::run(py, progress, encode)??;
        Ok((
            states.into_pyarray(py),
            lengths.into_pyarray(py),
            as_array(py, vectors)?,
        ))
    }

    /// Each sentence's words as the only model splits it, and their ids.
    fn tokenize(
        &self,
        sentences: &Bound<'_, PyAny>,
        options: Options,
    ) -> PyResult<Vec<(Vec<String>, Vec<u32>)>> {
        let encoder = self.only("tokenize")?;
        let (sentences, options) = (texts(sentences)?, options.encode_options()?);
        let vocabulary = encoder.vocabulary();
        let mut all = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            let mut words = Vec::new();
            encoder
                .for_each_word(&[sentence], &options, |word| words.push(word.to_owned()))
                .map_err(|error| exception(&error))?;
            let ids = words.iter().map(|word| vocabulary.id_or_unknown(word));
            let ids = ids.collect();
            all.push((words, ids));
        }
        Ok(all)
    }

    /// Fits the map from the word vectors of a file to the only model's embeddings, on the shared words.
    fn fit_map(&self, py: Python<'_>, vectors: PathBuf) -> PyResult<Map> {
        let encoder = self.only("fit_map")?.clone();
        let fit = move |_: &Shared| -> Result<LinearMap, Failure> {
            let vectors = read_vectors(&encoder, &vectors, &[])?;
            Ok(VocabularyMap::fit(&encoder, &vectors)?.linear().clone())
        };
        Ok(Map(job::run(py, None, fit)??))
    }

    /// Expands the only model's vocabulary to these words; also returns the sources of their embeddings.
    fn expand(
        &self,
        py: Python<'_>,
        map: &Map,
        vectors: PathBuf,
        words: Vec<String>,
    ) -> PyResult<(Self, String)> {
        let encoder = self.only("expand")?.clone();
        let map = map.0.clone();
        let expand = move |_: &Shared| -> Result<(ConcatEncoder, String), Failure> {
            let vectors = read_vectors(&encoder, &vectors, &words)?;
            let map = VocabularyMap::new(map, &vectors)?;
            let (encoder, report) = map.expand_with_report(&encoder, &words)?;
            Ok((ConcatEncoder::new(vec![encoder])?, report.to_string()))
        };
        let (encoder, report) = job::run(py, None, expand)??;
        Ok((Self(Arc::new(encoder)), report))
    }

    /// Writes the only model's folder, with the map if it was expanded.
    #[pyo3(signature = (path, map=None))]
    fn save(&self, py: Python<'_>, path: PathBuf, map: Option<&Map>) -> PyResult<()> {
        let encoder = self.only("save")?.clone();
        let map = map.map(|map| map.0.clone());
        let save = move |_: &Shared| -> Result<(), Failure> {
            let model = encoder.model();
            model.write_with(&path, model.weights().precision(), |folder| match &map {
                Some(map) => Ok(map.save(&folder.join(MAP_FILE))?),
                None => Ok(()),
            })
        };
        Ok(job::run(py, None, save)??)
    }
}

#[pymethods]
impl Map {
    /// The map in a model folder, if there is one.
    #[staticmethod]
    fn of_folder(folder: PathBuf) -> PyResult<Option<Self>> {
        let path = folder.join(MAP_FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let map = LinearMap::load(&path).map_err(|error| exception(&error))?;
        Ok(Some(Self(map)))
    }

    /// The report on the fit.
    #[getter]
    fn report(&self) -> String {
        self.0.report().to_string()
    }
}

impl Encoder {
    pub(crate) fn shared(&self) -> &Arc<ConcatEncoder> {
        &self.0
    }

    /// The conversion of encoded vectors to the requested output.
    fn converter(&self, output: &Output, work: &Work) -> PyResult<VectorConverter> {
        output
            .vector_options()?
            .converter(self.0.encoders(), &work.options)
            .map_err(|error| exception(&error))
    }

    /// The only encoder; `what` is the property wanted, for the error if there are several.
    fn only(&self, what: &str) -> PyResult<&SentenceEncoder> {
        match self.0.encoders() {
            [encoder] => Ok(encoder),
            several => Err(PyValueError::new_err(format!(
                "{what}: {} concatenated models, expected one",
                several.len()
            ))),
        }
    }
}

/// Converts vectors to a NumPy array of their element type.
fn as_array(py: Python<'_>, vectors: Vectors) -> PyResult<Bound<'_, PyAny>> {
    Ok(match vectors {
        Vectors::F32(vectors) => vectors.into_pyarray(py).into_any(),
        Vectors::I8(vectors) => vectors.into_pyarray(py).into_any(),
        Vectors::U8(vectors) => vectors.into_pyarray(py).into_any(),
        other => {
            let problem = format!("unsupported precision of vectors: {other:?}");
            return Err(PyNotImplementedError::new_err(problem));
        }
    })
}

/// Opens the model at this path or of this name.
fn open(place: &str, precision: EncoderPrecision) -> Result<SentenceEncoder, EncodeError> {
    if place == ENGLISH {
        return SentenceEncoder::new_with(gensen_english::model()?, precision);
    }
    let path = Path::new(place);
    let of_hub = place.starts_with(hub::SCHEME) || (!path.exists() && is_hub_name(place));
    let folder = match of_hub {
        true => hub::fetch(place)?,
        false => path.to_owned(),
    };
    SentenceEncoder::load_with(folder, precision)
}

/// Whether this could be OWNER/NAME or OWNER/NAME@REVISION.
fn is_hub_name(place: &str) -> bool {
    let plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(known)
    };
    place
        .split_once('/')
        .is_some_and(|(owner, name)| plain(owner) && plain(name))
}

/// The vectors of the model's own words and of `words`.
fn read_vectors(
    encoder: &SentenceEncoder,
    path: &Path,
    words: &[String],
) -> Result<WordVectors, VectorsError> {
    let own = encoder.own_vocabulary().words();
    let wanted = WordSelection::of(own.chain(words.iter().map(String::as_str)));
    WordVectors::read(path, &wanted, &ReadOptions::default())
}

/// Sentences to encode.
pub(crate) struct Work {
    encoder: Arc<ConcatEncoder>,
    sentences: Vec<String>,
    options: EncodeOptions,
    batch_size: usize,
    states: bool,
}

impl Work {
    fn new(
        encoder: &Encoder,
        sentences: &Bound<'_, PyAny>,
        options: &Options,
        states: bool,
    ) -> PyResult<Self> {
        Ok(Self {
            encoder: Arc::clone(&encoder.0),
            sentences: texts(sentences)?,
            options: options.encode_options()?,
            batch_size: options.batch_size,
            states,
        })
    }

    /// Encodes the sentences in pieces, until all are done or the work is interrupted.
    fn run(&self, shared: &Shared) -> Result<Encoded, Failure> {
        let piece = self.batch_size.saturating_mul(BATCHES);
        let mut pieces = Vec::new();
        let mut done: usize = 0;
        // An empty list is one empty piece.
        loop {
            if shared.is_stopped() {
                return Err(Failure::Stopped);
            }
            let end = done.saturating_add(piece).min(self.sentences.len());
            let mut progress = |more| shared.set_done(done + more);
            let encoded = self
                .encoder
                .encode_ragged(
                    &self.sentences[done..end],
                    &self.options,
                    self.states,
                    &mut progress,
                )
                .map_err(|error| later(error, done))?;
            pieces.push(encoded);
            done = end;
            if done == self.sentences.len() {
                return Ok(joined(pieces));
            }
        }
    }
}

/// Shifts the sentence index of a piece's error by the number of sentences `before` it.
fn later(error: EncodeError, before: usize) -> EncodeError {
    match error {
        EncodeError::EmptySentence { index } => EncodeError::EmptySentence {
            index: before + index,
        },
        EncodeError::LongSentence { index, words, most } => EncodeError::LongSentence {
            index: before + index,
            words,
            most,
        },
        EncodeError::UnequalLengths {
            index,
            first,
            other,
        } => EncodeError::UnequalLengths {
            index: before + index,
            first,
            other,
        },
        other => other,
    }
}

/// Concatenates the pieces, of which there is at least one.
fn joined(mut pieces: Vec<Encoded>) -> Encoded {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    let mut lengths = Vec::new();
    let mut coverage = gensen_encode::Coverage::default();
    for piece in &pieces {
        lengths.extend(&piece.lengths);
        coverage += piece.coverage;
    }
    let vectors: Vec<&Array2<f32>> = pieces.iter().map(|piece| &piece.vectors).collect();
    let states: Option<Vec<&Array2<f32>>> =
        pieces.iter().map(|piece| piece.states.as_ref()).collect();
    Encoded {
        vectors: stacked(&vectors),
        states: states.map(|states| stacked(&states)),
        lengths,
        coverage,
    }
}

/// Stacks arrays of equal width vertically.
fn stacked(pieces: &[&Array2<f32>]) -> Array2<f32> {
    let rows = pieces.iter().map(|piece| piece.nrows()).sum();
    let mut all = Array2::zeros((rows, pieces.first().map_or(0, |piece| piece.ncols())));
    let mut start = 0;
    for piece in pieces {
        let end = start + piece.nrows();
        all.slice_mut(s![start..end, ..]).assign(piece);
        start = end;
    }
    all
}
