use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use gensen_data::vocabulary::Vocabulary;
use gensen_encode::model_folder::{ModelConfig, ModelFolder, Provenance};
use gensen_encode::weights::{EMBEDDING, EncoderState, Tensor, TensorMap, gru_tensor_name};
use gensen_encode::{
    CpuEngine, DistinctWords, EncodeError, Engine, EngineLimits, SentenceEncoder, States,
};
use gensen_encode::{Pooling, initial};
use gensen_serve::Model;

/// A word at which a [gated] encoder fails, and one at which it panics.
pub const FAILS: &str = "w5";
pub const PANICS: &str = "w6";
const FAILS_ID: u32 = 5;
const PANICS_ID: u32 = 6;

/// A gate that delays an encoder.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    batches: usize,
}

impl Gate {
    pub fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
    }

    pub fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
        self.changed.notify_all();
    }

    /// The number of batches that have reached the gate.
    pub fn batches(&self) -> usize {
        self.state.lock().unwrap().batches
    }

    /// Waits until this number of batches has reached the gate.
    pub fn wait_for(&self, batches: usize) {
        let begin = Instant::now();
        while self.batches() < batches {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{} batches came",
                self.batches()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.batches += 1;
        while state.is_closed {
            state = self.changed.wait(state).unwrap();
        }
    }
}

struct Gated {
    engine: CpuEngine,
    gate: Arc<Gate>,
}

impl Engine for Gated {
    fn states(
        &self,
        words: DistinctWords<'_>,
        batches: &[Vec<&[u32]>],
        each: &mut dyn FnMut(usize, &States),
    ) -> Result<(), EncodeError> {
        self.gate.pass();
        assert!(
            !words.ids.contains(&PANICS_ID),
            "a panic requested by the test"
        );
        if words.ids.contains(&FAILS_ID) {
            return Err(EncodeError::EmptySentence { index: 7 });
        }
        self.engine.states(words, batches, each)
    }

    fn with_embedding(&self, _: &Tensor) -> Arc<dyn Engine> {
        unreachable!("no test expands it")
    }

    fn limits(&self) -> EngineLimits {
        self.engine.limits()
    }

    fn arithmetic(&self) -> String {
        self.engine.arithmetic()
    }
}

/// A small model with random weights and the words w4 to w39.
fn folder() -> ModelFolder {
    const WORDS: usize = 40;
    const EMBEDDING_SIZE: usize = 8;
    const HIDDEN: usize = 8;
    let mut tensors = TensorMap::new();
    let mut insert = |name: String, shape: &[usize]| {
        let values = initial::uniform(7, &name, shape.iter().product(), 0.8);
        tensors.insert(name, Tensor::new(shape.to_vec(), values).unwrap());
    };
    insert(EMBEDDING.to_owned(), &[WORDS, EMBEDDING_SIZE]);
    for reverse in [false, true] {
        let name = |kind| gru_tensor_name(kind, 0, reverse);
        insert(name("weight_ih"), &[3 * HIDDEN, EMBEDDING_SIZE]);
        insert(name("weight_hh"), &[3 * HIDDEN, HIDDEN]);
        insert(name("bias_ih"), &[3 * HIDDEN]);
        insert(name("bias_hh"), &[3 * HIDDEN]);
    }
    let state = EncoderState::new(tensors).unwrap();
    let words = (4..WORDS).map(|k| format!("w{k}"));
    let words = Vocabulary::SPECIAL
        .map(String::from)
        .into_iter()
        .chain(words);
    let vocabulary = Vocabulary::from_words(words).unwrap();
    let config = ModelConfig::new(&state, Provenance::default());
    ModelFolder::new(config, vocabulary, state).unwrap()
}

/// A small encoder.
pub fn tiny() -> SentenceEncoder {
    SentenceEncoder::new(folder())
}

/// A small model, `tiny`, whose batches pass a gate, initially open.
pub fn gated() -> (Model, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let folder = folder();
    let engine = Gated {
        engine: CpuEngine::new(folder.weights()),
        gate: Arc::clone(&gate),
    };
    let encoder = SentenceEncoder::with_engine(folder, Arc::new(engine));
    (
        Model::new("tiny", encoder, Some(Pooling::Max)).unwrap(),
        gate,
    )
}
