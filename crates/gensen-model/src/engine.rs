//! An engine for [`SentenceEncoder`]s on any of Burn's devices.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use burn::module::Param;
use burn::tensor::{Device, Tensor as BurnTensor, TensorData};
use gensen_encode::model_folder::ModelFolder;
use gensen_encode::weights::{EncoderState, Tensor};
use gensen_encode::{
    DirectionStates, DistinctWords, EncodeError, EncoderPrecision, Engine, EngineLimits, Pooling,
    SentenceEncoder, States,
};

use crate::dropout::Dropout;
use crate::encoder::{Encoder, GruLayer, GruWeights};
use crate::packed::Packed;

/// Opens the model folder at `path` and copies its weights to `device`.
///
/// On the CPU (`Device::flex()`) this is [`SentenceEncoder::load`], which does not use Burn.
///
/// ```no_run
/// use gensen_model::{device, load_on};
///
/// let encoder = load_on("models/nli_large", &device::by_name("auto")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`ModelFolder::open`].
pub fn load_on(path: impl AsRef<Path>, device: &Device) -> Result<SentenceEncoder, EncodeError> {
    load_on_with(path, device, EncoderPrecision::F32)
}

/// As [`load_on`], with weights of this precision.
///
/// # Errors
///
/// As [`ModelFolder::open`] and [`encoder_on`].
pub fn load_on_with(
    path: impl AsRef<Path>,
    device: &Device,
    precision: EncoderPrecision,
) -> Result<SentenceEncoder, EncodeError> {
    let path = path.as_ref();
    if is_cpu(device) {
        return SentenceEncoder::load_with(path, precision);
    }
    encoder_on(ModelFolder::open(path)?, device, precision)
}

/// An encoder on `device` from a model in memory, with weights of this precision.
///
/// # Errors
///
/// A precision that `device` does not support; weights beyond the range of f16, in f16.
pub fn encoder_on(
    model: ModelFolder,
    device: &Device,
    precision: EncoderPrecision,
) -> Result<SentenceEncoder, EncodeError> {
    if is_cpu(device) {
        return SentenceEncoder::new_with(model, precision);
    }
    if precision != EncoderPrecision::F32 {
        return Err(EncodeError::Precision { precision });
    }
    let engine = DeviceEngine::new(model.weights(), device);
    Ok(SentenceEncoder::with_engine(model, Arc::new(engine)))
}

fn is_cpu(device: &Device) -> bool {
    *device == Device::flex()
}

/// The most words of a batch of more than one sentence: 1 GiB of states of 2,048 numbers.
const BATCH_WORDS: usize = 1 << 17;

/// All weights on a Burn device, in f32.
struct DeviceEngine(Encoder);

impl DeviceEngine {
    fn new(weights: &EncoderState, device: &Device) -> Self {
        let direction = |layer, reverse| {
            let tensors = weights.gru(layer, reverse);
            let bias = |tensor: &Tensor| {
                let data = TensorData::new(tensor.values().into_owned(), [tensor.len()]);
                Param::from_tensor(BurnTensor::from_data(data, device))
            };
            GruWeights {
                weight_ih: matrix(tensors.weight_ih, device),
                weight_hh: matrix(tensors.weight_hh, device),
                bias_ih: bias(tensors.bias_ih),
                bias_hh: bias(tensors.bias_hh),
            }
        };
        let layers = (0..weights.layers()).map(|layer| GruLayer {
            forward: direction(layer, false),
            reverse: weights.bidirectional().then(|| direction(layer, true)),
        });
        Self(Encoder {
            embedding: matrix(weights.embedding(), device),
            layers: layers.collect(),
        })
    }

    /// The encoder with the embeddings of the window's own spelled words after those of the vocabulary, and
    /// the ids of the window's words in it.
    fn for_window<'a>(&self, words: DistinctWords<'a>) -> (Encoder, Cow<'a, [u32]>) {
        let mut encoder = self.0.clone();
        let embedding = encoder.embedding.val();
        let [known, size] = embedding.dims();
        if words.ids.iter().all(|&id| (id as usize) < known) {
            return (encoder, Cow::Borrowed(words.ids));
        }
        let mut spelled = Vec::new();
        let mut id_on_device = |&id: &u32| {
            let Some(row) = (id as usize).checked_sub(known) else {
                return id;
            };
            let id = known + spelled.len() / size;
            spelled.extend_from_slice(&words.spelled[row * size..][..size]);
            id as u32
        };
        let ids = words.ids.iter().map(&mut id_on_device).collect();
        let shape = [spelled.len() / size, size];
        let spelled = TensorData::new(spelled, shape);
        let spelled = BurnTensor::from_data(spelled, &embedding.device());
        encoder.embedding = Param::from_tensor(BurnTensor::cat(vec![embedding, spelled], 0));
        (encoder, Cow::Owned(ids))
    }
}

