//! Times a training step of the whole model, of one objective of sentence vectors, or of the encoder
//! alone.
//!
//! ```text
//! cargo run --release -p gensen-bench --bin train_step -- [OPTION]... CASE
//! ```
//!
//! Prints one JSON object with the keys of its PyTorch peer, `benches/peers/train_step.py`, whose
//! sizes, sentence lengths (7 to 27 words) and tasks are the same.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use clap::{Parser, ValueEnum};
use gensen_bench::process::{peak_bytes, processor_seconds};
use gensen_data::batch::{
    Batch, ClassificationBatch, DistillationBatch, PairsBatch, Sentences, Seq2SeqBatch,
};
use gensen_model::config::{
    Architecture, ClassifierConfig, ContrastConfig, DecoderConfig, DistillationConfig,
    MultitaskConfig,
};
use gensen_model::device;
use gensen_model::dropout::Dropout;
use gensen_model::encoder::Encoder;
use gensen_model::init::Initializer;
use gensen_model::packed::Packed;
use gensen_model::{MultitaskModel, Pooling};
use gensen_train::config::TrainingPrecision;
use gensen_train::loss::{self, BatchLoss};
use gensen_train::optimizer::{Adam, AdamConfig};
use gensen_train::precision::{self, Autocast, LossScale};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Case {
    /// Skip-thought at 512 / 2048 / 2048, 80k source and 30k target words: 265 M parameters.
    Paper,
    /// Skip-thought at 256 / 512 / 512, 20k source and target words: 42 M parameters.
    Small,
    /// The paper's encoder alone, forward and backward.
    Encoder,
    /// Pairs by contrast. This and the following: 28k words of 256, 512 a direction, means of states.
    Pairs,
    /// Pairs by contrast, each with a hard negative.
    HardNegatives,
    /// Skip-thought by contrast: some sentences are in two pairs.
    NextSentence,
    /// A teacher's vectors of 384 numbers.
    Distillation,
    /// Sentences with one of three labels.
    Classification,
    /// Pairs of sentences with one of three labels.
    PairClassification,
}

/// Times a training step.
#[derive(Parser)]
struct Arguments {
    /// The case to time.
    case: Case,
    /// `auto`, or a device such as `cuda:1`.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads. Default: all processors.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Examples per step.
    #[arg(long, default_value_t = 48)]
    batch: usize,
    /// `f32`, `bf16` or `f16`.
    #[arg(long, default_value = "f32", value_parser = precision_by_name)]
    precision: TrainingPrecision,
    /// Steps before the timed ones: a GPU's kernels are compiled and tuned in them.
    #[arg(long, default_value_t = 1)]
    warm_up: usize,
    /// Timed steps.
    #[arg(long, default_value_t = 3)]
    steps: usize,
}

fn precision_by_name(name: &str) -> Result<TrainingPrecision, String> {
    let known = [
        TrainingPrecision::F32,
        TrainingPrecision::Bf16,
        TrainingPrecision::F16,
    ];
    let found = known.into_iter().find(|known| known.to_string() == name);
    found.ok_or_else(|| "expected f32, bf16 or f16".into())
}

/// The width of a teacher's vectors.
const TEACHER: usize = 384;

impl Case {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn encoder(self) -> Architecture {
        let (embedding_size, hidden_size, vocabulary_size) = match self {
            Self::Paper => (512, 2048, 80_000),
            Self::Small => (256, 512, 20_000),
            Self::Encoder => (512, 2048, 1_000),
            _ => (256, 1024, 28_000),
        };
        Architecture {
            vocabulary_size,
            embedding_size,
            hidden_size,
            layers: 1,
            bidirectional: true,
        }
    }

    fn target_words(self) -> Option<usize> {
        match self {
            Self::Paper => Some(30_000),
            Self::Small => Some(20_000),
            _ => None,
        }
    }

