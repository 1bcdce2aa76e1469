//! Compares optimisation steps with the reference's, value by value, on any device.
//!
//! The golden record is `modern_adam_skip_idle`: the reference's model under today's PyTorch.
//! `GENSEN_TRACE_DIR` may name another folder of the same form; sizes and the number of layers are
//! taken from the tensors it holds.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use burn::tensor::Device;
use gensen_data::batch::{Batch, NliBatch, Sentences, Seq2SeqBatch};
use gensen_model::config::{Architecture, DecoderConfig, MultitaskConfig};
use gensen_model::dropout::Dropout;
use gensen_model::parameters::{self, NamedTensor};
use gensen_model::{MultitaskModel, Pooling};
use gensen_train::loss::{self, BatchLoss};
use gensen_train::optimizer::{Adam, AdamConfig, StepGradients};
use gensen_train::precision::Autocast;
use serde::Deserialize;

const PAD: u32 = 1;
const LEARNING_RATE: f64 = 1e-3;

fn folder() -> PathBuf {
    std::env::var_os("GENSEN_TRACE_DIR").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../tests/reference/train-trace"
            ))
        },
        PathBuf::from,
    )
}

fn tensors(file: &str) -> BTreeMap<String, NamedTensor> {
    let path = folder().join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let numbers = view.data().chunks_exact(4);
        let data = numbers
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        let shape = view.shape().to_vec();
        (name.clone(), NamedTensor { name, shape, data })
    };
    file.tensors().into_iter().map(read).collect()
}

#[derive(Deserialize)]
struct Batches {
    tasknames: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    task: usize,
    #[serde(default)]
    input_src: Vec<Vec<u32>>,
    #[serde(default)]
    src_lens: Vec<usize>,
    #[serde(default)]
    input_trg: Vec<Vec<u32>>,
    #[serde(default)]
    output_trg: Vec<Vec<u32>>,
    #[serde(default)]
    back_input_trg: Vec<Vec<u32>>,
    #[serde(default)]
    back_output_trg: Vec<Vec<u32>>,
    #[serde(default)]
    sent1: Vec<Vec<u32>>,
    #[serde(default)]
    sent1_lens: Vec<usize>,
    #[serde(default)]
    rev_sent1: Vec<usize>,
    #[serde(default)]
    sent2: Vec<Vec<u32>>,
    #[serde(default)]
    sent2_lens: Vec<usize>,
    #[serde(default)]
    rev_sent2: Vec<usize>,
    #[serde(default)]
    labels: Vec<u8>,
}

fn sentences(rows: &[Vec<u32>], lengths: &[usize]) -> Sentences {
    let mut result = Sentences::default();
    rows.iter()
        .zip(lengths)
        .for_each(|(row, &n)| result.push(&row[..n]));
    result
}

/// Joins decoder input and output: `<s> w1 .. wn </s>`.
fn targets(inputs: &[Vec<u32>], outputs: &[Vec<u32>]) -> Sentences {
    let mut result = Sentences::default();
    for (input, output) in inputs.iter().zip(outputs) {
        let words = output
            .iter()
            .position(|&id| id == PAD)
            .unwrap_or(output.len());
        let mut sentence = vec![input[0]];
        sentence.extend_from_slice(&output[..words]);
        assert_eq!(&sentence[..words], &input[..words], "a shifted target");
        result.push(&sentence);
    }
    result
}

fn in_order(sorted: &Sentences, places: &[usize]) -> Sentences {
    let rows: Vec<&[u32]> = sorted.iter().collect();
    let mut result = Sentences::default();
    places.iter().for_each(|&place| result.push(rows[place]));
    result
}

/// Decoders are in the golden order, where the two decoders of a skip-thought pair are not
/// adjacent, so the pair's second loss comes from a separate batch with the same source.
struct Trace {
    batches: Batches,
    pairs: HashMap<usize, usize>,
}

