//! The classes `_gensen.Encoder` and `_gensen.Map`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gensen_encode::model_folder::{MAP_FILE, convert};
use gensen_encode::{
    ConcatEncoder, EncodeError, EncoderPrecision, SentenceEncoder, VectorConverter, Vectors, hub,
};
use gensen_expand::{
    LinearMap, ReadOptions, VectorsError, VocabularyMap, WordSelection, WordVectors,
};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3};
use pyo3::exceptions::{PyNotImplementedError, PyValueError};
use pyo3::prelude::*;

use crate::chunks::EncodingWork;
use crate::errors::{Failure, exception};
use crate::job::{self, JobState};
use crate::reading::{OutputOptions, ReadingOptions, texts};

/// The name of the built-in model.
const ENGLISH: &str = "english";

/// A model, or several whose vectors are concatenated.
#[pyclass(name = "Encoder", frozen, module = "gensen._gensen")]
pub(crate) struct NativeEncoder(Arc<ConcatEncoder>);

/// A linear map from word vectors to a model's word embeddings.
#[pyclass(frozen, module = "gensen._gensen")]
pub(crate) struct Map(LinearMap);

#[pymethods]
impl NativeEncoder {
    /// Loads models by name: "english", a folder, or a model on the hub.
    #[staticmethod]
    fn open(py: Python<'_>, places: Vec<String>, precision: &str) -> PyResult<Self> {
        let precision: EncoderPrecision = precision.parse().map_err(|error| exception(&error))?;
        let open = move |_: &JobState| -> Result<ConcatEncoder, Failure> {
            let models = places.iter().map(|place| open(place, precision));
            Ok(ConcatEncoder::new(models.collect::<Result<_, _>>()?)?)
        };
        Ok(Self(Arc::new(job::run(py, None, open)??)))
    }

