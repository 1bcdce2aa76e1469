//! The sentence encoder: text to windows of words, states to vectors.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use gensen_data::vocabulary::Vocabulary;
use ndarray::{Array2, Array3, ArrayView2, CowArray, Ix2};

use crate::cpu::CpuEngine;
use crate::encoded::{Encoded, EncodedBuilder};
use crate::engine::{DistinctWords, Engine};
use crate::model_folder::{Architecture, ModelFolder};
use crate::spelling::{Speller, Spelling};
use crate::weights::{EMBEDDING, Tensor, WeightsError};
use crate::window::{Splitter, WindowReader};
use crate::{Coverage, EncodeError, EncodeOptions, EncoderPrecision, UnknownWords};

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
    /// The index of the vocabulary's spellings, built for the first unknown word that needs it.
    spelling: Arc<OnceLock<Spelling>>,
    /// The words and embeddings it was loaded with, if they have been replaced.
    own: Option<Arc<(Vocabulary, Tensor)>>,
}

impl SentenceEncoder {
    /// Opens the model folder at `path` for the CPU. Word embeddings stay memory-mapped; each is
    /// checked whenever it is used.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::open`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EncodeError> {
        Ok(Self::new(ModelFolder::open_lazily(path.as_ref())?))
    }

    /// As [`SentenceEncoder::load`], computing in `precision`.
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

    /// Opens a model of the Hugging Face Hub, `OWNER/NAME` or `OWNER/NAME@REVISION`, and downloads
    /// files that are not in the cache. See [`hub`](crate::hub).
    ///
    /// # Errors
    ///
    /// [`EncodeError::Hub`], and as [`ModelFolder::open`].
    #[cfg(feature = "hub")]
    pub fn from_hub(name: &str) -> Result<Self, EncodeError> {
        Self::load(crate::hub::fetch(name)?)
    }

    /// An encoder of this model on the CPU, in f32.
    pub fn new(model: ModelFolder) -> Self {
        let engine = CpuEngine::new(model.weights());
        Self::with_engine(model, Arc::new(engine))
    }

    /// An encoder of this model on the CPU, in `precision`.
    ///
    /// # Errors
    ///
    /// With [`EncoderPrecision::F16`], weights beyond the range of f16.
    pub fn new_with(model: ModelFolder, precision: EncoderPrecision) -> Result<Self, EncodeError> {
        let engine = CpuEngine::with_precision(model.weights(), precision)?;
        Ok(Self::with_engine(model, Arc::new(engine)))
    }

    /// An encoder of this model on `engine`, which must have been made from the model's weights.
    pub fn with_engine(model: ModelFolder, engine: Arc<dyn Engine>) -> Self {
        model.weights().tensors().values().for_each(Tensor::release);
        Self {
            model,
            engine,
            spelling: Arc::default(),
            own: None,
        }
    }

    /// The engine that computes hidden states.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The same encoder with another vocabulary, as vocabulary expansion needs it. `words` begin
    /// with the four special words; `embedding` is `[words, embedding size]`, in the same order.
    /// The words it was loaded with stay available as its [own
    /// vocabulary](SentenceEncoder::own_vocabulary).
    ///
    /// # Errors
    ///
    /// An invalid vocabulary, and an embedding of another shape or with values that are not finite.
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

    /// The vocabulary, in the order of the embedding's rows.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.model.vocabulary()
    }

    /// The word embeddings, `[words, embedding size]`; copied only if they are stored as f16 or i8.
    pub fn embedding(&self) -> CowArray<'_, f32, Ix2> {
        matrix(self.model.weights().embedding())
    }

    /// The vocabulary it was loaded with, even if it has been replaced.
    pub fn own_vocabulary(&self) -> &Vocabulary {
        match &self.own {
            Some(own) => &own.0,
            None => self.vocabulary(),
        }
    }

    /// The word embeddings it was loaded with, `[own words, embedding size]`; copied only if they
    /// are stored as f16 or i8.
    pub fn own_embedding(&self) -> CowArray<'_, f32, Ix2> {
        match &self.own {
            Some(own) => matrix(&own.1),
            None => self.embedding(),
        }
    }

    /// Calls `each` with every word of the sentences, tokenised and lower-cased as in
    /// [`encode`](SentenceEncoder::encode).
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

    /// The sentences' vectors, `[sentences, width]`, in order; `[0, width]` for no sentences.
    ///
    /// Words outside the vocabulary are encoded as set by [`EncodeOptions::unknown_words`].
    ///
    /// # Errors
    ///
    /// An unknown tokeniser, a sentence that is too long, and with
    /// [`start_end(false)`](EncodeOptions::start_end) an empty one.
    pub fn encode(
        &self,
        sentences: &[impl AsRef<str>],
        options: &EncodeOptions,
    ) -> Result<Array2<f32>, EncodeError> {
        Ok(self
            .encode_ragged(sentences, options, false, &mut |_| {})?
            .vectors)
    }

    /// All hidden states, `[sentences, longest, width]`, forward then backward and zero after a
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
        Ok(self
            .encode_ragged(sentences, options, true, &mut |_| {})?
            .padded())
    }

    /// The sentences' vectors and lengths and, with `states`, their hidden states without padding.
    /// `progress` is called with the number of sentences done so far.
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
        let config = self.model.config();
        let limits = self.engine.limits();
        let vocabulary = self.vocabulary();
        let speller = match options.unknown_words.unwrap_or(config.unknown_words) {
            UnknownWords::Unk => None,
            UnknownWords::Spelling => {
                let embedding = self.model.weights().embedding();
                Some(Speller::new(vocabulary, &self.spelling, embedding))
            }
        };
        let mut reader =
            WindowReader::new(config, vocabulary, options, speller, limits.distinct_words)?;
        let pooling = options.pooling.unwrap_or(config.pooling);
        let mut output = EncodedBuilder::new(pooling, sentences.len(), self.width(), states);
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
            assert_eq!(
                done,
                first + window.len(),
                "the engine must compute every batch"
            );
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

/// A tensor of two dimensions as an array.
#[allow(
    clippy::expect_used,
    reason = "`Tensor::values` returns as many values as the shape specifies"
)]
fn matrix(tensor: &Tensor) -> CowArray<'_, f32, Ix2> {
    let shape = (tensor.shape()[0], tensor.shape()[1]);
    match tensor.values() {
        Cow::Borrowed(values) => ArrayView2::from_shape(shape, values).map(CowArray::from),
        Cow::Owned(values) => Array2::from_shape_vec(shape, values).map(CowArray::from),
    }
    .expect("values and shape of one tensor")
}

#[cfg(test)]
mod tests;