impl Engine for DeviceEngine {
    fn states(
        &self,
        words: DistinctWords<'_>,
        batches: &[Vec<&[u32]>],
        each: &mut dyn FnMut(usize, &States),
    ) -> Result<(), EncodeError> {
        let (encoder, ids) = self.for_window(words);
        for (k, batch) in batches.iter().enumerate() {
            each(k, &states(&encoder, &ids, batch));
        }
        Ok(())
    }

    /// All batches are queued before the first result is awaited, and only vectors are copied to
    /// the host.
    fn vectors(
        &self,
        words: DistinctWords<'_>,
        batches: &[Vec<&[u32]>],
        pooling: Pooling,
    ) -> Result<Option<Vec<f32>>, EncodeError> {
        let (encoder, ids) = self.for_window(words);
        let pooled = |sentences: &Vec<&[u32]>| {
            let packed = packed(&ids, sentences);
            let states = encoder.states(&packed, &mut Dropout::off(), 0.0);
            encoder.pool(&packed, states, pooling)
        };
        let vectors: Vec<BurnTensor<2>> = batches.iter().map(pooled).collect();
        if vectors.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let vectors = BurnTensor::cat(vectors, 0).into_data();
        #[allow(
            clippy::expect_used,
            reason = "the weights are f32, and so are the vectors"
        )]
        let vectors = vectors.try_into_vec::<f32>().expect("vectors in f32");
        Ok(Some(vectors))
    }

    fn arithmetic(&self) -> String {
        format!("{:?} f32", self.0.embedding.val().device())
    }

    fn limits(&self) -> EngineLimits {
        EngineLimits {
            batch_words: BATCH_WORDS,
            distinct_words: usize::MAX,
        }
    }

    fn with_embedding(&self, embedding: &Tensor) -> Arc<dyn Engine> {
        let mut encoder = self.0.clone();
        encoder.embedding = matrix(embedding, &self.0.embedding.val().device());
        Arc::new(Self(encoder))
    }
}

/// The states of a batch, copied to the host.
fn states(encoder: &Encoder, words: &[u32], sentences: &[&[u32]]) -> States {
    let packed = packed(words, sentences);
    let mut ranks = vec![0; sentences.len()];
    for (rank, &sentence) in packed.order.iter().enumerate() {
        ranks[sentence] = rank;
    }
    let row = |(sentence, step)| packed.steps.start(step) + ranks[sentence];
    let places = (0..sentences.len()).flat_map(|i| (0..sentences[i].len()).map(move |t| (i, t)));
    let rows: Vec<u32> = places.map(|place| row(place) as u32).collect();
    let states = encoder.states(&packed, &mut Dropout::off(), 0.0);
    let width = states.dims()[1];
    let values: Vec<f32> = states.into_data().iter::<f32>().collect();
    let bidirectional = encoder.layers.iter().all(|layer| layer.reverse.is_some());
    let hidden = if bidirectional { width / 2 } else { width };
    let half = |k: usize| DirectionStates {
        values: values
            .chunks_exact(width)
            .flat_map(|row| &row[k * hidden..(k + 1) * hidden])
            .copied()
            .collect(),
        stride: hidden,
        rows: rows.clone(),
    };
    States {
        forward: half(0),
        reverse: bidirectional.then(|| half(1)),
        hidden,
    }
}

/// Packs sentences of indices into `words` as word ids.
fn packed(words: &[u32], sentences: &[&[u32]]) -> Packed {
    let mut packed = Packed::from_slices(sentences);
    for id in &mut packed.ids {
        *id = words[*id as usize];
    }
    packed
}

