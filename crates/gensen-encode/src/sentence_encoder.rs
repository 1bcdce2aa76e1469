//! A model with its vocabulary: text to windows of words, states to vectors.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use gensen_data::vocabulary::Vocabulary;
use ndarray::{Array2, Array3, ArrayView2, CowArray, Ix2, s};

use crate::cpu::CpuEngine;
use crate::engine::{DistinctWords, Engine};
use crate::model_folder::{Architecture, ModelFolder};
use crate::output::Output;
use crate::spelling::{Speller, Spelling};
use crate::weights::{EMBEDDING, Tensor, WeightsError};
use crate::window::{Reader, Splitter};
use crate::{Coverage, EncodeError, EncodeOptions, EncoderPrecision, UnknownWords};

/// What [`SentenceEncoder::encode_ragged`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// The sentences' vectors, `[sentences, width]`.
    pub vectors: Array2<f32>,
    /// The sentences' lengths in words, `<s>` and `</s>` included.
    pub lengths: Vec<usize>,
    /// How many of their words the encoder knew.
    pub coverage: Coverage,
    /// Where asked for, the hidden states of all sentences' words, one sentence after the other,
    /// `[words, width]`: forward, then backward.
    pub states: Option<Array2<f32>>,
}

/// An encoder with its vocabulary, ready to encode text.
///
/// ```no_run
/// use gensen_encode::{EncodeOptions, Pooling, SentenceEncoder};
///
/// let encoder = SentenceEncoder::load("models/nli_large_bothskip")?;
/// let options = EncodeOptions::default().pooling(Pooling::Last).batch_size(32);
/// let vectors = encoder.encode(&["hello world .", "this is a sentence ."], &options)?;
/// assert_eq!(vectors.dim(), (2, encoder.width()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SentenceEncoder {
    model: ModelFolder,
    engine: Arc<dyn Engine>,
    /// Made when the first unknown word is to be read by its spelling.
    spelling: Arc<OnceLock<Spelling>>,
    /// The words and embeddings it was loaded with, if it has others now.
    own: Option<Arc<(Vocabulary, Tensor)>>,
}