impl Trace {
    fn load() -> Self {
        let text = std::fs::read_to_string(folder().join("batches.json")).unwrap();
        let batches: Batches = serde_json::from_str(&text).unwrap();
        let place = |name: &str| batches.tasknames.iter().position(|task| task == name);
        let pairs = place("skipthought_next").zip(place("skipthought_previous"));
        let pairs = pairs.into_iter().collect();
        Self { batches, pairs }
    }

    /// Maps our decoder numbers to the golden ones: a pair's two decoders become adjacent.
    fn decoder_order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        for k in 0..self.batches.tasknames.len() {
            if self.pairs.values().any(|&partner| partner == k) {
                continue;
            }
            order.push(k);
            order.extend(self.pairs.get(&k));
        }
        order
    }

    fn batch(&self, step: &Step) -> (Batch, usize) {
        if step.kind == "nli" {
            let premises = sentences(&step.sent1, &step.sent1_lens);
            let hypotheses = sentences(&step.sent2, &step.sent2_lens);
            let batch = NliBatch {
                premises: in_order(&premises, &step.rev_sent1),
                hypotheses: in_order(&hypotheses, &step.rev_sent2),
                labels: step.labels.clone(),
            };
            return (Batch::Nli(batch), 0);
        }
        let mut all = vec![targets(&step.input_trg, &step.output_trg)];
        if !step.back_input_trg.is_empty() {
            all.push(targets(&step.back_input_trg, &step.back_output_trg));
        }
        let decoder = self
            .decoder_order()
            .iter()
            .position(|&k| k == step.task)
            .unwrap();
        let batch = Seq2SeqBatch {
            source: sentences(&step.input_src, &step.src_lens),
            targets: all,
        };
        (Batch::Seq2Seq(batch), decoder)
    }
}

/// Renames decoders from the golden numbering to ours or back.
fn renumber(name: &str, number: impl Fn(usize) -> usize) -> String {
    for prefix in ["decoders.", "trg_embedding.", "decoder2vocab."] {
        if let Some(rest) = name.strip_prefix(prefix) {
            let (k, rest) = rest.split_once('.').unwrap();
            return format!("{prefix}{}.{rest}", number(k.parse().unwrap()));
        }
    }
    name.into()
}

fn config(init: &BTreeMap<String, NamedTensor>, order: &[usize]) -> MultitaskConfig {
    let size = |name: &str, dim: usize| init[name].shape[dim];
    let layers = (0..)
        .take_while(|k| init.contains_key(&format!("encoder.weight_ih_l{k}")))
        .count();
    let bidirectional = init.contains_key("encoder.weight_ih_l0_reverse");
    let direction = size("encoder.weight_hh_l0", 1);
    MultitaskConfig {
        encoder: Architecture {
            vocabulary_size: size("src_embedding.weight", 0),
            embedding_size: size("src_embedding.weight", 1),
            hidden_size: direction * (1 + usize::from(bidirectional)),
            layers,
            bidirectional,
        },
        decoders: order
            .iter()
            .map(|k| DecoderConfig {
                target_words: size(&format!("trg_embedding.{k}.weight"), 0),
                embedding_size: size(&format!("trg_embedding.{k}.weight"), 1),
                hidden_size: size(&format!("decoders.{k}.hidden_weights.weight"), 1),
            })
            .collect(),
        inference_hidden: init.get("nli_decoder.1.bias").map(|bias| bias.shape[0]),
        contrasts: Vec::new(),
        distillations: Vec::new(),
        classifiers: Vec::new(),
        pooling: Pooling::Last,
        dropout: 0.0,
    }
}

