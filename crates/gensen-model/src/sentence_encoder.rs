//! Sentences in, vectors out.
//!
//! [`SentenceEncoder`] opens a [model folder](crate::model_folder) and encodes text with it;
//! [`ConcatEncoder`] puts the vectors of several side by side.
//!
//! Sentences are read a window at a time: the window's distinct words are projected once, its
//! sentences sorted by length and computed in batches without padding. None of it shows: rows come
//! out in input order, and a sentence's vector has the same bits whatever the sentences beside it,
//! the batch size and the number of threads (but for [`Pooling::MaxPadded`], which looks at the
//! longest sentence of a batch, as the reference implementation did).

mod concat;
mod cpu;
mod engine;
mod error;
mod kernel;
mod options;
mod pool;
mod window;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use gensen_data::vocabulary::Vocabulary;
use ndarray::{Array2, Array3, ArrayView2, CowArray, Ix2, s};

use crate::model_folder::{Architecture, ModelFolder, Pooling};
use crate::packed::Packed;
use crate::weights::{EncoderState, Precision, Tensor, WeightsError};
use engine::{Engine, Words};
use pool::SentenceStates;
use window::{Reader, Splitter, Window};

pub use concat::ConcatEncoder;
pub use error::EncodeError;
pub use options::EncodeOptions;

/// The input's share of the gates of a window's distinct words, in bytes, about.
const PROJECTION_BYTES: usize = 48 << 20;

/// What [`SentenceEncoder::encode_ragged`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// The sentences' vectors, `[sentences, width]`.
    pub vectors: Array2<f32>,
    /// The sentences' lengths in words, `<s>` and `</s>` included.
    pub lengths: Vec<usize>,
    /// Where asked for, the hidden states of all sentences' words, one sentence after the other,
    /// `[words, width]`: forward, then backward.
    pub states: Option<Array2<f32>>,
}

/// An encoder with its vocabulary, ready to encode text.
///
/// ```no_run
/// use gensen_model::{EncodeOptions, Pooling, SentenceEncoder, device};
///
/// let encoder = SentenceEncoder::load("models/nli_large_bothskip", &device::by_name("cpu")?)?;
/// let options = EncodeOptions::default().pooling(Pooling::Last).batch_size(32);
/// let vectors = encoder.encode(&["hello world .", "this is a sentence ."], &options)?;
/// assert_eq!(vectors.dim(), (2, encoder.width()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SentenceEncoder {
    model: ModelFolder,
    /// The word embeddings, lying so in memory that a row can be read in place.
    embedding: Tensor,
    engine: Engine,
    /// The words and embeddings it was loaded with, if it has others now.
    own: Option<Arc<(Vocabulary, Tensor)>>,
}

impl SentenceEncoder {
    /// Opens the model folder at `path` and brings its weights to `device`. On the CPU
    /// (`Device::flex()`) the word embeddings stay mapped from the file.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::open`].
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, EncodeError> {
        Ok(Self::new(ModelFolder::open(path.as_ref())?, device))
    }

    /// Opens a model of the Hugging Face Hub, `OWNER/NAME` or `OWNER/NAME@REVISION`; what is not in
    /// the cache is downloaded. See [`hub`](crate::hub).
    ///
    /// # Errors
    ///
    /// [`EncodeError::Hub`], and as [`ModelFolder::open`].
    #[cfg(feature = "hub")]
    pub fn from_hub(name: &str, device: &Device) -> Result<Self, EncodeError> {
        Self::load(crate::hub::fetch(name)?, device)
    }