impl SentenceEncoder {
    /// Opens the model folder at `path`, to compute on the CPU. The word embeddings stay mapped from
    /// the file, and a word's is checked when it is first used.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::open`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EncodeError> {
        Ok(Self::new(ModelFolder::open_lazily(path.as_ref())?))
    }

    /// As [`SentenceEncoder::load`], with weights of this precision.
    ///
    /// ```no_run
    /// use gensen_encode::{EncoderPrecision, SentenceEncoder};
    ///
    /// let encoder = SentenceEncoder::load_with("models/nli_large", EncoderPrecision::I8)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::open`] and [`SentenceEncoder::new_with`].
    pub fn load_with(
        path: impl AsRef<Path>,
        precision: EncoderPrecision,
    ) -> Result<Self, EncodeError> {
        Self::new_with(ModelFolder::open_lazily(path.as_ref())?, precision)
    }

    /// Opens a model of the Hugging Face Hub, `OWNER/NAME` or `OWNER/NAME@REVISION`; what is not in
    /// the cache is downloaded. See [`hub`](crate::hub).
    ///
    /// # Errors
    ///
    /// [`EncodeError::Hub`], and as [`ModelFolder::open`].
    #[cfg(feature = "hub")]
    pub fn from_hub(name: &str) -> Result<Self, EncodeError> {
        Self::load(crate::hub::fetch(name)?)
    }

    /// An encoder out of a model in memory.
    pub fn new(model: ModelFolder) -> Self {
        let engine = CpuEngine::new(model.weights());
        Self::with_engine(model, Arc::new(engine))
    }

    /// An encoder out of a model in memory, with weights of this precision.
    ///
    /// # Errors
    ///
    /// Weights beyond the range of f16, if that is asked for.
    pub fn new_with(model: ModelFolder, precision: EncoderPrecision) -> Result<Self, EncodeError> {
        let engine = CpuEngine::with_precision(model.weights(), precision)?;
        Ok(Self::with_engine(model, Arc::new(engine)))
    }

    /// An encoder whose states `engine` computes, which has the model's weights.
    pub fn with_engine(model: ModelFolder, engine: Arc<dyn Engine>) -> Self {
        model.weights().tensors().values().for_each(Tensor::release);
        Self {
            model,
            engine,
            spelling: Arc::default(),
            own: None,
        }
    }

    /// What computes its states.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The same encoder with other words: `embedding` is `[words, embedding size]`, its rows in the
    /// words' order, the four special words first. This is how vocabulary expansion gives back an
    /// encoder that knows other words; those it was loaded with stay at hand as its
    /// [own](SentenceEncoder::own_vocabulary).
    ///
    /// # Errors
    ///
    /// Words that make no vocabulary, an embedding that does not fit them or the encoder, or that
    /// holds numbers that are not finite.
    pub fn with_vocabulary<S: AsRef<str>>(
        &self,
        words: impl IntoIterator<Item = S>,
        embedding: Array2<f32>,
    ) -> Result<Self, EncodeError> {
        let vocabulary = Vocabulary::from_words(words)?;
        let shape = [embedding.nrows(), embedding.ncols()];
        let values = embedding.as_standard_layout().iter().copied().collect();
        let tensor = Tensor::new(shape.to_vec(), values);
        let weights = self.model.weights();
        let fitting = tensor.filter(|_| shape[1] == weights.embedding_size());
        let Some(embedding) = fitting else {
            return Err(EncodeError::Weights(WeightsError::Shape {
                name: EMBEDDING.to_owned(),
                expected: format!("[{}, {}]", vocabulary.len(), weights.embedding_size()),
                found: shape.to_vec(),
            }));
        };
        let weights = weights.with_embedding(embedding.clone())?;
        let mut config = self.model.config().clone();
        config.architecture = Architecture::of(&weights);
        let own = self.own.clone().unwrap_or_else(|| {
            let embedding = self.model.weights().embedding().clone();
            Arc::new((self.vocabulary().clone(), embedding))
        });
        Ok(Self {
            engine: self.engine.with_embedding(&embedding),
            model: ModelFolder::new(config, vocabulary, weights)?,
            spelling: Arc::default(),
            own: Some(own),
        })
    }

    /// Configuration, vocabulary and weights; [`ModelFolder::write`] saves them.
    pub fn model(&self) -> &ModelFolder {
        &self.model
    }

    /// The words it knows, in the order of the embedding's rows.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.model.vocabulary()
    }

    /// The word embeddings, `[words, embedding size]`; copied only if they are stored as f16 or i8.
    pub fn embedding(&self) -> CowArray<'_, f32, Ix2> {
        matrix(self.model.weights().embedding())
    }

    /// The words it was loaded with, whatever its vocabulary is now.
    pub fn own_vocabulary(&self) -> &Vocabulary {
        match &self.own {
            Some(own) => &own.0,
            None => self.vocabulary(),
        }
    }

    /// The embeddings it was loaded with, `[own words, embedding size]`; copied only if they are
    /// stored as f16 or i8.
    pub fn own_embedding(&self) -> CowArray<'_, f32, Ix2> {
        match &self.own {
            Some(own) => matrix(&own.1),
            None => self.embedding(),
        }
    }

    /// Calls `each` with every word of the sentences, split and lower-cased as
    /// [`encode`](SentenceEncoder::encode) does.
    ///
    /// # Errors
    ///
    /// An unknown tokeniser.
    pub fn for_each_word(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
        mut each: impl FnMut(&str),
    ) -> Result<(), EncodeError> {
        let mut splitter = Splitter::new(self.model.config(), options)?;
        for sentence in sentences {
            splitter.split(sentence.as_ref()).iter().for_each(&mut each);
        }
        Ok(())
    }

    /// The length of a sentence's vector.
    pub fn width(&self) -> usize {
        self.model.weights().hidden_size()
    }

    /// The sentences' vectors, `[sentences, width]`, in order. No sentence gives `[0, width]`.
    ///
    /// Words outside the vocabulary are read as [`EncodeOptions::unknown_words`] says.
    ///
    /// # Errors
    ///
    /// An unknown tokeniser, a sentence that is too long, or one without a word where the options
    /// put no `<s>` and `</s>` around it.
    pub fn encode(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
    ) -> Result<Array2<f32>, EncodeError> {
        Ok(self
            .encode_ragged(sentences, options, false, &mut |_| {})?
            .vectors)
    }

    /// All hidden states, `[sentences, longest, width]`, forward then backward, zero beyond a
    /// sentence's end, and the sentences' vectors, `[sentences, width]`.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoder::encode`].
    pub fn encode_with_states(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
    ) -> Result<(Array3<f32>, Array2<f32>), EncodeError> {
        let encoded = self.encode_ragged(sentences, options, true, &mut |_| {})?;
        Ok((pad(&encoded), encoded.vectors))
    }

    /// The sentences' vectors and lengths and, with `states`, their hidden states without padding.
    /// `progress` is told how many sentences are done.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoder::encode`].
    pub fn encode_ragged(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
        states: bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Encoded, EncodeError> {
        let (config, weights) = (self.model.config(), self.model.weights());
        let limits = self.engine.limits();
        let speller = match options.unknown_words.unwrap_or(config.unknown_words) {
            UnknownWords::Unk => None,
            UnknownWords::Spelling => Some(Speller::new(
                self.vocabulary(),
                &self.spelling,
                weights.embedding(),
            )),
        };
        let vocabulary = self.vocabulary();
        let mut reader = Reader::new(config, vocabulary, options, speller, limits.distinct_words)?;
        let pooling = options.pooling.unwrap_or(config.pooling);
        let mut output = Output::new(pooling, sentences.len(), weights.hidden_size(), states);
        let mut lengths = Vec::with_capacity(sentences.len());
        let mut coverage = Coverage::default();
        while lengths.len() < sentences.len() {
            let first = lengths.len();
            let window = reader.window(&sentences[first..], first)?;
            output.make_room(&window);
            coverage += window.coverage;
            let batches = window.batches(options.batch_size, limits.batch_words);
            let sentences =
                |batch: &Vec<usize>| batch.iter().map(|&i| window.sentence(i)).collect();
            let sentences: Vec<Vec<&[u32]>> = batches.iter().map(sentences).collect();
            let words = DistinctWords {
                ids: &window.words,
                spelled: reader.spelled(),
            };
            let pooled = match states {
                true => None,
                false => self.engine.vectors(words, &sentences, pooling)?,
            };
            if let Some(vectors) = pooled {
                output.window(&window, first, &batches, &vectors);
                lengths.extend((0..window.len()).map(|i| window.sentence(i).len()));
                progress(lengths.len());
                continue;
            }
            let mut done = first;
            self.engine.states(words, &sentences, &mut |k, states| {
                output.batch(&window, first, &batches[k], states);
                done += batches[k].len();
                progress(done);
            })?;
            assert_eq!(done, first + window.len(), "an engine computes every batch");
            lengths.extend((0..window.len()).map(|i| window.sentence(i).len()));
        }
        output.see_padding(&lengths, options.batch_size);
        Ok(output.finish(lengths, coverage))
    }
}