/// Copies a matrix to the device.
fn matrix(tensor: &Tensor, device: &Device) -> Param<BurnTensor<2>> {
    let data = TensorData::new(tensor.values().into_owned(), tensor.shape().to_vec());
    Param::from_tensor(BurnTensor::from_data(data, device))
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use gensen_data::vocabulary::Vocabulary;
    use gensen_encode::initial::uniform;
    use gensen_encode::model_folder::{ModelConfig, Provenance};
    use gensen_encode::weights::TensorMap;
    use gensen_encode::{CpuEngine, EncodeOptions};

    use super::*;
    use crate::config::Architecture;
    use crate::init::Initializer;
    use crate::parameters::{self, NamedTensor};

    /// Wraps an encoder so that its parameters are named as in a whole model.
    #[derive(Module, Debug)]
    struct WholeModel {
        encoder: Encoder,
    }

    /// The initial weights of an encoder of 30 words.
    fn initial(layers: usize, bidirectional: bool, seed: u64) -> Vec<NamedTensor> {
        let config = Architecture {
            vocabulary_size: 30,
            embedding_size: 9,
            hidden_size: if bidirectional { 26 } else { 13 },
            layers,
            bidirectional,
        };
        parameters::read(&WholeModel {
            encoder: Encoder::new(&config, &Initializer::new(seed, &Device::flex())),
        })
    }

    fn state(tensors: impl IntoIterator<Item = NamedTensor>) -> EncoderState {
        let tensors: TensorMap = tensors
            .into_iter()
            .map(|tensor| (tensor.name, Tensor::new(tensor.shape, tensor.data).unwrap()))
            .collect();
        EncoderState::new(tensors).unwrap()
    }

    #[test]
    fn our_kernels_equal_burns() {
        for (layers, bidirectional) in [(1, true), (2, true), (1, false), (3, false)] {
            let wide = initial(layers, bidirectional, 1).into_iter().map(|tensor| {
                let data = uniform(1, &tensor.name, tensor.data.len(), 0.5);
                NamedTensor { data, ..tensor }
            });
            let state = state(wide);
            let cpu = CpuEngine::new(&state);
            let burn = DeviceEngine::new(&state, &Device::flex());
            let ids: Vec<u32> = (0..32).rev().collect();
            let spelled = uniform(2, "spelled", 2 * 9, 0.5);
            let words = DistinctWords {
                ids: &ids,
                spelled: &spelled,
            };
            let sentences: [&[u32]; 6] = [
                &[3, 4, 5, 6],
                &[7],
                &[8, 9, 3, 3, 11, 31],
                &[0; 6],
                &[3, 4],
                &[7],
            ];
            let batches = [sentences[..2].to_vec(), sentences[2..].to_vec()];
            let width = state.hidden_size();
            let states = |engine: &dyn Engine| {
                let mut all = Vec::new();
                let mut each = |k: usize, states: &States| {
                    for word in 0..batches[k].iter().map(|sentence| sentence.len()).sum() {
                        let mut row = vec![0.0; width];
                        states.copy_word(word, &mut row);
                        all.extend(row);
                    }
                };
                engine.states(words, &batches, &mut each).unwrap();
                all
            };
            let (found, expected) = (states(&cpu), states(&burn));
            assert_eq!(found.len(), 20 * width);
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 2e-6, "{a} and {b}, {layers} layers");
            }
        }
    }

    #[test]
    fn vectors_pooled_on_the_device_equal_those_pooled_on_the_host() {
        let state = state(initial(2, true, 1));
        let config = ModelConfig::new(&state, Provenance::default());
        let words = (4..30).map(|i| format!("w{i}"));
        let words = Vocabulary::SPECIAL
            .into_iter()
            .map(String::from)
            .chain(words);
        let model =
            ModelFolder::new(config, Vocabulary::from_words(words).unwrap(), state).unwrap();
        let device = DeviceEngine::new(model.weights(), &Device::flex());
        let device = SentenceEncoder::with_engine(model.clone(), Arc::new(device));
        let host = SentenceEncoder::new(model);
        let sentences = ["w4 w5 w6", "w7", "w8 w9 w10 w11 w12", "w29 w4", "w7 w7"];
        for pooling in [
            Pooling::Last,
            Pooling::Mean,
            Pooling::Max,
            Pooling::MaxPadded,
        ] {
            let options = EncodeOptions::default().pooling(pooling).batch_size(2);
            let [found, expected] =
                [&device, &host].map(|e| e.encode(&sentences, &options).unwrap());
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 2e-6, "{pooling}: {a} and {b}");
            }
        }
    }

    #[test]
    fn untrained_models_have_the_weights_that_training_begins_with() {
        for (layers, bidirectional) in [(1, true), (2, true), (1, false), (3, false)] {
            let trained = state(initial(layers, bidirectional, 1));
            let words = (4..30).map(|i| format!("w{i}"));
            let words = Vocabulary::SPECIAL
                .into_iter()
                .map(String::from)
                .chain(words);
            let config = ModelConfig::new(&trained, Provenance::default());
            let vocabulary = Vocabulary::from_words(words).unwrap();
            let model = ModelFolder::new(config, vocabulary, trained).unwrap();
            let untrained = model.untrained(2).unwrap();
            for tensor in initial(layers, bidirectional, 2) {
                let found = &untrained.weights().tensors()[&tensor.name];
                assert_eq!(found.shape(), tensor.shape, "{}", tensor.name);
                assert!(*found.values() == tensor.data, "{}", tensor.name);
            }
        }
    }
}