    /// An encoder out of a model in memory.
    pub fn new(model: ModelFolder, device: &Device) -> Self {
        Self {
            engine: Engine::new(model.weights(), device),
            embedding: in_place(model.weights().embedding()),
            model,
            own: None,
        }
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
                name: crate::weights::EMBEDDING.to_owned(),
                expected: format!("[{}, {}]", vocabulary.len(), weights.embedding_size()),
                found: shape.to_vec(),
            }));
        };
        let weights: EncoderState = weights.with_embedding(embedding.clone())?;
        let mut config = self.model.config().clone();
        config.architecture = Architecture::of(&weights);
        let own = self.own.clone();
        let own =
            own.unwrap_or_else(|| Arc::new((self.vocabulary().clone(), self.embedding.clone())));
        Ok(Self {
            engine: self.engine.with_embedding(&embedding),
            model: ModelFolder::new(config, vocabulary, weights)?,
            embedding,
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

    /// The word embeddings, `[words, embedding size]`; copied only if they are stored as f16.
    pub fn embedding(&self) -> CowArray<'_, f32, Ix2> {
        matrix(&self.embedding)
    }

    /// The words it was loaded with, whatever its vocabulary is now.
    pub fn own_vocabulary(&self) -> &Vocabulary {
        match &self.own {
            Some(own) => &own.0,
            None => self.vocabulary(),
        }
    }

    /// The embeddings it was loaded with, `[own words, embedding size]`; copied only if they are
    /// stored as f16.
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
    /// Words outside the vocabulary count as `<unk>`.
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
        let bytes_a_word = 3 * weights.hidden_size() * size_of::<f32>();
        let most_distinct = PROJECTION_BYTES / bytes_a_word;
        let mut reader = Reader::new(config, self.vocabulary(), options, most_distinct)?;
        let mut output = Output {
            pooling: options.pooling.unwrap_or(config.pooling),
            width: weights.hidden_size(),
            hidden: weights.direction_size(),
            vectors: vec![0.0; sentences.len() * weights.hidden_size()],
            states: states.then(Vec::new),
        };
        let mut lengths = Vec::with_capacity(sentences.len());
        while lengths.len() < sentences.len() {
            let first = lengths.len();
            let window = reader.window(&sentences[first..], first)?;
            let words = self.engine.prepare(&self.embedding, &window.words);
            output.make_room(&window);
            let mut done = first;
            for batch in window.batches(options.batch_size) {
                output.batch(&window, first, &batch, &words);
                done += batch.len();
                progress(done);
            }
            lengths.extend((0..window.len()).map(|i| window.sentence(i).len()));
        }
        if output.pooling == Pooling::MaxPadded {
            output.see_padding(&lengths, options.batch_size);
        }
        output.finish(lengths)
    }
}

impl fmt::Debug for SentenceEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = &self.model.config().architecture;
        write!(f, "SentenceEncoder({architecture:?})")
    }
}

/// Vectors and states as they are filled in.
struct Output {
    pooling: Pooling,
    width: usize,
    hidden: usize,
    vectors: Vec<f32>,
    /// Of all windows, `[words, width]`.
    states: Option<Vec<f32>>,
}

impl Output {
    fn make_room(&mut self, window: &Window) {
        if let Some(states) = &mut self.states {
            states.resize(states.len() + window.total() * self.width, 0.0);
        }
    }

    /// Encodes a batch of a window, whose first sentence is number `first`.
    fn batch(&mut self, window: &Window, first: usize, batch: &[usize], words: &Words<'_>) {
        let slices: Vec<&[u32]> = batch.iter().map(|&i| window.sentence(i)).collect();
        let packed = Packed::from_slices(&slices);
        let (order, steps) = (packed.order.clone(), packed.steps.clone());
        let states = words.states(packed);
        let width = self.width;
        for (rank, &place) in order.iter().enumerate() {
            let sentence = batch[place];
            let view = SentenceStates {
                states: &states,
                steps: &steps,
                rank,
                length: slices[place].len(),
                hidden: self.hidden,
            };
            let row = (first + sentence) * width;
            view.pool(self.pooling, &mut self.vectors[row..row + width]);
            if let Some(all) = &mut self.states {
                let window_start = all.len() - window.total() * width;
                let start = window_start + window.start(sentence) * width;
                view.copy_to(&mut all[start..start + view.length * width], width);
            }
        }
    }