    /// Reads the reference implementation's files.
    #[staticmethod]
    fn convert(py: Python<'_>, weights: PathBuf, vocabulary: PathBuf) -> PyResult<Self> {
        let open = move |_: &JobState| -> Result<ConcatEncoder, Failure> {
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

    /// The words of a single model in id order: of its current vocabulary, or (`own`) of the one it was loaded with.
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
        options: ReadingOptions,
        output: OutputOptions,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let work = EncodingWork::new(&self.0, sentences, &options, false)?;
        let converter = self.converter(&output, &work)?;
        let encode = move |shared: &JobState| -> Result<Vectors, Failure> {
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
        options: ReadingOptions,
    ) -> PyResult<(Bound<'py, PyArray3<f32>>, Bound<'py, PyArray2<f32>>)> {
        let work = EncodingWork::new(&self.0, sentences, &options, true)?;
        let padded = move |_: &JobState| -> Result<_, Failure> {
            Ok(work
                .encoder
                .encode_with_states(&work.sentences, &work.options)?)
        };
        let (states, vectors) = job::run(py, None, padded)??;
        Ok((states.into_pyarray(py), vectors.into_pyarray(py)))
    }

    /// The hidden states of all words `[words, width]`, the sentences' lengths in words `[sentences]`, and vectors
    /// `[sentences, columns]`.
    #[expect(clippy::type_complexity, reason = "three arrays")]
    fn encode_ragged<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        options: ReadingOptions,
        output: OutputOptions,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(
        Bound<'py, PyArray2<f32>>,
        Bound<'py, PyArray1<i64>>,
        Bound<'py, PyAny>,
    )> {
        let work = EncodingWork::new(&self.0, sentences, &options, true)?;
        let converter = self.converter(&output, &work)?;
        let encode = move |shared: &JobState| -> Result<_, Failure> {
            let encoded = work.run(shared)?;
            let lengths = encoded.lengths.iter().map(|&length| length as i64);
            let lengths: Vec<i64> = lengths.collect();
            #[allow(clippy::expect_used, reason = "`EncodingWork::new` requested states")]
            let states = encoded
                .states
                .expect("the encoder returns requested states");
            Ok((states, lengths, converter.convert(encoded.vectors)?))
        };
        let (states, lengths, vectors) = job::run(py, progress, encode)??;
        Ok((
            states.into_pyarray(py),
            lengths.into_pyarray(py),
            as_array(py, vectors)?,
        ))
    }

    /// Each sentence's words, by a single model's tokeniser, and their ids.
    fn tokenize(
        &self,
        sentences: &Bound<'_, PyAny>,
        options: ReadingOptions,
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

    /// Fits the linear map from a file of word vectors to a single model's embeddings, on the words that both have.
    fn fit_map(&self, py: Python<'_>, vectors: PathBuf) -> PyResult<Map> {
        let encoder = self.only("fit_map")?.clone();
        let fit = move |_: &JobState| -> Result<LinearMap, Failure> {
            let vectors = read_vectors(&encoder, &vectors, &[])?;
            Ok(VocabularyMap::fit(&encoder, &vectors)?.linear().clone())
        };
        Ok(Map(job::run(py, None, fit)??))
    }

    /// A single model with its vocabulary replaced by `words`, and a report on the sources of their embeddings.
    fn expand(
        &self,
        py: Python<'_>,
        map: &Map,
        vectors: PathBuf,
        words: Vec<String>,
    ) -> PyResult<(Self, String)> {
        let encoder = self.only("expand")?.clone();
        let map = map.0.clone();
        let expand = move |_: &JobState| -> Result<(ConcatEncoder, String), Failure> {
            let vectors = read_vectors(&encoder, &vectors, &words)?;
            let map = VocabularyMap::new(map, &vectors)?;
            let (encoder, report) = map.expand_with_report(&encoder, &words)?;
            Ok((ConcatEncoder::new(vec![encoder])?, report.to_string()))
        };
        let (encoder, report) = job::run(py, None, expand)??;
        Ok((Self(Arc::new(encoder)), report))
    }

    /// Writes a single model's folder, and the linear map if given.
    #[pyo3(signature = (path, map=None))]
    fn save(&self, py: Python<'_>, path: PathBuf, map: Option<&Map>) -> PyResult<()> {
        let encoder = self.only("save")?.clone();
        let map = map.map(|map| map.0.clone());
        let save = move |_: &JobState| -> Result<(), Failure> {
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

    /// The quality of the fit, in a sentence.
    #[getter]
    fn report(&self) -> String {
        self.0.report().to_string()
    }
}

impl NativeEncoder {
    pub(crate) fn shared(&self) -> &Arc<ConcatEncoder> {
        &self.0
    }

    /// The conversion of this work's vectors to the requested form.
    fn converter(&self, output: &OutputOptions, work: &EncodingWork) -> PyResult<VectorConverter> {
        output
            .vector_options()?
            .converter(self.0.encoders(), &work.options)
            .map_err(|error| exception(&error))
    }

    /// The single encoder; `method` is named in the error if there are several.
    fn only(&self, method: &str) -> PyResult<&SentenceEncoder> {
        match self.0.encoders() {
            [encoder] => Ok(encoder),
            several => Err(PyValueError::new_err(format!(
                "{method} needs a single model, these are {} models",
                several.len()
            ))),
        }
    }
}

/// Vectors as a numpy array of their type.
fn as_array(py: Python<'_>, vectors: Vectors) -> PyResult<Bound<'_, PyAny>> {
    Ok(match vectors {
        Vectors::F32(vectors) => vectors.into_pyarray(py).into_any(),
        Vectors::I8(vectors) => vectors.into_pyarray(py).into_any(),
        Vectors::U8(vectors) => vectors.into_pyarray(py).into_any(),
        other => {
            let problem = format!("unsupported vector type: {other:?}");
            return Err(PyNotImplementedError::new_err(problem));
        }
    })
}

/// Loads a model by name.
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

/// Whether a name has the form OWNER/NAME or OWNER/NAME@REVISION.
fn is_hub_name(place: &str) -> bool {
    let plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(known)
    };
    place
        .split_once('/')
        .is_some_and(|(owner, name)| plain(owner) && plain(name))
}

/// Reads the vectors of the model's own words and of `words`.
fn read_vectors(
    encoder: &SentenceEncoder,
    path: &Path,
    words: &[String],
) -> Result<WordVectors, VectorsError> {
    let own = encoder.own_vocabulary().words();
    let wanted = WordSelection::of(own.chain(words.iter().map(String::as_str)));
    WordVectors::read(path, &wanted, &ReadOptions::default())
}