    /// The model with the heads that the case trains. Skip-thought's has an inference head, idle.
    fn model(self) -> MultitaskConfig {
        let encoder = self.encoder();
        let decoder = self.target_words().map(|target_words| DecoderConfig {
            target_words,
            embedding_size: encoder.embedding_size,
            hidden_size: encoder.hidden_size,
        });
        let temperature = 0.05;
        let contrast = ContrastConfig {
            temperature,
            widths: Vec::new(),
        };
        let distillation = DistillationConfig {
            width: TEACHER,
            temperature,
            cosine_weight: 1.0,
            contrast_weight: 0.2,
            matrix_weight: 10.0,
        };
        let classifier = ClassifierConfig {
            pairs: self == Self::PairClassification,
            labels: 3,
            hidden: 512,
        };
        let one = |part: bool| usize::from(part);
        let contrasts = matches!(self, Self::Pairs | Self::HardNegatives | Self::NextSentence);
        let classifies = matches!(self, Self::Classification | Self::PairClassification);
        MultitaskConfig {
            inference_hidden: decoder.as_ref().map(|_| 512),
            pooling: match decoder {
                Some(_) => Pooling::Last,
                None => Pooling::Mean,
            },
            decoders: decoder.map_or_else(Vec::new, |decoder| vec![decoder; 2]),
            contrasts: vec![contrast; one(contrasts)],
            distillations: vec![distillation; one(self == Self::Distillation)],
            classifiers: vec![classifier; one(classifies)],
            encoder,
            dropout: 0.0,
        }
    }

    fn batch(self, size: usize) -> Batch {
        let words = self.encoder().vocabulary_size;
        let read = |stride| sentences(size, stride, 0, words);
        let mut first = read(1);
        match self {
            Self::Paper | Self::Small | Self::Encoder => {
                let words = self.target_words().unwrap_or(words);
                Batch::Seq2Seq(Seq2SeqBatch {
                    source: first,
                    targets: [5, 7].map(|k| sentences(size, k, 1, words)).to_vec(),
                })
            }
            Self::Distillation => Batch::Distillation(DistillationBatch {
                sentences: first,
                vectors: (0..size * TEACHER).map(|k| (k as f32).sin()).collect(),
            }),
            Self::Classification | Self::PairClassification => {
                Batch::Classification(ClassificationBatch {
                    first,
                    second: (self == Self::PairClassification).then(|| read(5)),
                    labels: (0..size as u32).map(|k| k % 3).collect(),
                })
            }
            Self::Pairs | Self::HardNegatives | Self::NextSentence => {
                let second = read(5);
                if self == Self::NextSentence {
                    first = with_shared(&first, &second);
                }
                let mut negatives = Sentences::default();
                match self {
                    Self::HardNegatives => negatives = read(7),
                    _ => (0..size).for_each(|_| negatives.push(&[])),
                }
                Batch::Pairs(PairsBatch {
                    first,
                    second,
                    negatives,
                    numbers: None,
                })
            }
        }
    }
}

/// `first`, where every eighth pair's second sentence is the next pair's first.
fn with_shared(first: &Sentences, second: &Sentences) -> Sentences {
    let (first, second): (Vec<_>, Vec<_>) = (first.iter().collect(), second.iter().collect());
    let mut shared = Sentences::default();
    for (k, own) in first.into_iter().enumerate() {
        shared.push(if k % 8 == 1 { second[k - 1] } else { own });
    }
    shared
}

/// Sentences of 7 to 27 words, 17 on average, plus `more` words each; `stride` determines the order
/// of lengths and the words.
fn sentences(count: usize, stride: usize, more: usize, words: usize) -> Sentences {
    let mut sentences = Sentences::default();
    let mut next = stride as u64;
    for i in 0..count {
        let length = 7 + (i * stride % count) * 20 / (count - 1) + more;
        let ids: Vec<u32> = std::iter::repeat_with(|| {
            next = next
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            4 + ((next >> 33) % (words as u64 - 4)) as u32
        })
        .take(length)
        .collect();
        sentences.push(&ids);
    }
    sentences
}