    /// The maximum over zeros, too, in sentences shorter than the longest of their batch, where a
    /// batch is `batch_size` sentences in input order.
    fn see_padding(&mut self, lengths: &[usize], batch_size: usize) {
        let batches = self
            .vectors
            .chunks_mut(batch_size.saturating_mul(self.width));
        for (vectors, lengths) in batches.zip(lengths.chunks(batch_size)) {
            let longest = lengths.iter().max().copied().unwrap_or(0);
            for (vector, &length) in vectors.chunks_exact_mut(self.width).zip(lengths) {
                if length < longest {
                    vector.iter_mut().for_each(|x| *x = x.max(0.0));
                }
            }
        }
    }

    fn finish(self, lengths: Vec<usize>) -> Result<Encoded, EncodeError> {
        let words = lengths.iter().sum();
        // Both hold as many rows as is said here.
        let array = |rows, values| Array2::from_shape_vec((rows, self.width), values);
        Ok(Encoded {
            vectors: array(lengths.len(), self.vectors).unwrap_or_default(),
            states: self
                .states
                .map(|states| array(words, states).unwrap_or_default()),
            lengths,
        })
    }
}

/// Hidden states with zeros up to the longest sentence, `[sentences, longest, width]`.
fn pad(encoded: &Encoded) -> Array3<f32> {
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
fn matrix(tensor: &Tensor) -> CowArray<'_, f32, Ix2> {
    let shape = (tensor.shape()[0], tensor.shape()[1]);
    // As many values as the shape says: `Tensor` has checked it.
    match tensor.values() {
        Cow::Borrowed(values) => ArrayView2::from_shape(shape, values)
            .map(CowArray::from)
            .unwrap_or_else(|_| CowArray::from(Array2::zeros((0, 0)))),
        Cow::Owned(values) => {
            CowArray::from(Array2::from_shape_vec(shape, values).unwrap_or_default())
        }
    }
}