/// Panics with the index of the largest difference if it exceeds `tolerance`.
pub fn assert_near(
    what: &str,
    found: &[f32],
    expected: &[f32],
    skip: impl Fn(usize) -> bool,
    tolerance: f32,
) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let (place, difference) = (0..found.len())
        .filter(|&i| !skip(i))
        .map(|i| (i, (found[i] - expected[i]).abs()))
        .fold((0, 0.0), |a, b| if b.1 <= a.1 { a } else { b });
    assert!(
        difference <= tolerance,
        "{what}[{place}]: expected {}, found {}, which is {difference:e} off (tolerance {tolerance:e})",
        expected[place],
        found[place],
    );
}

/// Tolerances of a device.
pub struct Tolerances {
    /// Absolute tolerance of logits.
    pub logits: f32,
    /// Relative tolerance of losses and gradient norms.
    pub losses: f64,
    /// Absolute tolerance of gradients.
    pub gradients: f32,
    /// Absolute tolerance of parameters after the first step.
    pub parameters: f32,
}

/// A model that follows the golden steps.
pub struct Run {
    trace: Trace,
    order: Vec<usize>,
    adam: Adam,
    steps: usize,
    pub model: MultitaskModel,
}

impl Run {
    /// A run at the golden initial weights.
    pub fn new(device: &Device) -> Self {
        let trace = Trace::load();
        let init = tensors("init.safetensors");
        let order = trace.decoder_order();
        let device = device.clone().autodiff();
        let model = MultitaskModel::new(&config(&init, &order), 0, &device).unwrap();
        let ours = |k: usize| order.iter().position(|&golden| golden == k).unwrap();
        let mut renamed: HashMap<String, NamedTensor> = init
            .into_values()
            .map(|t| (renumber(&t.name, ours), t))
            .collect();
        let model = parameters::load(model, |name| renamed.remove(name)).unwrap();
        assert!(
            renamed.is_empty(),
            "tensors of no parameter: {:?}",
            renamed.keys()
        );
        Self {
            trace,
            order,
            adam: Adam::new(AdamConfig::new(LEARNING_RATE, 1.0)),
            steps: 0,
            model,
        }
    }

    /// The number of recorded steps.
    pub fn recorded(&self) -> usize {
        self.trace.batches.steps.len()
    }

    /// The losses and gradients of a step's batch (counted from 0) at the current weights.
    pub fn gradients(&self, step: usize, autocast: Autocast) -> (Vec<f64>, StepGradients) {
        let (batch, decoder) = self.trace.batch(&self.trace.batches.steps[step]);
        let (counts, dropout) = (loss::counts(&batch), &mut Dropout::off());
        let mut loss =
            BatchLoss::of_share(&self.model, &batch, decoder, dropout, &counts, autocast);
        let gradients = loss.backward(&self.model);
        (loss.read().losses, gradients)
    }

    /// Takes the next step without comparing anything.
    #[must_use]
    pub fn step_in(mut self, autocast: Autocast) -> Self {
        let (_, gradients) = self.gradients(self.steps, autocast);
        let squares = gradients.squared_norms();
        self.model = self.adam.step(self.model, gradients, squares);
        self.steps += 1;
        self
    }