impl fmt::Debug for SentenceEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = &self.model.config().architecture;
        write!(f, "SentenceEncoder({architecture:?})")
    }
}

/// Hidden states with zeros up to the longest sentence, `[sentences, longest, width]`.
pub(crate) fn pad(encoded: &Encoded) -> Array3<f32> {
    let longest = encoded.lengths.iter().max().copied().unwrap_or(0);
    let shape = (encoded.lengths.len(), longest, encoded.vectors.ncols());
    let mut padded = Array3::zeros(shape);
    if let Some(states) = &encoded.states {
        let mut start = 0;
        for (i, &length) in encoded.lengths.iter().enumerate() {
            let rows = states.slice(s![start..start + length, ..]);
            padded.slice_mut(s![i, ..length, ..]).assign(&rows);
            start += length;
        }
    }
    padded
}

/// A tensor of two dimensions as an array.
#[allow(
    clippy::expect_used,
    reason = "`Tensor` holds as many values as its shape says"
)]
fn matrix(tensor: &Tensor) -> CowArray<'_, f32, Ix2> {
    let shape = (tensor.shape()[0], tensor.shape()[1]);
    match tensor.values() {
        Cow::Borrowed(values) => ArrayView2::from_shape(shape, values).map(CowArray::from),
        Cow::Owned(values) => Array2::from_shape_vec(shape, values).map(CowArray::from),
    }
    .expect("as many values as the shape says")
}

#[cfg(test)]
mod tests;