/// The tensor itself, or a copy in memory if its place in a file is not aligned for this machine.
fn in_place(tensor: &Tensor) -> Tensor {
    let aligned = match tensor.precision() {
        Precision::F32 => matches!(tensor.values(), Cow::Borrowed(_)),
        Precision::F16 => tensor.f16_values().is_some(),
    };
    if aligned {
        return tensor.clone();
    }
    let copy = Tensor::new(tensor.shape().to_vec(), tensor.values().into_owned());
    copy.unwrap_or_else(|| tensor.clone())
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;

    use super::*;
    use crate::model_folder::{ModelConfig, Provenance};
    use crate::weights::{TensorMap, gru_tensor_name};

    /// An encoder's weights, random in ±0.5.
    pub(super) fn random_state(
        words: usize,
        embedding: usize,
        hidden: usize,
        layers: usize,
        bidirectional: bool,
    ) -> EncoderState {
        let mut state = 1_u32;
        let mut tensors = TensorMap::new();
        let mut insert = |name: String, shape: &[usize]| {
            let values = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            });
            let values = values.take(shape.iter().product()).collect();
            tensors.insert(name, Tensor::new(shape.to_vec(), values).unwrap());
        };
        insert(crate::weights::EMBEDDING.to_owned(), &[words, embedding]);
        let directions = if bidirectional { 2 } else { 1 };
        for layer in 0..layers {
            let inputs = if layer == 0 {
                embedding
            } else {
                hidden * directions
            };
            for reverse in [false, true].into_iter().take(directions) {
                let name = |kind| gru_tensor_name(kind, layer, reverse);
                insert(name("weight_ih"), &[3 * hidden, inputs]);
                insert(name("weight_hh"), &[3 * hidden, hidden]);
                insert(name("bias_ih"), &[3 * hidden]);
                insert(name("bias_hh"), &[3 * hidden]);
            }
        }
        EncoderState::new(tensors).unwrap()
    }

    fn encoder(hidden: usize, layers: usize, bidirectional: bool) -> SentenceEncoder {
        let words = (4..40).map(|i| format!("w{i}"));
        let words = Vocabulary::SPECIAL
            .into_iter()
            .map(String::from)
            .chain(words);
        let state = random_state(40, 11, hidden, layers, bidirectional);
        let config = ModelConfig::new(&state, Provenance::default());
        let vocabulary = Vocabulary::from_words(words).unwrap();
        let model = ModelFolder::new(config, vocabulary, state).unwrap();
        SentenceEncoder::new(model, &Device::flex())
    }

    fn sentences() -> Vec<String> {
        (0..50)
            .map(|i| {
                let words = (0..(i * 7) % 13).map(|k| format!("w{}", 4 + (i * 5 + k * 3) % 40));
                words.collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    fn bits(row: ndarray::ArrayView1<'_, f32>) -> Vec<u32> {
        row.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn a_sentence_alone_equals_itself_in_any_batch() {
        for (hidden, layers, bidirectional) in [(37, 1, true), (16, 2, true), (9, 2, false)] {
            let encoder = encoder(hidden, layers, bidirectional);
            let sentences = sentences();
            for pooling in [Pooling::Last, Pooling::Max, Pooling::Mean] {
                let options = EncodeOptions::default().pooling(pooling);
                let all = encoder.encode(&sentences, &options).unwrap();
                assert!(all.iter().all(|x| x.is_finite()));
                for batch_size in [1, 2, 7, 64] {
                    let options = options.clone().batch_size(batch_size);
                    let again = encoder.encode(&sentences, &options).unwrap();
                    for (a, b) in all.axis_iter(Axis(0)).zip(again.axis_iter(Axis(0))) {
                        assert_eq!(bits(a), bits(b), "batches of {batch_size}");
                    }
                }
                for (sentence, row) in sentences.iter().zip(all.axis_iter(Axis(0))) {
                    let alone = encoder.encode(&[sentence], &options).unwrap();
                    assert_eq!(bits(alone.row(0)), bits(row), "`{sentence}` alone");
                }
            }
        }
    }

    #[test]
    fn pooling_is_over_the_hidden_states() {
        let (encoder, sentences) = (encoder(10, 1, true), sentences());
        let options = EncodeOptions::default().batch_size(8);
        let encode = |pooling| {
            let options = options.clone().pooling(pooling);
            encoder.encode_with_states(&sentences, &options).unwrap()
        };
        let ((states, last), (_, max)) = (encode(Pooling::Last), encode(Pooling::Max));
        let ((_, mean), (_, padded)) = (encode(Pooling::Mean), encode(Pooling::MaxPadded));
        let lengths: Vec<usize> = sentences
            .iter()
            .map(|s| s.split(' ').filter(|w| !w.is_empty()).count() + 2)
            .collect();
        for (i, &length) in lengths.iter().enumerate() {
            let batch = &lengths[i / 8 * 8..(i / 8 * 8 + 8).min(lengths.len())];
            let longest = batch.iter().max() == Some(&length);
            for j in 0..20 {
                let column = states.slice(s![i, ..length, j]);
                let largest = column.fold(f32::MIN, |a, &b| a.max(b));
                assert_eq!(max[[i, j]], largest);
                assert_eq!(
                    padded[[i, j]],
                    if longest { largest } else { largest.max(0.0) }
                );
                let sum: f64 = column.iter().map(|&x| f64::from(x)).sum();
                assert!((f64::from(mean[[i, j]]) - sum / length as f64).abs() < 1e-6);
                let expected = if j < 10 {
                    states[[i, 0, j + 10]]
                } else {
                    states[[i, length - 1, j - 10]]
                };
                assert_eq!(last[[i, j]], expected);
            }
            assert!(states.slice(s![i, length.., ..]).iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn untrained_models_keep_everything_but_the_weights() {
        let trained = encoder(10, 2, true);
        let untrained = |seed| trained.model().untrained(seed).unwrap();
        let (one, same, other) = (untrained(1), untrained(1), untrained(2));
        assert_eq!(
            one.config().architecture,
            trained.model().config().architecture
        );
        assert_eq!(one.config().provenance.steps, Some(0));
        let encode = |model| {
            let encoder = SentenceEncoder::new(model, &Device::flex());
            encoder
                .encode(&["w4 w9"], &EncodeOptions::default())
                .unwrap()
        };
        let (vector, other) = (encode(one), encode(other));
        assert_eq!(vector, encode(same));
        assert_ne!(vector, other);
        let own = trained
            .encode(&["w4 w9"], &EncodeOptions::default())
            .unwrap();
        assert_ne!(vector, own);
    }

    #[test]
    fn edge_cases() {
        let encoder = encoder(5, 1, true);
        let options = EncodeOptions::default();
        assert_eq!(encoder.encode(&[""; 0], &options).unwrap().dim(), (0, 10));
        let (states, vectors) = encoder.encode_with_states(&[""; 0], &options).unwrap();
        assert_eq!((states.dim(), vectors.dim()), ((0, 0, 10), (0, 10)));
        let vectors = encoder
            .encode(&["", " \t ", "zebra", "<unk>"], &options)
            .unwrap();
        assert_eq!(vectors.row(0), vectors.row(1));
        assert_eq!(vectors.row(2), vectors.row(3));
        let bare = options.clone().start_end(false);
        let error = encoder.encode(&["w4", ""], &bare).unwrap_err();
        assert!(
            matches!(error, EncodeError::EmptySentence { index: 1 }),
            "{error}"
        );
        let error = encoder
            .encode(&["w4"], &options.clone().tokenizer("none"))
            .unwrap_err();
        assert!(matches!(error, EncodeError::Tokenizer(_)), "{error}");
        let lowered = encoder
            .encode(&["W5 W6"], &options.lowercase(true))
            .unwrap();
        assert_eq!(
            lowered,
            encoder
                .encode(&["w5 w6"], &EncodeOptions::default())
                .unwrap()
        );
    }

    #[test]
    fn progress_reaches_the_number_of_sentences() {
        let (encoder, sentences) = (encoder(5, 1, true), sentences());
        let options = EncodeOptions::default().batch_size(8);
        let mut heard = Vec::new();
        encoder
            .encode_ragged(&sentences, &options, false, &mut |done| heard.push(done))
            .unwrap();
        assert!(heard.is_sorted());
        assert_eq!((heard.len(), heard.last()), (7, Some(&50)));
    }

    #[test]
    fn other_words_keep_the_encoder() {
        let encoder = encoder(5, 2, true);
        let words = ["<s>", "<pad>", "</s>", "<unk>", "w9", "new"];
        let own = encoder.embedding();
        let rows: Vec<_> = [0, 1, 2, 3, 9, 7].into_iter().map(|i| own.row(i)).collect();
        let embedding = ndarray::stack(Axis(0), &rows).unwrap();
        let other = encoder.with_vocabulary(words, embedding.clone()).unwrap();
        let options = EncodeOptions::default();
        let found = other.encode(&["new w9 w4"], &options).unwrap();
        assert_eq!(found, encoder.encode(&["w7 w9 <unk>"], &options).unwrap());
        assert_eq!(other.model().config().architecture.vocabulary_size, 6);
        assert!(
            encoder
                .with_vocabulary(&words[..5], embedding.clone())
                .is_err()
        );
        assert!(
            encoder
                .with_vocabulary(words, embedding.slice(s![.., 1..]).to_owned())
                .is_err()
        );
        assert!(
            encoder
                .with_vocabulary(words, embedding * f32::NAN)
                .is_err()
        );
    }
}