    /// Takes the next step; panics if loss, gradients or parameters differ from the golden ones.
    #[must_use]
    pub fn step(mut self, tolerances: &Tolerances) -> Self {
        let text = std::fs::read_to_string(folder().join("trace.json")).unwrap();
        let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
        let golden = &golden["modern_adam_skip_idle"][self.steps];
        let (batch, decoder) = self.trace.batch(&self.trace.batches.steps[self.steps]);
        self.steps += 1;
        let step = self.steps;
        let mut loss = BatchLoss::new(&self.model, &batch, decoder, &mut Dropout::off());
        let expected: Vec<f64> = serde_json::from_value(golden["losses"].clone()).unwrap();
        let losses = loss.read().losses;
        assert_eq!(losses.len(), expected.len(), "losses of step {step}");
        for (found, expected) in losses.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= tolerances.losses * expected.abs(),
                "loss of step {step}: expected {expected}, found {found}",
            );
        }
        let gradients = loss.backward(&self.model);
        drop(loss);
        let first_gradients = (step == 1).then(|| tensors("grads_step1.safetensors"));
        if let Some(expected) = &first_gradients {
            self.assert_gradients(&gradients, expected, tolerances.gradients);
        }
        let norm = gradients.norm();
        let expected = golden["grad_norm"].as_f64().unwrap();
        assert!(
            (norm - expected).abs() <= tolerances.losses * expected,
            "gradient norm of step {step}: expected {expected}, found {norm}",
        );
        let squares = gradients.squared_norms();
        self.model = self.adam.step(self.model, gradients, squares);
        if let Some(gradients) = &first_gradients {
            let file = "state_step1.modern_adam_skip_idle.safetensors";
            self.assert_state(file, tolerances.parameters, Some(gradients));
        }
        self
    }

    fn assert_gradients(
        &self,
        found: &StepGradients,
        expected: &BTreeMap<String, NamedTensor>,
        tolerance: f32,
    ) {
        let named = found.by_name.iter();
        let named: BTreeMap<String, Vec<f32>> = named
            .map(|(name, g)| {
                let name = renumber(name, |k| self.order[k]);
                let size = expected[&name].data.len();
                let data = g.dense(size).into_data().iter::<f32>().collect();
                (name, data)
            })
            .collect();
        let nonzero = |t: &&NamedTensor| t.data.iter().any(|&x| x != 0.0);
        let names: Vec<_> = expected.values().filter(nonzero).map(|t| &t.name).collect();
        assert_eq!(
            named.keys().collect::<Vec<_>>(),
            names,
            "parameters with a gradient"
        );
        for (name, found) in &named {
            let what = format!("gradient of {name}");
            assert_near(&what, found, &expected[name].data, |_| false, tolerance);
        }
    }

    /// Panics if the logits of the first batch differ from the golden ones.
    pub fn assert_logits(&self, tolerance: f32) {
        let golden = tensors("logits.safetensors");
        let step = &self.trace.batches.steps[0];
        let (Batch::Seq2Seq(batch), decoder) = self.trace.batch(step) else {
            panic!("the first step is not of a sequence-to-sequence task");
        };
        let context = self.model.encode(&batch.source, &mut Dropout::off());
        for (k, targets) in batch.targets.iter().enumerate() {
            let logits = self.model.decoders[decoder + k].logits(context.clone(), targets);
            let found: Vec<f32> = logits.into_data().iter::<f32>().collect();
            // The golden logits are padded to the longest target.
            let expected = &golden[&format!("logits_step1/{k}")];
            let [_, longest, words] = expected.shape[..] else {
                panic!("logits of {} dimensions", expected.shape.len());
            };
            let real: Vec<f32> = targets
                .lengths
                .iter()
                .enumerate()
                .flat_map(|(row, &length)| {
                    let start = row * longest * words;
                    expected.data[start..start + (length as usize - 1) * words].to_vec()
                })
                .collect();
            let what = format!("logits of target {k}");
            assert_near(&what, &found, &real, |_| false, tolerance);
        }
    }

    /// Panics if the parameters differ from a golden file. With gradients, parameters with
    /// gradients near zero are left out: Adam turns their rounding noise into whole steps.
    pub fn assert_state(
        &self,
        file: &str,
        tolerance: f32,
        gradients: Option<&BTreeMap<String, NamedTensor>>,
    ) {
        let expected = tensors(file);
        let found = parameters::read(&self.model);
        assert_eq!(found.len(), expected.len(), "number of parameters");
        for tensor in found {
            let name = renumber(&tensor.name, |k| self.order[k]);
            let gradient = gradients.and_then(|g| g.get(&name));
            let skip =
                |i: usize| gradient.is_some_and(|g| g.data[i] != 0.0 && g.data[i].abs() < 1e-6);
            let what = format!("{file}: {name}");
            assert_near(&what, &tensor.data, &expected[&name].data, skip, tolerance);
        }
    }
}