/// A step of training: loss, gradients, clipping, Adam.
fn training(
    case: Case,
    batch: usize,
    precision: TrainingPrecision,
    device: &Device,
) -> Result<impl FnMut() -> Result<()>> {
    let (config, batch) = (case.model(), case.batch(batch));
    let model = MultitaskModel::new(&config, 1, &device.clone().autodiff())?;
    let mut model = Some(model.train());
    let mut adam = Adam::new(AdamConfig::new(1e-4, 1.0));
    let mut loss_scale = LossScale::first(precision);
    let counts = loss::counts(&batch);
    Ok(move || {
        let current = model.take().context("a step that failed before")?;
        let (dropout, autocast) = (&mut Dropout::off(), Autocast::new(precision, loss_scale));
        let mut loss = BatchLoss::of_share(&current, &batch, 0, dropout, &counts, autocast);
        let gradients = loss.backward(&current);
        let squares = gradients.squared_norms().context("no gradients")?;
        // As in training: f16 waits for the norm, and an overflow updates nothing.
        let accepted = loss_scale.as_mut().is_none_or(|s| s.accepts(&squares));
        if accepted {
            model = Some(adam.step(current, gradients, Some(squares.clone())));
        } else {
            eprintln!("gradients overflowed: the loss scale is halved");
            model = Some(current);
        }
        // One copy from the device, as in training.
        let values = loss.values().iter().cloned();
        let values = values.chain(accepted.then_some(squares)).collect();
        let numbers = Tensor::cat(values, 0).into_data();
        if !numbers.iter::<f64>().all(f64::is_finite) {
            bail!("a loss or gradient norm that is not finite");
        }
        Ok(())
    })
}

/// The encoder's states and their derivatives by embeddings and weights.
fn encoding(batch: usize, device: &Device) -> Result<impl FnMut() -> Result<()>> {
    let config = Case::Encoder.encoder();
    let device = device.clone().autodiff();
    let encoder = Encoder::new(&config, &Initializer::new(1, &device)).train();
    let batch = sentences(batch, 1, 0, config.vocabulary_size);
    let packed = Packed::new(&batch);
    let shape = [packed.steps.rows(), config.hidden_size];
    let weight = Tensor::<2>::random(shape, Distribution::Uniform(0.0, 1.0), &device);
    Ok(move || {
        let states = encoder.states(&packed, &mut Dropout::off(), 0.0);
        let gradients = (states * weight.clone()).sum().backward();
        let first = &encoder.layers[0].forward.weight_ih;
        first.val().grad(&gradients).context("no gradient")?;
        Ok(())
    })
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len().is_multiple_of(2) {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    } else {
        numbers[middle]
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.steps == 0 {
        bail!("--steps 0: there is nothing to time");
    }
    if arguments.batch < 2 {
        bail!("--batch: the lengths of sentences need two");
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()?;
    gensen_model::kernels::memory::keep_freed();
    let device = device::by_name(&arguments.device)?;
    precision::check(std::slice::from_ref(&device), arguments.precision)?;
    let mut step: Box<dyn FnMut() -> Result<()>> = match arguments.case {
        Case::Encoder if arguments.precision != TrainingPrecision::F32 => {
            bail!("encoder: in f32 only");
        }
        Case::Encoder => Box::new(encoding(arguments.batch, &device)?),
        case => {
            let precision = arguments.precision;
            Box::new(training(case, arguments.batch, precision, &device)?)
        }
    };
    for _ in 0..arguments.warm_up {
        step()?;
    }
    let (mut wall, mut processor) = (Vec::new(), Vec::new());
    let mut device_peak_bytes = None;
    for _ in 0..arguments.steps {
        device.sync()?;
        let (started, before) = (Instant::now(), processor_seconds()?);
        step()?;
        device.sync()?;
        wall.push(started.elapsed().as_secs_f64());
        processor.push(processor_seconds()? - before);
        // Memory reserved by CubeCL; other back ends do not report it.
        let reserved = device.memory_pool_usage().map(|usage| usage.bytes_reserved);
        device_peak_bytes = device_peak_bytes.max(reserved);
    }
    let result = serde_json::json!({
        "name": arguments.case.name(),
        "seconds": median(wall),
        "cpu_seconds": median(processor),
        "peak_bytes": peak_bytes()?,
        "device_peak_bytes": device_peak_bytes,
        "threads": rayon::current_num_threads(),
    });
    println!("{result}");
    Ok(())
}
